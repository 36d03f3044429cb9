"""Scans: a source's files to a frame of kernel columns.

Each format has a reader (`_READERS`) that gives a frame of the wanted *fields* in file types. Files that share
`key=value` directory values are read together. Filters run in two steps: comparisons of plain columns with
constants first, in the file's own types, where Polars can skip row groups with them; the rest on kernel columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError
from sqlshell.exec import edge
from sqlshell.exec.lower_types import dtype
from sqlshell.expr.expr import And, Call, Column, Expr, In, Literal, Or, conjoin
from sqlshell.storage import policy
from sqlshell.storage.source import FILE_FIELDS, ROW_INDEX, FileInfo, MemorySource
from sqlshell.types import Decimal, SqlType, String

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.exec.task import Split
    from sqlshell.plan.logical import Scan
    from sqlshell.storage.source import Source

    Reader = Callable[["FilesToRead"], pl.LazyFrame]


class FilesToRead:
    """What a reader gets: files (with the piece of each to read) and the fields wanted from them."""

    def __init__(self, k: Kernel, node: Scan, source: Source, fields: list[str], pieces: list[Piece]) -> None:
        self.kernel = k
        self.node = node
        self.source = source
        self.fields = fields
        self.pieces = pieces

    def field_type(self, name: str) -> SqlType:
        """The declared type of a field."""
        index = self.source.schema.index(name)
        if index is None:
            raise InternalError(f"{self.source.name} has no field {name}")
        return self.source.schema.fields[index].type


Piece = tuple[FileInfo, "Split | None"]


def lower_scan(k: Kernel, node: Scan, splits: tuple[Split, ...] | None) -> pl.LazyFrame:
    """The scan's rows: all files, or the given splits of them."""
    source: Any = node.source
    if isinstance(source, MemorySource):
        files = tuple(FileInfo(p, 0) for p in source.paths)
        return _finish(k, node, _memory(source, _pieces(files, splits)))
    pieces = _pieces(source.files, splits)
    if any(f in FILE_FIELDS for f in node.fields) or (
        source.format == "parquet" and ROW_INDEX in node.fields
    ):
        from sqlshell.exec.scan_metadata import file_by_file

        return _together(
            k, node, [_finish(k, node, lf, e) for lf, e in file_by_file(k, node, source, pieces)]
        )
    if source.format == "delta":
        from sqlshell.exec import scan_delta

        request = FilesToRead(k, node, source, list(node.fields), pieces)
        found = scan_delta.frames(request)
        return _together(k, node, [_finish(k, node, lf, exact) for lf, exact in found])
    frames = [_read_group(k, node, source, group) for group in _by_partition(pieces)]
    return _together(k, node, frames)


