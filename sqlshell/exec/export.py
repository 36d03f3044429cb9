"""Large results as text, written by workers: csv, tsv and jsonl without a header, byte for byte what
`shell/output/lines.py` writes for small ones.

Only types whose text kernels write themselves are exported (`exportable`); others take the way through Arrow.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import polars as pl

    from sqlshell.exec.task import PartitionRef, TaskResult, TaskSpec
    from sqlshell.expr.expr import Column

EXACT_DIGITS = 15
"""Decimals of so many digits are doubles and back without loss: JSON numbers."""

SEPARATORS = {"csv": ",", "tsv": "\t"}
_PLAIN = (t.Boolean, t.Integral, t.Float, t.Double, t.Decimal, t.String, t.Date, t.Timestamp, t.TimestampNtz)


@dataclass(frozen=True)
class Export:
    """What the result stage writes instead of Arrow: `format` is csv, tsv or jsonl; `names` are JSON's keys."""

    format: str
    names: tuple[str, ...]


def exportable(format: str, types: Iterable[t.SqlType]) -> bool:
    """Whether workers write columns of these types."""
    return all(
        isinstance(s, _PLAIN)
        and not (format == "jsonl" and isinstance(s, t.Decimal) and s.precision > EXACT_DIGITS)
        for s in types
    )


def write_text(
    spec: TaskSpec,
    columns: Sequence[Column],
    frames: Iterable[pl.DataFrame],
    emit: Callable[[PartitionRef], None],
) -> TaskResult:
    """All rows of the task as text files, announced one by one."""
    from sqlshell.exec.task import PartitionRef, TaskResult

    export: Any = spec.output.export
    items = _columns(spec, columns, export)
    os.makedirs(spec.output.directory, exist_ok=True)
    refs: list[PartitionRef] = []
    for n, frame in enumerate(frames):
        path = f"{spec.output.directory}/{n:06}.txt"
        text = frame.lazy().select(items).collect()
        if export.format == "jsonl":
            text.write_ndjson(path)
        else:
            text.write_csv(path, include_header=False, separator=SEPARATORS[export.format])
        refs.append(PartitionRef(spec.stage, spec.partition, 0, path, os.stat(path).st_size, frame.height))
        emit(refs[-1])
    return TaskResult(outputs=tuple(refs), rows=sum(r.rows or 0 for r in refs))


def _columns(spec: TaskSpec, columns: Sequence[Column], export: Export) -> list[pl.Expr]:
    import polars as pl

    from sqlshell.exec.lower_expr import Kernel

    k = Kernel(spec.input.settings, deterministic=spec.input.deterministic)
    out = []
    for name, column in zip(export.names, columns, strict=True):
        e = pl.col(f"c{column.id}")
        match column.type:
            case t.Decimal() as s:
                e = e.reinterpret(dtype=pl.Decimal(38, s.scale))
                e = e.cast(pl.Float64) if export.format == "jsonl" else e
            case t.Timestamp() | t.TimestampNtz():
                e = k.cast(e, column.type, t.STRING)
        out.append(e.alias(name))
    return out
