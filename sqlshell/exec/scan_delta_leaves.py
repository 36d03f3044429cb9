"""Delta files read leaf by leaf with pyarrow: few leaves of nested columns, and files that Polars' reader cannot map.

Row group by row group as the engine asks: names translated to the file's, absent fields NULL, older types cast,
deletion vectors applied, partition values and positions added; row groups whose statistics rule a filter out are
not read (`scan_leaves.filter_bounds`), on repeated leaves too.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from sqlshell.errors import CorruptInputError
from sqlshell.exec.file_shape import WHOLE, Part, ShapeMaker, Wanted, narrowed, shaped, target
from sqlshell.exec.scan_leaves import filter_bounds, open_file
from sqlshell.storage import parquet, parquet_leaves
from sqlshell.storage.source import FILE_PATH, ROW_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.exec.scan import FilesToRead, Piece
    from sqlshell.storage.delta.schema import TableField
    from sqlshell.storage.parquet_leaves import Bound
    from sqlshell.storage.source import FileInfo


class LeafReader:
    """Reads pieces of a Delta table's files.

    `constants` are the values of partition columns, one per file in the order of `pieces`; `deleted` gives the
    positions that a file's deletion vector deletes.
    """

    def __init__(
        self,
        request: FilesToRead,
        columns: list[TableField],
        constants: dict[str, pl.Series],
        deleted: Callable[[FileInfo], Any],
    ) -> None:
        assert request.source.table is not None
        self.mapping = request.source.table.mapping
        self.columns = [
            c.to_json() | {"type": narrowed(c.json_type, wanted_of(request, c.name))} for c in columns
        ]
        self.names = [c.name for c in columns]
        self.key = json.dumps(self.columns)
        self.bounds = [b for f in request.node.filters for b in filter_bounds(f, request)]
        self.constants = constants
        self.deleted = deleted
        self.extra = [f for f in (FILE_PATH, ROW_INDEX) if f in request.fields]
        self.schema = self._schema()

    def frame(self, pieces: list[Piece]) -> pl.LazyFrame:
        """The rows of the pieces; columns that nobody asks for are read all the same."""

        def source(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
        ) -> Iterator[pl.DataFrame]:
            for number, piece in enumerate(pieces):
                for frame in self._frames(number, piece):
                    out = frame if columns is None else frame.select(columns)
                    if rows is not None:
                        out = out.head(rows)
                        rows -= out.height
                    yield out if predicate is None else out.filter(predicate)
                    if rows == 0:
                        return

        return register_io_source(source, schema=self.schema, is_pure=True)

    def _schema(self) -> pl.Schema:
        arrow = pa.schema([pa.field(c["name"], target(c["type"])) for c in self.columns])
        empty: Any = pl.from_arrow(arrow.empty_table())
        found = dict(empty.schema) | {n: s.dtype for n, s in self.constants.items()}
        for name in self.extra:
            found[name] = pl.String() if name == FILE_PATH else pl.Int64()
        return pl.Schema(found)

    def _frames(self, number: int, piece: Piece) -> Iterator[pl.DataFrame]:
        file, split = piece
        groups, names, shapes = self.row_groups(file)
        metadata = parquet.footer(file.path)
        if split is not None:
            inside = set(parquet.row_group_indexes(file.path, split.start, split.end))
            groups = [g for g in groups if g in inside]
        gone = self.deleted(file) if file.vector is not None else None
        starts = [0]
        for g in range(metadata.num_row_groups):
            starts.append(starts[-1] + metadata.row_group(g).num_rows)
        for g in groups:
            frame = self._group(file.path, g, starts[g + 1] - starts[g], names, shapes)
            frame = self._with_constants(frame, number, file, starts[g])
            yield frame if gone is None else _kept(frame, gone, starts[g], starts[g + 1])

    def row_groups(self, file: FileInfo) -> tuple[list[int], tuple[str, ...], Shapes]:
        """Row groups that may hold wanted rows, the leaves to read of them, the shapes of columns."""
        names, shapes, _ = file_shapes(file.path, self.mapping, self.key)
        bounds = list(self._bounds_in(shapes))
        return parquet_leaves.row_groups_that_may_match(file.path, bounds), names, shapes

    def _group(
        self, path: str, group: int, rows: int, names: tuple[str, ...], shapes: Shapes
    ) -> pl.DataFrame:
        table = None
        if names:
            try:
                table = open_file(*parquet.version(path)).read_row_groups([group], columns=list(names))
            except (pa.ArrowInvalid, OSError) as e:
                raise CorruptInputError(f"cannot read '{path}': {e}") from None
        arrays: dict[str, Any] = {}
        for column, (name, shape) in zip(self.names, shapes, strict=True):
            if name is None or table is None:
                arrays[column] = pa.nulls(rows, shape.target)
            else:
                arrays[column] = shaped(table.column(name), shape)
        if not arrays:
            return pl.DataFrame(height=rows)
        frame: Any = pl.from_arrow(pa.table(arrays))
        return frame  # type: ignore[no-any-return]

    def _with_constants(self, frame: pl.DataFrame, number: int, file: FileInfo, start: int) -> pl.DataFrame:
        rows = frame.height
        for name, values in self.constants.items():
            frame = frame.with_columns(values.slice(number, 1).new_from_index(0, rows).alias(name))
        if FILE_PATH in self.extra:
            frame = frame.with_columns(pl.lit(file.path, dtype=pl.String).alias(FILE_PATH))
        if ROW_INDEX in self.extra:
            frame = frame.with_columns(
                pl.int_range(start, start + rows, dtype=pl.Int64, eager=True).alias(ROW_INDEX)
            )
        return frame

    def _bounds_in(self, shapes: Shapes) -> Iterator[Bound]:
        """The bounds under the file's names."""
        tops = {c.lower(): part for c, part in zip(self.names, shapes, strict=True)}
        for bound, comparison, constant in self.bounds:
            if bound[0] not in tops:
                continue
            name, shape = tops[bound[0]]
            found: list[str | None] = [name]
            for step in bound[1:]:
                below = shape.below(step)
                if below is None:
                    break
                found.append(below[0])
                shape = below[1]
            else:
                if None not in found:
                    yield tuple(str(n).lower() for n in found), comparison, constant


