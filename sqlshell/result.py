"""What a statement gives back: plain rows (commands, literals) or Arrow IPC files written by workers.

Plain rows need no Arrow at all; IPC files are memory-mapped and read when asked for. Either way `fields` names and
types the columns, `rows()` gives Python tuples and `arrow()` a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error, OperationalError
from sqlshell.result_columns import python_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from sqlshell import types as t

BATCH_ROWS = 8192


class Result:
    """Rows of one statement. `message` is what a command says instead of rows; `warnings` go to stderr.

    Attributes: `fields` (tuple of Field, one per column), `row_count` (int), `is_query` (whether there are
    columns to fetch), `affected` (how many rows a statement changed; None for those that change none).

    Rows can be read while the statement still runs: `rows()` and `batches()` wait for more as
    they go and raise what it fails with; `row_count` and `arrow()` wait for its end first. `close()` ends the
    statement and removes the files behind the result.

    A result of more than `limit` rows raises ROW_LIMIT_EXCEEDED instead of them.

    When the session's controls asked for it, `is_text` says that `paths()` are text, not Arrow (`exec/export.py`).
    """

    def __init__(
        self,
        fields: Sequence[t.Field],
        rows: Sequence[tuple[Any, ...]] | None = None,
        *,
        paths: Iterable[str] = (),
        as_text: bool = False,
        row_count: Callable[[], int] | None = None,
        message: str | None = None,
        warnings: Sequence[str] = (),
        blame: Callable[[Error], None] | None = None,
        on_close: Callable[[], None] | None = None,
        affected: int | None = None,
        limit: int | None = None,
    ) -> None:
        self.fields = tuple(fields)
        self.message = message
        self.warnings = tuple(warnings)
        self._rows = rows
        self._paths = paths
        self.is_text = as_text and rows is None
        self._row_count = row_count
        self._blame = blame
        self._on_close = on_close
        self.affected = affected
        self._limit = limit
        if rows is not None:
            self._check_limit(len(rows))

    def _check_limit(self, count: int) -> None:
        if self._limit is not None and count > self._limit:
            raise OperationalError(
                f"the result has more than {self._limit:,} rows", condition="ROW_LIMIT_EXCEEDED",
                hint="add LIMIT, or aggregate",
            )  # fmt: skip

    @property
    def row_count(self) -> int:
        """How many rows there are in all."""
        if self._rows is not None:
            return len(self._rows)
        if self._row_count is None:
            return 0
        try:
            count = self._row_count()
            self._check_limit(count)
            return count
        except Error as e:
            if self._blame is not None:
                self._blame(e)
            raise

    @property
    def is_query(self) -> bool:
        """Whether the statement has a row set (even an empty one)."""
        return bool(self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, duplicates allowed."""
        return tuple(f.name for f in self.fields)

    def paths(self) -> Iterator[str]:
        """The files behind the result, as they are written; none when its rows are few."""
        try:
            if self._rows is None:
                yield from self._paths
        except Error as e:
            if self._blame is not None:
                self._blame(e)
            raise

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows as Python tuples: str, int, float, Decimal, date, datetime, list, dict (map, struct) ..."""
        if self._rows is not None:
            yield from self._rows
            return
        for batch in self.batches():
            columns = [python_values(c, f.type) for c, f in zip(batch.columns, self.fields, strict=True)]
            yield from zip(*columns, strict=True)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow record batches under the real Arrow types of `fields`."""
        schema = self.arrow_schema()
        if self._rows is not None:
            if self._rows:
                yield self._from_rows(schema)
            return
        count = 0
        for path in self.paths():
            for batch in self._from_file(path, schema):
                count += batch.num_rows
                self._check_limit(count)
                yield batch

    def arrow(self) -> pa.Table:
        """All rows as one Arrow table."""
        import pyarrow as pa

        self.row_count  # noqa: B018 - until rows are handed out, a lost worker can be made up for
        return pa.Table.from_batches(list(self.batches()), schema=self.arrow_schema())

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the row set."""
        import pyarrow as pa

        from sqlshell.types_arrow import to_arrow

        return pa.schema([pa.field(f.name, to_arrow(f.type), f.nullable) for f in self.fields])

    def _from_file(self, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from sqlshell.types_arrow import result_column

        with pa.memory_map(path) as source, pa.ipc.open_file(source) as reader:
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                arrays = [result_column(a, f.type) for a, f in zip(batch.columns, self.fields, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _from_rows(self, schema: pa.Schema) -> pa.RecordBatch:
        import pyarrow as pa

        from sqlshell.types_arrow import array_from_python

        assert self._rows is not None
        columns = list(zip(*self._rows, strict=True))
        arrays = [array_from_python(c, f.type) for c, f in zip(columns, self.fields, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def close(self) -> None:
        """Remove the files behind this result; rows not fetched yet are gone."""
        if self._on_close is not None:
            callback, self._on_close = self._on_close, None
            callback()
        self._paths = ()


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names, a number behind those that were there before: JSON objects have no two equal keys."""
    seen: set[str] = set()
    out: list[str] = []
    for name in names:
        found, n = name, 1
        while found in seen:
            n += 1
            found = f"{name}_{n}"
        seen.add(found)
        out.append(found)
    return tuple(out)


def command(message: str, warnings: Sequence[str] = ()) -> Result:
    """The result of a statement without rows."""
    return Result((), (), message=message, warnings=warnings)
