"""Delta tables to frames: partition values from the log, deletion vectors, column mapping, older files' types.

Polars' reader has a layer for Iceberg tables that maps columns by field id or name, nested ones too, gives each file
constants of its own and fills in absent columns, for any number of files in one scan (1,000 files with a partition
value each: 0.08 s, as one frame per file and a concat: 0.20 s). It is used for Delta's column mapping, partition
values and row positions. Parquet field ids win over names there, so files with foreign ids take the slow way.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.exec.delta_types import arrow_schema, file_dtype, is_widened
from sqlshell.exec.lower_types import is_nested
from sqlshell.storage import parquet
from sqlshell.storage.delta import deletion_vectors
from sqlshell.storage.source import FILE_PATH, ROW_INDEX
from sqlshell.storage.uri import scan_options
from sqlshell.types import STRING, Decimal, String

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlshell.exec.scan import FilesToRead, Piece
    from sqlshell.storage.delta.schema import TableField
    from sqlshell.storage.source import FileInfo, TableRead
    from sqlshell.types import SqlType

POSITION = "__position"
OFFSET = "__offset"
FEW_FRAMES = 8
"""So many frames are concatenated before one scan of all files is tried."""


def frames(request: FilesToRead) -> Iterator[tuple[pl.LazyFrame, bool]]:
    """Frames with the wanted fields of the given pieces, and whether each has the declared types.

    The types of one frame may be older than the table's; they are never newer.
    """
    reader = _Reader(request)
    if request.node.leaves is not None:
        yield reader.leaf_by_leaf(request.pieces), True
        return
    whole = [f for f, split in request.pieces if split is None]
    yield from reader.whole(whole)
    for piece in request.pieces:
        if piece[1] is not None:
            lf = reader.part(piece)
            if lf is not None:
                yield lf


class _Reader:
    def __init__(self, request: FilesToRead) -> None:
        self.request = request
        self.source = request.source
        table = self.source.table
        assert table is not None
        self.table: TableRead = table
        wanted = set(request.fields)
        self.partitions = [p for p in self.source.partition_columns if p in wanted]
        self.positions = ROW_INDEX in wanted
        self.paths = FILE_PATH in wanted
        inside = wanted - set(self.source.partition_columns)
        self.columns: list[TableField] = [c for c in table.columns.fields if c.name in inside]
        self.widened = any(is_widened(c) for c in self.columns)
        # Under their own types files may lack fields of structs, which only pyarrow's way fills in.
        self.odd_structs = self.widened and any(is_nested(c.type) for c in self.columns)

    # -- which way

    def whole(self, files: list[FileInfo]) -> Iterator[tuple[pl.LazyFrame, bool]]:
        """All rows of whole files."""
        if not files:
            return
        if self.odd_structs:
            yield self.leaf_by_leaf([(f, None) for f in files]), True
            return
        for group in self._alike(files):
            constants = {self._constants(f) for f in group}
            if self.table.mapping != "none" or (len(constants) > FEW_FRAMES and not self.widened):
                odd = self._with_odd_ids(group)
                rest = [f for f in group if f not in odd] if odd else group
            else:
                odd, rest = group, []
            if odd and self.table.mapping != "none":
                yield self.leaf_by_leaf([(f, None) for f in odd]), True
                odd = []
            if rest:
                yield self._mapped(rest), True
            by_constants: dict[Any, list[FileInfo]] = {}
            for f in odd:
                by_constants.setdefault(self._constants(f), []).append(f)
            for same in by_constants.values():
                yield self._plain(same), not self.widened

    def part(self, piece: Piece) -> tuple[pl.LazyFrame, bool] | None:
        """The rows of some row groups of a file."""
        file, split = piece
        assert split is not None
        if self.odd_structs and split.rows is not None:
            return self.leaf_by_leaf([(file, None)]).slice(*split.rows), True
        if self.odd_structs:
            return self.leaf_by_leaf([piece]), True
        rows = split.rows or parquet.row_groups_between(file.path, split.start, split.end)
        if rows is None:
            return None
        if self.table.mapping == "none":
            return self._plain([file], rows), not self.widened
        if self._with_odd_ids([file]):
            return self.leaf_by_leaf([piece]), True
        return self._mapped([file], rows), True

    def _alike(self, files: list[FileInfo]) -> list[list[FileInfo]]:
        """Files whose columns have the same types, where the table's types were widened."""
        if not self.widened or self.table.mapping != "none":
            return [files]
        groups: dict[str, list[FileInfo]] = {}
        for f in files:
            groups.setdefault(_type_text(*parquet.version(f.path)), []).append(f)
        return list(groups.values())

    def _constants(self, file: FileInfo) -> Any:
        """What must be equal for files to share a plain scan."""
        if self.positions or self.paths:
            return file.path
        return file.partition if self.partitions else ()

    def _with_odd_ids(self, files: list[FileInfo]) -> list[FileInfo]:
        """Files that Polars' mapping would read wrong: by other field ids than their names', or types it refuses."""
        mapping = self.table.mapping
        cast: set[FileInfo] = set()
        if self.widened and mapping != "none":
            from sqlshell.exec.scan_delta_leaves import file_shapes

            key = json.dumps([c.to_json() for c in self.columns])
            cast = {f for f in files if file_shapes(f.path, mapping, key)[2]}
        if mapping == "id":
            return [f for f in files if f in cast]
        expected = self.table.columns.column_ids() if mapping == "name" else {}
        ids = tuple(sorted(expected.items()))
        return [f for f in files if f in cast or _has_odd_ids(*parquet.version(f.path), ids)]

    # -- leaf by leaf

    def leaf_by_leaf(self, pieces: list[Piece]) -> pl.LazyFrame:
        """By pyarrow: single leaves of nested columns, any names and types."""
        from sqlshell.exec.scan_delta_leaves import LeafReader  # and pyarrow, which takes as long as Polars

        files = [f for f, _ in pieces]
        constants = {p: self._partition_series(p, files) for p in self.partitions}
        reader = LeafReader(self.request, self.columns, constants, self._positions)
        return self._selected(reader.frame(pieces), self._cast_partitions())

    # -- one scan of many files

    def _mapped(self, files: list[FileInfo], rows: tuple[int, int] | None = None) -> pl.LazyFrame:
        """By column ids and physical names, with per-file constants."""
        schema: dict[str, Any] = {c.name: file_dtype(c.type) for c in self.columns}
        constants: dict[str, pl.Series] = {}
        for name in self.partitions:
            constants[name] = self._partition_series(name, files)
        if self.positions:
            constants[OFFSET] = pl.Series(self._offsets(files), dtype=pl.Int64)
        if self.paths:
            constants[FILE_PATH] = pl.Series([f.path for f in files], dtype=pl.String)
        schema |= {n: s.dtype for n, s in constants.items()}
        ids, arrow, names = arrow_schema(self.columns, constants)
        lf = self._scan(
            files,
            rows,
            schema=schema,
            _column_mapping=("iceberg-column-mapping", arrow, names),
            _default_values=("iceberg", ({ids[n]: s for n, s in constants.items()}, {})),
        )
        if self.positions:
            lf = lf.with_columns((pl.col(POSITION).cast(pl.Int64) - pl.col(OFFSET)).alias(ROW_INDEX))
        return self._selected(lf, self._cast_partitions())

    def _plain(self, files: list[FileInfo], rows: tuple[int, int] | None = None) -> pl.LazyFrame:
        """By the columns' names; the files share all constants."""
        if self.widened:
            have = set(parquet.arrow_schema(files[0].path).names)
            lf = self._scan(files, rows)
            absent = [c for c in self.columns if c.name not in have]
            lf = lf.with_columns(pl.lit(None, dtype=file_dtype(c.type)).alias(c.name) for c in absent)
        else:
            lf = self._scan(files, rows, schema={c.name: file_dtype(c.type) for c in self.columns})
        if self.positions:
            lf = lf.with_columns(pl.col(POSITION).cast(pl.Int64).alias(ROW_INDEX))
        constants = []
        if self.paths:
            constants.append(pl.lit(files[0].path, dtype=pl.String).alias(FILE_PATH))
        for name in self.partitions:
            text = files[0].partition[self.source.partition_columns.index(name)]
            constants.append(self._partition_value(pl.lit(text, dtype=pl.String), name).alias(name))
        return self._selected(lf, constants)

    def _scan(self, files: list[FileInfo], rows: tuple[int, int] | None, **options: Any) -> pl.LazyFrame:
        """Polars' scan, without the rows that deletion vectors delete."""
        deleted = [f for f in files if f.vector is not None]
        by_position = bool(deleted) and (self.positions or rows is not None)
        if deleted and not by_position:
            options["_deletion_files"] = ("delta-deletion-vector", lambda paths: self._masks(files, paths))
        if self.positions or by_position:
            options["row_index_name"] = POSITION
            if "schema" in options:
                options["schema"] = {POSITION: pl.get_index_type(), **options["schema"]}
        lf = pl.scan_parquet(
            [f.path for f in files],
            glob=False,
            hive_partitioning=False,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=pl.ScanCastOptions._default_iceberg(),
            **options,
            **scan_options([f.path for f in files]),
        )
        if rows is not None:
            lf = lf.slice(*rows)
        return lf.filter(~pl.col(POSITION).is_in(self._deleted(files).implode())) if by_position else lf

    def _selected(self, lf: pl.LazyFrame, constants: list[pl.Expr]) -> pl.LazyFrame:
        if constants:
            lf = lf.with_columns(constants)
        return lf.select(self.request.fields) if self.request.fields else lf

    # -- deletion vectors and positions

    def _masks(self, files: list[FileInfo], paths: pl.DataFrame) -> pl.DataFrame:
        """For each asked path the rows to keep, or NULL for all."""
        by_path = {f.path: f for f in files}
        masks: list[pl.Series | None] = []
        for path in paths.to_series().to_list():
            file = by_path[path.removeprefix("file://")]
            if file.vector is None:
                masks.append(None)
                continue
            keep = pl.repeat(True, self._rows(file), dtype=pl.Boolean, eager=True)
            masks.append(keep.scatter(self._positions(file), False))
        return pl.DataFrame({"selection_vector": pl.Series(masks, dtype=pl.List(pl.Boolean))})

    def _positions(self, file: FileInfo) -> Any:
        assert file.vector is not None
        return deletion_vectors.read(self.table.location, file.vector)

    def _deleted(self, files: list[FileInfo]) -> pl.Series:
        """Positions of deleted rows, counted over all files of a scan."""
        parts = [
            pl.Series(self._positions(f) + offset, dtype=pl.Int64)
            for f, offset in zip(files, self._offsets(files), strict=True)
            if f.vector is not None
        ]
        return pl.concat(parts).cast(pl.get_index_type())

    def _offsets(self, files: list[FileInfo]) -> list[int]:
        out, at = [], 0
        for f in files:
            out.append(at)
            at += self._rows(f) if len(files) > 1 else 0
        return out

    def _rows(self, file: FileInfo) -> int:
        """Physical rows, deleted ones included."""
        if file.rows is None:
            return int(parquet.footer(file.path).num_rows)
        return file.rows + (file.vector.cardinality if file.vector is not None else 0)

    # -- partition values

    def _type(self, name: str) -> SqlType:
        return self.request.field_type(name)

    def _partition_series(self, name: str, files: list[FileInfo]) -> pl.Series:
        """One value per file; of the column's type where Arrow has it, else text."""
        at = self.source.partition_columns.index(name)
        texts = pl.DataFrame({"v": pl.Series([f.partition[at] for f in files], dtype=pl.String)})
        if isinstance(self._type(name), Decimal):
            return texts.to_series()
        return texts.lazy().select(self._partition_value(pl.col("v"), name)).collect().to_series()

    def _partition_value(self, text: pl.Expr, name: str) -> pl.Expr:
        sql_type = self._type(name)
        return text if isinstance(sql_type, String) else self.request.kernel.cast(text, STRING, sql_type)

    def _cast_partitions(self) -> list[pl.Expr]:
        decimals = [p for p in self.partitions if isinstance(self._type(p), Decimal)]
        return [self._partition_value(pl.col(p), p).alias(p) for p in decimals]


