"""Literal values (see `expr.expr.Literal`) as the Python values a result shows."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Context, Decimal
from typing import Any, NamedTuple

from sqlshell import types as t
from sqlshell.types_arrow import map_key


class MonthDayNano(NamedTuple):
    """A calendar interval, with the fields of pyarrow's class of this name."""

    months: int
    days: int
    nanoseconds: int


_EXACT = Context(prec=t.MAX_PRECISION + 1)


def python_value(value: Any, s: t.SqlType) -> Any:
    """A literal's value as `Result.rows` would give it: timestamps with zone, structs and maps as dicts."""
    if value is None:
        return None
    match s:
        case t.Timestamp():
            return value.replace(tzinfo=UTC)
        case t.Decimal():
            return value.quantize(Decimal(1).scaleb(-s.scale), context=_EXACT)
        case t.DayTimeInterval():
            return timedelta(microseconds=value)
        case t.CalendarInterval():
            months, days, micros = value
            return MonthDayNano(months, days, micros * 1000)
        case t.Variant():
            from sqlshell.variant import shown

            return shown(value)
        case t.Array():
            return [python_value(v, s.element) for v in value]
        case t.Struct():
            return {f.name: python_value(v, f.type) for f, v in zip(s.fields, value, strict=True)}
        case t.Map():
            return {map_key(python_value(k, s.key)): python_value(v, s.value) for k, v in value}
    return value
