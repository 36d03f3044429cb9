"""The end of a task: run its pipeline and write what the OutputSpec says. Runs in workers.

Each attempt writes below its own directory; the manifest it returns is the only thing that publishes the
files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.exec import edge
from sqlshell.exec.collect import batches, collect, sink
from sqlshell.exec.export import write_text
from sqlshell.exec.lower import lower_plan
from sqlshell.exec.task import PartitionRef, TaskResult
from sqlshell.records import replace
from sqlshell.result_values import python_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.exec.meter import Meter
    from sqlshell.exec.task import OutputSpec, TaskSpec
    from sqlshell.expr.expr import Column
    from sqlshell.plan.logical import Plan

CHUNK_ROWS = 262_144
SAMPLES = 200
"""Sort keys each task of a range-partitioned sort reports: enough to keep 64 partitions within 2x of even."""

PARTITION = "__p"


def execute(
    spec: TaskSpec,
    plan: Plan,
    emit: Callable[[PartitionRef], None],
    at: Callable[[str], None],
) -> TaskResult:
    """Lower, run and write one task; `emit` announces finished pieces, `at` marks points for fault tests."""
    meter = None
    if spec.metered:
        from sqlshell.exec.meter import Meter

        meter = Meter(plan)
    try:
        result = _execute(spec, plan, emit, at, meter)
    finally:
        metrics = None if meter is None else meter.finish()
    return result if metrics is None else replace(result, metrics=metrics)


def _execute(
    spec: TaskSpec,
    plan: Plan,
    emit: Callable[[PartitionRef], None],
    at: Callable[[str], None],
    meter: Meter | None,
) -> TaskResult:
    lf = lower_plan(plan, spec.input, meter)
    at("mid_task")
    out = spec.output
    if out.kind == "result":
        result = write_result(spec, plan.output, lf, emit)
    elif out.kind == "whole":
        result = write_whole(spec, lf)
    else:
        result = write_partitions(spec, lf)
    at("before_commit")
    return result


def write_result(
    spec: TaskSpec, columns: tuple[Column, ...], lf: pl.LazyFrame, emit: Callable[[PartitionRef], None]
) -> TaskResult:
    """Final rows: inline when few, else files `<n>.ipc` in edge form, announced one by one."""
    out = spec.output
    frames = _frames(lf, bounded=out.bounded, deterministic=spec.input.deterministic)
    first = next(frames, None)
    second = next(frames, None)
    if first is None and out.inline_cells >= 0:
        return TaskResult(rows=0, inline=())
    if first is None:  # a stored result needs a file even without rows
        first = pl.DataFrame(schema=lf.collect_schema())
    if second is None and first.height * max(1, len(columns)) <= out.inline_cells:
        return TaskResult(rows=first.height, inline=tuple(python_rows(first, columns)))
    if out.export is not None:
        return write_text(spec, columns, _chain(first, second, frames), emit)
    os.makedirs(out.directory, exist_ok=True)
    refs: list[PartitionRef] = []
    rows = 0
    for n, frame in enumerate(_chain(first, second, frames)):
        path = f"{out.directory}/{n:06}.ipc"
        _write(edge.to_output(frame.lazy(), columns).collect(), path, out)
        ref = PartitionRef(spec.stage, spec.partition, 0, path, os.stat(path).st_size, frame.height)
        emit(ref)
        refs.append(ref)
        rows += frame.height
    return TaskResult(outputs=tuple(refs), rows=rows)


def _frames(lf: pl.LazyFrame, *, bounded: bool, deterministic: bool) -> Iterator[pl.DataFrame]:
    """The rows at once when they surely fit, else as they come (1.4x slower for large group-bys)."""
    if bounded or deterministic:
        yield collect(lf, deterministic=deterministic)
    else:
        yield from batches(lf, CHUNK_ROWS)


def _chain(
    first: pl.DataFrame, second: pl.DataFrame | None, rest: Iterator[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    yield first
    if second is not None:
        yield second
    yield from rest


def python_rows(frame: pl.DataFrame, columns: tuple[Column, ...]) -> list[tuple[Any, ...]]:
    """Rows as the Python values users see, by the columns' SQL types."""
    if not columns:
        return [()] * frame.height
    values = [
        [python_value(edge.to_python(v, c.type), c.type) for v in series.to_list()]
        for series, c in zip(frame.get_columns(), columns, strict=True)
    ]
    return list(zip(*values, strict=True))


