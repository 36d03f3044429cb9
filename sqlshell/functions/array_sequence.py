"""`sequence`: ranges of integers, dates and timestamps. Part of the array table."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import let, unsupported
from sqlshell.functions.registry import Function
from sqlshell.types import (
    Array,
    Date,
    DayTimeInterval,
    Integral,
    SqlType,
    Timestamp,
    TimestampNtz,
    Void,
    YearMonthInterval,
)


def _type(types: tuple[SqlType, ...], _: Any) -> SqlType:
    return Array(next((t for t in types if not isinstance(t, Void)), types[0]), False)


def _sequence(k: Any, start: Any, stop: Any, *step: Any) -> Any:
    t = k.type(0)
    if isinstance(t, Integral):
        return _integers(k, start, stop, *step)
    if isinstance(t, (Date, Timestamp, TimestampNtz)):
        return _moments(k, start, stop)
    raise unsupported(k, f"sequence over {t}")


def _integers(k: Any, start: Any, stop: Any, *step: Any) -> Any:
    pl = k.pl
    dtype = k.dtype(k.type(0))

    def build(a: Any, b: Any, s: Any) -> Any:
        usable = pl.when(s != 0).then(s).otherwise(1)
        wrong = ((s > 0) & (a > b)) | ((s < 0) & (a < b)) | ((s == 0) & (a != b))
        count = pl.when(wrong | (s == 0)).then(0).otherwise((b - a) // usable).fill_null(0)
        offsets = pl.int_ranges(pl.lit(0, dtype=pl.Int64), count + 1)
        values = _scaled(k, a, usable, offsets, dtype)
        values = pl.when(b.is_not_null()).then(values)
        return k.raise_if(wrong, "ILLEGAL_SEQUENCE_BOUNDARIES", values, a, b, s)

    a, b = k.masked(start.cast(pl.Int64)), k.masked(stop.cast(pl.Int64))
    default = pl.when(a <= b).then(pl.lit(1, dtype=pl.Int64)).otherwise(pl.lit(-1, dtype=pl.Int64))
    return let(k, build, a, b, step[0].cast(pl.Int64) if step else default)


def _scaled(k: Any, start: Any, step: Any, offsets: Any, dtype: Any) -> Any:
    """start + step * offset for each offset; NULL where start or step is."""
    pl = k.pl
    packed = pl.struct(start.alias("a"), step.alias("s"), offsets.alias("o"))

    def run(rows: Any) -> Any:
        frame = rows.struct.unnest().with_row_index("__row")
        flat = frame.explode("o", empty_as_null=False, keep_nulls=False)
        flat = flat.select("__row", v=(pl.col("a") + pl.col("s") * pl.col("o")).cast(dtype))
        lists = flat.group_by("__row", maintain_order=True).agg("v")
        known = pl.col("a").is_not_null() & pl.col("s").is_not_null()
        return (
            frame.join(lists, on="__row", how="left", maintain_order="left")
            .select(pl.when(known).then("v"))
            .to_series()
        )

    return packed.map_batches(run, return_dtype=pl.List(dtype), is_elementwise=True)


def _moments(k: Any, start: Any, stop: Any) -> Any:
    """Dates and timestamps by a constant interval (default: one day)."""
    pl, t = k.pl, k.type(0)
    step_type = k.call.args[2].type if len(k.call.args) > 2 else DayTimeInterval("day", "day")
    amount = k.literal(2) if len(k.call.args) > 2 else 86_400_000_000
    if amount is None:
        raise unsupported(k, "sequence needs a constant interval")
    text = f"{amount}mo" if isinstance(step_type, YearMonthInterval) else f"{amount}us"
    if isinstance(t, Date) and text.endswith("us"):
        if amount % 86_400_000_000:
            raise unsupported(k, "a sequence of dates goes by whole days")
        text = f"{amount // 86_400_000_000}d"
    zoned = isinstance(t, Timestamp)
    # Each value is start plus n steps, so month ends do not drift (31 Jan, 29 Feb, 31 Mar).
    packed = pl.struct(
        (k.to_wall(start) if zoned else start).alias("a"), (k.to_wall(stop) if zoned else stop).alias("b")
    )
    inner = pl.Datetime("us") if zoned else k.dtype(t)
    forward = amount > 0

    def run(rows: Any) -> Any:
        frame = rows.struct.unnest()
        out = []
        for a, b in frame.iter_rows():
            out.append(None if a is None or b is None else _steps(pl, a, b, text, inner))
        return pl.Series("v", out, dtype=pl.List(inner))

    def build(a: Any, b: Any, values: Any) -> Any:
        bad = a > b if forward else a < b
        return k.raise_if(bad, "ILLEGAL_SEQUENCE_BOUNDARIES", values, a, b)

    values = packed.map_batches(run, return_dtype=pl.List(inner), is_elementwise=True)
    if zoned:
        values = values.list.eval(k.from_wall(pl.element()))
    return let(k, build, k.masked(start), stop, values)


def _steps(pl: Any, a: Any, b: Any, text: str, dtype: Any) -> Any:
    """a, a + step, a + 2 step ... as far as b."""
    count = 16
    amount, unit = int(text.rstrip("mousd")), text.lstrip("-0123456789")
    while True:
        frame = pl.select(pl.lit(a, dtype=dtype).repeat_by(count).explode().alias("a")).with_row_index("n")
        offsets = pl.concat_str((pl.col("n").cast(pl.Int64) * amount).cast(pl.String), pl.lit(unit))
        values = frame.select(pl.col("a").dt.offset_by(offsets)).to_series()
        inside = values.filter(values <= b if amount > 0 else values >= b)
        if len(inside) < count:
            return inside
        count *= 8


SEQUENCES: tuple[Function, ...] = (
    Function(
        "sequence",
        "integral, integral, [integral] -> fn | date, date, [interval] -> fn "
        "| timestamp, timestamp, [interval] -> fn | timestamp_ntz, timestamp_ntz, [interval] -> fn",
        "Array of the values from start to stop, both included, by a step (default 1, -1 or one day).",
        "sequence(1, 5)",
        returns=_type,
        lower=_sequence,
        fallible=True,
        example_result="[1,2,3,4,5]",
    ),
)
