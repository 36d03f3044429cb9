"""Windows of time: window, session_window, window_time. `plan/bind_time_window.py` puts them under GROUP BY."""

from __future__ import annotations

from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import per_distinct
from sqlshell.functions.registry import Function
from sqlshell.text_values import interval_words
from sqlshell.types import (
    TIMESTAMP,
    Array,
    DayTimeInterval,
    Field,
    SqlType,
    String,
    Struct,
    Temporal,
    Timestamp,
    TimestampNtz,
)

DAY = 86_400_000_000


def _bad(message: str, args: tuple[Any, ...], condition: str) -> AnalysisError:
    return AnalysisError(message, condition=condition, span=getattr(args[0], "span", None))


def _micros(args: tuple[Any, ...], i: int, default: int) -> int:
    """A constant duration at argument `i`, in microseconds."""
    if i >= len(args):
        return default
    value = getattr(args[i], "value", None)
    if isinstance(args[i].type, DayTimeInterval) and isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise _bad("a window's durations are constants", args, "_LEGACY_ERROR_TEMP_3230")
    found = interval_words(value)
    if found is None:
        raise _bad(f"`{value}` is no duration such as '5 minutes'", args, "INVALID_INTERVAL_FORMAT")
    months, days, micros = found
    if months:
        raise _bad("windows of months or years are not supported", args, "_LEGACY_ERROR_TEMP_3231")
    return days * DAY + micros


def _spans(args: tuple[Any, ...]) -> tuple[int, int, int]:
    """Length, step and start of windows in microseconds."""
    size = _micros(args, 1, 0)
    return size, _micros(args, 2, size), _micros(args, 3, 0)


def overlapping(call: Any) -> bool:
    """Whether a bound window() has rows in several windows, or in none."""
    size, step, _ = _spans(call.args)
    return size != step


def _window_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    size, step, start = _spans(args)
    if size <= 0 or step <= 0 or step > size or abs(start) >= step:
        raise _bad(
            "a window's length is positive, its step at most that long, its start shorter than the step",
            args,
            "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION",
        )
    return span_type(types[0])


def span_type(t: SqlType) -> SqlType:
    """struct<start, end> of a kind of timestamp."""
    if not isinstance(t, (Timestamp, TimestampNtz)):
        t = TIMESTAMP
    return Struct((Field("start", t), Field("end", t)))


def _window(k: Any, time: Any, *_: Any) -> Any:
    size, step, start = _spans(k.call.args)
    return k.let([time], lambda t: _span(k, t - _since(k, t, step, start), size))


def _since(k: Any, time: Any, step: int, start: int) -> Any:
    """How long the newest window that holds the time has lasted."""
    pl = k.pl
    return ((time.dt.timestamp("us") - start) % pl.lit(step, dtype=pl.Int64)).cast(pl.Duration("us"))


def _span(k: Any, start: Any, size: int) -> Any:
    pl = k.pl
    length = pl.lit(size, dtype=pl.Int64).cast(pl.Duration("us"))
    return k.let(
        [start],
        lambda s: pl.when(s.is_not_null()).then(pl.struct(s.alias("start"), (s + length).alias("end"))),
    )


def _windows(k: Any, time: Any, *_: Any) -> Any:
    """All windows that hold a time, the newest last."""
    pl = k.pl
    size, step, start = _spans(k.call.args)

    def listed(t: Any, since: Any) -> Any:
        spans = []
        for i in reversed(range(-(-size // step))):
            back = pl.lit(i * step, dtype=pl.Int64).cast(pl.Duration("us"))
            inside = since.cast(pl.Int64) + i * step < size
            spans.append(pl.when(inside).then(_span(k, t - since - back, size)))
        return pl.concat_list(spans).list.drop_nulls()

    return k.let([time], lambda t: k.let([t, _since(k, t, step, start)], listed))


def _gap_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    if not isinstance(types[1], (String, DayTimeInterval)):
        raise _bad(
            f"the gap of a session is an interval or its text, not {types[1]}",
            args,
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        )
    if isinstance(getattr(args[1], "value", None), str):
        _micros(args, 1, 0)
    return span_type(types[0])


def _session(k: Any, time: Any, gap: Any) -> Any:
    """A row's own session; NULL where the gap is not positive."""
    pl = k.pl
    if isinstance(k.type(1), String):

        def read(text: str) -> int | None:
            found = interval_words(text)
            return None if found is None or found[0] else found[1] * DAY + found[2]

        micros = per_distinct(k, read, pl.Int64, gap)
    else:
        micros = gap.cast(pl.Int64)

    def made(t: Any, m: Any) -> Any:
        span = pl.struct(t.alias("start"), (t + m.cast(pl.Duration("us"))).alias("end"))
        return pl.when(t.is_not_null() & (m > 0)).then(span)

    return k.let([time, micros], made)


def _time_of(k: Any, window: Any) -> Any:
    return window.struct.field("end") - k.pl.lit(1, dtype=k.pl.Int64).cast(k.pl.Duration("us"))


def _time_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    t = types[0]
    if not isinstance(t, Struct) or [f.name for f in t.fields] != ["start", "end"]:
        raise _bad(f"window_time takes a window, not {t}", args, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
    end = t.fields[1].type
    if not isinstance(end, Temporal):
        raise _bad(f"window_time takes a window, not {t}", args, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE")
    return end


# fmt: off
FUNCTIONS = (
    Function("window", "timestamp, any, [any, any] -> fn | timestamp_ntz, any, [any, any] -> fn",
             "The window of time (start, end) that holds a timestamp; with a step, GROUP BY counts a row in several.",
             "window(timestamp'2021-01-01 00:04:30', '5 minutes')", lower=_window, returns=_window_type,
             params=("time_column", "window_duration", "slide_duration", "start_time")),
    Function("time_windows", "timestamp, any, [any, any] -> fn | timestamp_ntz, any, [any, any] -> fn",
             "All windows of time that hold a timestamp.",
             "time_windows(timestamp'2021-01-01 00:04:30', '10 minutes', '5 minutes')", lower=_windows,
             returns=lambda types, args: Array(_window_type(types, args), False)),
    Function("session_window", "timestamp, any -> fn | timestamp_ntz, any -> fn",
             "The session of a timestamp; in GROUP BY sessions that touch become one.",
             "session_window(timestamp'2021-01-01 00:04:30', '5 minutes')", lower=_session, returns=_gap_type,
             nullable=lambda n: True, params=("time_column", "gap_duration")),
    Function("window_time", "struct -> fn", "The last microsecond of a window.",
             "window_time(window(timestamp'2021-01-01 00:04:30', '5 minutes'))", lower=_time_of, returns=_time_type),
)
# fmt: on