def _together(k: Kernel, node: Scan, frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    if not frames:
        return _empty(k, node)
    lf = frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")
    return lf if node.limit is None else lf.head(node.limit)


def _pieces(files: tuple[FileInfo, ...], splits: tuple[Split, ...] | None) -> list[Piece]:
    """What is to be read. Raises SAFE_MODE for files that may not be, as they are now."""
    if splits is None:
        pieces: list[Piece] = [(f, None) for f in files]
    else:
        pieces = [(files[s.file], None if s.whole else s) for s in splits]
    if policy.active():
        for f, _ in pieces:
            policy.check(f.path)
    return pieces


def _by_partition(pieces: list[Piece]) -> Iterator[list[Piece]]:
    groups: dict[tuple[str | None, ...], list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece[0].partition, []).append(piece)
    return iter(groups.values())


def _read_group(k: Kernel, node: Scan, source: Source, pieces: list[Piece]) -> pl.LazyFrame:
    return _finish(k, node, read_group(k, node, source, pieces))


def read_group(k: Kernel, node: Scan, source: Source, pieces: list[Piece]) -> pl.LazyFrame:
    """The fields of files of one partition, in the files' types."""
    constants = set(source.partition_columns)
    fields = [f for f in node.fields if f not in constants]
    request = FilesToRead(k, node, source, fields, pieces)
    lf = _reader(source.format)(request)
    if constants:
        values = dict(zip(source.partition_columns, pieces[0][0].partition, strict=True))
        lf = lf.with_columns(
            _partition_value(k, values[f], request.field_type(f)).alias(f)
            for f in node.fields
            if f in constants
        )
    return lf


def _partition_value(k: Kernel, text: str | None, sql_type: SqlType) -> pl.Expr:
    value = pl.lit(text, dtype=pl.String)
    return value if isinstance(sql_type, String) else k.cast(value, String(), sql_type)


def _finish(k: Kernel, node: Scan, lf: pl.LazyFrame, exact: bool = True) -> pl.LazyFrame:
    """Filters and conversion to kernel columns `c{id}`. Not `exact`: the file's types may be narrower."""
    schema = lf.collect_schema()
    fields = {c.id: f for c, f in zip(node.columns, node.fields, strict=True)}
    early, late = [], []
    for part in node.filters:
        native = native_predicate(part, fields, schema) if exact else None
        if native is None:
            late.append(part)
        else:
            early.append(native)
    for predicate in early:
        lf = lf.filter(predicate)
    columns = [
        edge.from_file(k, pl.col(f), schema[f], c.type).alias(f"c{c.id}")
        for c, f in zip(node.columns, node.fields, strict=True)
    ]
    lf = lf.select(columns) if columns else lf.with_columns(pl.lit(True).alias("_")).select("_")
    return lf.filter(k.lower(conjoin(late))) if late else lf


def _empty(k: Kernel, node: Scan) -> pl.LazyFrame:
    schema: dict[str, Any] = {f"c{c.id}": k.dtype(c.type) for c in node.columns}
    return pl.DataFrame(schema=schema or {"_": pl.Boolean}).lazy()


_COMPARE: dict[str, Callable[[Any, Any], pl.Expr]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_MIRROR = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EXACT = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.String, pl.Date, pl.Decimal)
"""File types whose comparison with a constant means in Polars what it means in SQL (floats: NaN differs)."""


def native_predicate(e: Expr, fields: dict[int, str], schema: pl.Schema) -> pl.Expr | None:
    """`e` in the file's own types, when it is made of comparisons of columns with constants; else None."""
    match e:
        case And() | Or():
            parts = [native_predicate(a, fields, schema) for a in e.args]
            if any(p is None for p in parts):
                return None
            combined = pl.all_horizontal if isinstance(e, And) else pl.any_horizontal
            return combined([p for p in parts if p is not None])
        case Call(fn="isnotnull" | "isnull", args=(Column() as c,)) if c.id in fields:
            column = pl.col(fields[c.id])
            return column.is_null() if e.fn == "isnull" else column.is_not_null()
        case Call(fn=fn, args=(Column() as c, Literal() as v)) if fn in _COMPARE:
            return _native_comparison(fn, c, v, fields, schema)
        case Call(fn=fn, args=(Literal() as v, Column() as c)) if fn in _COMPARE:
            return _native_comparison(_MIRROR[fn], c, v, fields, schema)
        case In(value=Column() as c, options=options) if all(isinstance(o, Literal) for o in options):
            parts = [_native_comparison("=", c, o, fields, schema) for o in options if isinstance(o, Literal)]
            if len(parts) > 16 or any(p is None for p in parts):
                return None
            return pl.any_horizontal([p for p in parts if p is not None])
    return None


def _native_comparison(
    fn: str, c: Column, v: Literal, fields: dict[int, str], schema: pl.Schema
) -> pl.Expr | None:
    if c.id not in fields or v.value is None:
        return None
    kind = schema[fields[c.id]]
    if not isinstance(kind, _EXACT) and kind not in _EXACT:
        return None
    if isinstance(kind, pl.Decimal):
        if not isinstance(c.type, Decimal) or c.type.scale != kind.scale:
            return None
        literal = pl.lit(v.value, dtype=pl.Decimal(38, kind.scale))
    else:
        literal = pl.lit(v.value, dtype=kind)
    return _COMPARE[fn](pl.col(fields[c.id]), literal)


def _memory(source: MemorySource, pieces: list[Piece]) -> pl.LazyFrame:
    """Stored results: columns by position, in the form of `edge.to_output`, back in kernel form under their names."""
    fields = source.schema.fields
    if not pieces:
        return pl.DataFrame(schema={f.name: dtype(f.type) for f in fields}).lazy()
    lf = pl.scan_ipc([f.path for f, _ in pieces])
    # decimal128(38,0) holds unscaled values: a plain cast to Int128 is exact.
    return lf.select(pl.col(str(i)).cast(dtype(f.type)).alias(f.name) for i, f in enumerate(fields))


def _reader(name: str) -> Reader:
    """The reader of a format; its module is imported when first used."""
    match name:
        case "parquet":
            from sqlshell.exec.scan_parquet import read
        case "csv":
            from sqlshell.exec.scan_csv import read
        case "json":
            from sqlshell.exec.scan_json import read
        case "text" | "binaryfile":
            from sqlshell.exec.scan_text import read
        case "orc" | "arrow":
            from sqlshell.exec.scan_arrow import read
        case _:
            raise InternalError(f"no reader for {name}")
    return read
