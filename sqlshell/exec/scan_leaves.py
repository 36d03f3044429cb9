"""Reads single leaves of nested Parquet columns with pyarrow, row group by row group, as the engine asks for them.

Polars reads a nested column whole (91 MB where a query needs 0.46 MB); pyarrow reads the leaves alone and its
result enters Polars without a copy. Filters on leaves, also on repeated ones inside `exists`, skip row groups.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from sqlshell.errors import CorruptInputError
from sqlshell.expr.expr import Call, Column, Expr, GetField, In, Lambda, LambdaVar, Literal, conjuncts
from sqlshell.storage import parquet, parquet_leaves
from sqlshell.storage.uri import is_remote, open_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

    from sqlshell.exec.scan import FilesToRead, Piece
    from sqlshell.plan.logical import Scan
    from sqlshell.storage.parquet_leaves import Bound, LeafPath

COMPARISONS = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Comparisons that statistics can rule out, each with its mirror image."""


def read_leaves(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields, nested ones with only the wanted leaves inside."""
    wanted = _wanted(request)
    bounds = [b for f in request.node.filters for b in filter_bounds(f, request)]
    first = request.pieces[0][0].path
    read = _schema(*parquet.version(first), tuple(parquet_leaves.wanted_columns(first, wanted)))
    schema = {f: read[f] for f in request.fields}

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for piece in request.pieces:
            path = piece[0].path
            names = parquet_leaves.wanted_columns(path, wanted)
            for group in _groups(piece, bounds):
                frame = _frame(path, [group], names).select(columns or request.fields)
                if rows is not None:
                    frame = frame.head(rows)
                    rows -= frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if rows == 0:
                    return

    return register_io_source(source, schema=schema, is_pure=True)


def _wanted(request: FilesToRead) -> list[LeafPath]:
    leaves = request.node.leaves or frozenset()
    out: list[LeafPath] = []
    for field in request.fields:
        below = [p for p in leaves if p[0].lower() == field.lower()]
        out.extend(below or [(field,)])
    return out


def _groups(piece: Piece, bounds: list[Bound]) -> list[int]:
    file, split = piece
    groups = parquet_leaves.row_groups_that_may_match(file.path, bounds)
    if split is None:
        return groups
    inside = set(parquet.row_group_indexes(file.path, split.start, split.end))
    return [g for g in groups if g in inside]


def _frame(path: str, groups: list[int], columns: list[str]) -> pl.DataFrame:
    import pyarrow as pa

    try:
        table = open_file(*parquet.version(path)).read_row_groups(groups, columns=columns)
    except (pa.ArrowInvalid, OSError) as e:
        raise CorruptInputError(f"cannot read '{path}': {e}") from None
    frame: Any = pl.from_arrow(table)
    return frame  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def open_file(path: str, mtime: int, size: int) -> pq.ParquetFile:
    """Open files are kept: pyarrow walks all 2,000 leaves of a wide file when it opens one (10 ms)."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        open_input(path),
        metadata=parquet.footer(path),
        coerce_int96_timestamp_unit="us",
        pre_buffer=is_remote(path),
    )


@lru_cache(maxsize=64)
def _schema(path: str, mtime: int, size: int, columns: tuple[str, ...]) -> pl.Schema:
    return _frame(path, [], list(columns)).schema


def filter_bounds(e: Expr, request: FilesToRead) -> Iterator[Bound]:
    """As `scan_bounds`, of what a reader was asked for."""
    return scan_bounds(e, request.node)


def scan_bounds(e: Expr, node: Scan) -> Iterator[Bound]:
    """What statistics can check of a filter: comparisons of a leaf with constants, also inside exists()."""
    fields = {c.id: f for c, f in zip(node.columns, node.fields, strict=True)}
    for part in conjuncts(e):
        yield from _bounds(part, fields, {})


def _bounds(e: Expr, fields: dict[int, str], variables: dict[int, LeafPath]) -> Iterator[Bound]:
    match e:
        case Call(fn="exists", args=(array, Lambda() as function)):
            path = _path(array, fields, variables)
            if path is not None and len(function.params) == 1:
                inner = {**variables, function.params[0].id: (*path, "[]")}
                for part in conjuncts(function.body):
                    yield from _bounds(part, fields, inner)
        case Call(fn=fn, args=(a, Literal() as v)) if fn in COMPARISONS and v.value is not None:
            path = _path(a, fields, variables)
            if path is not None:
                yield path, fn, v.value
        case Call(fn=fn, args=(Literal() as v, a)) if fn in COMPARISONS and v.value is not None:
            path = _path(a, fields, variables)
            if path is not None:
                yield path, COMPARISONS[fn], v.value
        case In(value=a, options=options) if all(isinstance(o, Literal) for o in options):
            path = _path(a, fields, variables)
            values = [o.value for o in options if isinstance(o, Literal) and o.value is not None]
            if path is not None and values and len({type(v) for v in values}) == 1 and _orders(values[0]):
                yield path, ">=", min(values)
                yield path, "<=", max(values)


def _orders(value: Any) -> bool:
    """Whether values of this kind compare in Python as in SQL, NaN aside."""
    return isinstance(value, (int, str, Decimal, date)) and not isinstance(value, bool)


def _path(e: Expr, fields: dict[int, str], variables: dict[int, LeafPath]) -> LeafPath | None:
    """The leaf path of a column, lambda variable or struct field below one; None for anything else."""
    match e:
        case Column() if e.id in fields:
            return (fields[e.id].lower(),)
        case LambdaVar():
            return variables.get(e.id)
        case GetField():
            base = _path(e.arg, fields, variables)
            return None if base is None else (*base, e.name.lower())
    return None