@lru_cache(maxsize=4096)
def _type_text(path: str, mtime: int, size: int) -> str:
    return str(parquet.arrow_schema(path).remove_metadata())


@lru_cache(maxsize=4096)
def _has_odd_ids(path: str, mtime: int, size: int, expected: tuple[tuple[tuple[str, ...], int], ...]) -> bool:
    """Whether a file has field ids that are not the expected ones of its columns."""
    wanted = dict(expected)
    found = dict(_field_ids(parquet.arrow_schema(path), ()))
    if not found:
        return False
    if not wanted:
        return True
    taken = set(wanted.values())
    # A column that the table dropped keeps its id, which no other column gets.
    return any(wanted[p] != i if p in wanted else i in taken for p, i in found.items()) or any(
        p not in found for p in wanted if len(p) == 1 and p[0] in parquet.arrow_schema(path).names
    )


def _field_ids(fields: Iterable[Any], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    for f in fields:
        path = (*prefix, f.name)
        own = (f.metadata or {}).get(b"PARQUET:field_id")
        if own is not None and int(own) >= 0:
            yield path, int(own)
        yield from _ids_below(f.type, path)


def _ids_below(t: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    import pyarrow.types as pt

    if pt.is_struct(t):
        yield from _field_ids(t, path)
    elif pt.is_map(t):
        yield from _ids_below(t.key_type, (*path, "{}", "key"))
        yield from _ids_below(t.item_type, (*path, "{}", "value"))
    elif pt.is_list(t) or pt.is_large_list(t):
        yield from _ids_below(t.value_type, (*path, "[]"))