Shapes = tuple[Part, ...]


def wanted_of(request: FilesToRead, name: str) -> Wanted:
    """What is wanted of a column."""
    lowered = name.lower()
    leaves = request.node.leaves or ()
    found = [tuple(part.lower() for part in p[1:]) for p in leaves if p[0].lower() == lowered]
    return frozenset(found) or WHOLE


def file_shapes(path: str, mapping: str, columns: str) -> tuple[tuple[str, ...], Shapes, bool]:
    """Leaves to read (as pyarrow names them), the shapes of columns (a JSON text), and whether any must be cast."""
    return _file_shapes(*parquet.version(path), mapping, columns)


@lru_cache(maxsize=1024)
def _file_shapes(
    path: str, mtime: int, size: int, mapping: str, columns: str
) -> tuple[tuple[str, ...], Shapes, bool]:
    maker = ShapeMaker(mapping)
    shapes = tuple(maker.columns(parquet.arrow_schema(path), json.loads(columns)))
    schema = parquet.footer(path).schema
    return tuple(schema.column(i).path for i in sorted(maker.leaves)), shapes, maker.casts


def _kept(frame: pl.DataFrame, gone: Any, start: int, end: int) -> pl.DataFrame:
    """Without the rows at the file's positions `gone`, of a row group that goes from `start` to `end`."""
    here = gone[(gone >= start) & (gone < end)] - start
    if not len(here):
        return frame
    keep = pl.repeat(True, frame.height, dtype=pl.Boolean, eager=True)
    return frame.filter(keep.scatter(here, False))
