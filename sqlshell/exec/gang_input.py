"""What a body reads: the partitions of its gang's input, each computed when asked for. Runs in ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.exec import edge
from sqlshell.exec.collect import batches, collect
from sqlshell.exec.lower import lower_plan
from sqlshell.exec.worker import failure_of
from sqlshell.plan.logical import Project, Scan
from sqlshell.records import replace
from sqlshell.types import Decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa

    from sqlshell.exec.task import Failure, Split, TaskInput
    from sqlshell.plan.logical import Plan


class InputFailed(Exception):
    """Reading a partition failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


class Partition:
    """One partition: the same rows in the same order in every attempt and for any number of ranks.

    Nothing is kept: each call reads again. `index` is the partition's number over all ranks.
    """

    def __init__(self, index: int, plan: Plan, names: Sequence[str], task: TaskInput) -> None:
        self.index = index
        self.names = tuple(names)
        self.types = tuple(c.type for c in plan.output)
        self._plan = plan
        self._task = task

    @property
    def plan(self) -> Plan:
        """How rows are made of what is read."""
        return self._plan

    def instead(self, task: TaskInput) -> Partition:
        """The same plan over something else."""
        return Partition(self.index, self._plan, self.names, task)

    @property
    def input(self) -> TaskInput:
        """What the partition is made from."""
        return self._task

    def frame(self) -> pl.DataFrame:
        """The rows in kernel form (decimals are unscaled Int128, see `lower_types.py`), columns by name.

        A query that gives two columns one name has them as `name` and `name_1`.
        """
        return self._run(lambda lf: collect(lf, deterministic=self._task.deterministic))

    def batches(self, rows: int = 65_536) -> Iterator[pl.DataFrame]:
        """The rows in order, about `rows` at a time: for partitions larger than memory."""
        try:
            yield from batches(self._lazy(), rows)
        except BaseException as e:
            raise self._failed(e) from e

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table of the query's SQL types."""
        import pyarrow as pa

        from sqlshell.types_arrow import result_column, to_arrow

        table = self._run(
            lambda lf: collect(self._edge(lf), deterministic=self._task.deterministic)
        ).to_arrow(compat_level=pl.CompatLevel.oldest())
        fields = [
            pa.field(n, to_arrow(c.type), c.nullable)
            for n, c in zip(self.names, self._plan.output, strict=True)
        ]
        columns = [
            pa.chunked_array([result_column(chunk, t) for chunk in column.chunks], f.type)
            for column, t, f in zip(table.columns, self.types, fields, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))

    def matrix(self, names: Sequence[str] | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Numeric columns (all of them unless named) as a C-ordered matrix of doubles; NULL becomes NaN."""
        picked = [self._index(n) for n in names] if names is not None else range(len(self.names))
        frame = self._run(
            lambda lf: collect(
                lf.select(_as_double(pl.nth(i), self.types[i]).alias(str(at)) for at, i in enumerate(picked)),
                deterministic=self._task.deterministic,
            )
        )
        return frame.to_numpy(order="c")

    def _index(self, name: str) -> int:
        lowered = [n.lower() for n in self.names]
        if name.lower() not in lowered:
            raise AnalysisError(
                f"the gang's input has no column {name}",
                condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
                hint=did_you_mean(name, self.names),
            )
        return lowered.index(name.lower())

    def _lazy(self) -> pl.LazyFrame:
        lf = lower_plan(self._plan, self._task)
        return lf.select(
            pl.col(f"c{c.id}").alias(n) for c, n in zip(self._plan.output, unique(self.names), strict=True)
        )

    def _edge(self, lf: pl.LazyFrame) -> pl.LazyFrame:
        return lf.select(edge.to_arrow_form(pl.nth(i), t).alias(str(i)) for i, t in enumerate(self.types))

    def _run(self, use: Any) -> pl.DataFrame:
        try:
            frame: pl.DataFrame = use(self._lazy())
        except BaseException as e:
            raise self._failed(e) from e
        return frame

    def _failed(self, e: BaseException) -> InputFailed:
        return InputFailed(failure_of(e, self, self._plan))


def tables(partitions: Sequence[Partition]) -> list[pa.Table]:
    """Each partition as `arrow()` gives it; ranges of rows that follow one another in files are read in one go."""
    counts = [rows_told(p) for p in partitions]
    if len(partitions) > 1 and all(counts):
        first = partitions[0]
        ranges = merged([s for p in partitions for s in p.input.splits[0] or ()])
        table = first.instead(replace(first.input, splits=(ranges,))).arrow()
        if table.num_rows == sum(counts):
            starts = [sum(counts[:i]) for i in range(len(counts))]
            return [table.slice(at, n) for at, n in zip(starts, counts, strict=True)]
    return [p.arrow() for p in partitions]


def rows_told(partition: Partition) -> int:
    """How many rows a partition has, when it is ranges of rows of unfiltered files in their order; else 0."""
    splits = partition.input.splits
    node = partition.plan
    while isinstance(node, Project):
        node = node.input
    if len(splits) != 1 or not isinstance(node, Scan) or node.filters:
        return 0
    if node.source.partition_columns:  # files of one directory are read together
        return 0
    return sum(s.rows[1] if s.rows else 0 for s in splits[0] or ())


def merged(splits: Sequence[Split]) -> tuple[Split, ...]:
    """Ranges of rows with those that follow one another made one."""
    out: list[Split] = []
    for s in splits:
        before = out[-1].rows if out and out[-1].file == s.file else None
        if before is not None and s.rows is not None and sum(before) == s.rows[0]:
            out[-1] = replace(s, rows=(before[0], before[1] + s.rows[1]))
        else:
            out.append(s)
    return tuple(out)


def unique(names: Sequence[str]) -> list[str]:
    """The names with repeated ones numbered: x, x_1, x_2."""
    out: list[str] = []
    for name in names:
        new, n = name, 0
        while new in out:
            n += 1
            new = f"{name}_{n}"
        out.append(new)
    return out


def _as_double(e: pl.Expr, t: Any) -> pl.Expr:
    double = e.cast(pl.Float64)
    if isinstance(t, Decimal):
        double = double / 10.0**t.scale
    return double.fill_null(float("nan"))