def _write(frame: pl.DataFrame, path: str, out: OutputSpec) -> None:
    frame.write_ipc(path, compression="lz4" if out.compress else "uncompressed")


def write_whole(spec: TaskSpec, lf: pl.LazyFrame) -> TaskResult:
    """All rows of the task in one exchange file."""
    out = spec.output
    os.makedirs(out.directory, exist_ok=True)
    path = f"{out.directory}/0.ipc"
    sink(lf, path, compress=out.compress, ordered=True, deterministic=spec.input.deterministic)
    sample: tuple[Any, ...] = ()
    if out.sample is not None:
        sample = sample_keys(path, f"c{out.sample}")
    rows: int = pl.scan_ipc(path).select(pl.len()).collect().item()
    ref = PartitionRef(spec.stage, spec.partition, 0, path, os.stat(path).st_size, rows)
    return TaskResult(outputs=(ref,), sample=sample)


def sample_keys(path: str, column: str) -> tuple[Any, ...]:
    """Evenly spaced values of a sort key among the rows just written, NULLs left out."""
    keys = pl.scan_ipc(path).select(column)
    rows: int = keys.select(pl.len()).collect().item()
    picked = keys.gather_every(max(1, rows // SAMPLES)).collect()
    return tuple(v for v in picked[column].drop_nulls().to_list() if v == v)  # noqa: PLR0124 (no NaN)


def write_partitions(spec: TaskSpec, lf: pl.LazyFrame) -> TaskResult:
    """One file per partition that has rows, below `<directory>/__p=<n>/`."""
    out = spec.output
    os.makedirs(out.directory, exist_ok=True)
    if out.kind == "hash":
        number = hash_partition([f"c{k}" for k in out.keys], out.partitions)
    else:
        number = range_partition(f"c{out.keys[0]}", lf.collect_schema()[f"c{out.keys[0]}"], out)
    target = pl.PartitionBy(
        out.directory,
        key=number.alias(PARTITION),
        include_key=False,
        approximate_bytes_per_file=None,
    )
    sink(lf, target, compress=out.compress, deterministic=spec.input.deterministic)
    refs = [
        PartitionRef(spec.stage, spec.partition, p, str(file), file.stat().st_size)
        for p, file in written(Path(out.directory))
    ]
    return TaskResult(outputs=tuple(refs))


def hash_partition(columns: list[str], partitions: int) -> pl.Expr:
    """The partition of a row: equal keys meet, also across integer widths, zeros of either sign, and NULLs.

    One hash per column, mixed by XOR under different seeds, is 4x faster than hashing a struct.
    """
    mixed = pl.col(columns[0]).hash(0)
    for seed, name in enumerate(columns[1:], 1):
        mixed = mixed.xor(pl.col(name).hash(seed))
    return (mixed % partitions).cast(pl.UInt32)


def row_hash(columns: list[str]) -> pl.Expr:
    """A hash of whole rows to order them by; another one than that which chooses their partition."""
    mixed = pl.col(columns[0]).hash(101)
    for seed, name in enumerate(columns[1:], 102):
        mixed = mixed.xor(pl.col(name).hash(seed))
    return mixed


def range_partition(column: str, dtype: pl.DataType, out: OutputSpec) -> pl.Expr:
    """The partition of a row among ascending `bounds`, turned round for a descending order; NULLs at their
    end.
    """
    key = pl.col(column)
    number = pl.lit(0, pl.UInt32)
    for bound in out.bounds:
        number = number + (key > pl.lit(bound, dtype)).cast(pl.UInt32)
    if dtype.is_float():  # NaN is greatest
        number = pl.when(key.is_nan()).then(pl.lit(len(out.bounds), pl.UInt32)).otherwise(number)
    if out.descending:
        number = pl.lit(len(out.bounds), pl.UInt32) - number
    last = 0 if out.nulls_first else len(out.bounds)
    return pl.when(key.is_null()).then(pl.lit(last, pl.UInt32)).otherwise(number)


def written(directory: Path) -> Iterator[tuple[int, Path]]:
    """(partition, file) of everything a partitioned sink wrote, in order."""
    folders = sorted((int(d.name.partition("=")[2]), d) for d in directory.iterdir())
    for partition, folder in folders:
        for file in sorted(folder.iterdir()):
            yield partition, file
