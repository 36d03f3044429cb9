"""Which files can hold rows that pass a filter, by partition values and statistics. Never drops a file wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import And, Call, Cast, Column, Expr, GetField, In, Literal, Or
from sqlshell.types import Decimal, Integral, integral_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlshell.storage.delta.stats import LeafStats, StatsIndex

    Test = Callable[[int], bool]
    """Whether the file at an index may hold a row that passes."""

MIRROR = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def candidates(index: StatsIndex, filters: Iterable[Expr], fields: Mapping[int, str]) -> list[int] | None:
    """Indexes of the files that may hold rows passing all filters; None when none can be ruled out.

    `fields` names the table's column of each column id in the filters.
    """
    tests = [t for f in filters if (t := _test(f, index, fields)) is not None]
    if not tests:
        return None
    count = len(index.rows)
    kept = list(range(count))
    for test in tests:
        kept = [*filter(test, kept)]
    return None if len(kept) == count else kept


def _test(e: Expr, index: StatsIndex, fields: Mapping[int, str]) -> Test | None:
    """A test of files; None for what statistics cannot tell."""
    match e:
        case And():
            tests = [t for a in e.args if (t := _test(a, index, fields)) is not None]
            return (lambda i: all(t(i) for t in tests)) if tests else None
        case Or():
            either = [_test(a, index, fields) for a in e.args]
            known = [t for t in either if t is not None]
            return (lambda i: any(t(i) for t in known)) if len(known) == len(either) else None
        case Literal():
            value = e.value is True
            return lambda i: value
        case Call(fn="isnull", args=(a,)):
            return _null_test(_stats(a, index, fields), index, wanted=True)
        case Call(fn="isnotnull", args=(a,)):
            return _null_test(_stats(a, index, fields), index, wanted=False)
        case Call(fn="startswith", args=(a, Literal() as v)):
            return _prefix(_stats(a, index, fields), v.value, index)
        case Call(fn=fn, args=(a, Literal() as v)) if fn in MIRROR:
            return _comparison(fn, _stats(a, index, fields), v.value, index)
        case Call(fn=fn, args=(Literal() as v, a)) if fn in MIRROR:
            return _comparison(MIRROR[fn], _stats(a, index, fields), v.value, index)
        case In():
            if not all(isinstance(o, Literal) for o in e.options):
                return None
            values = [o.value for o in e.options if isinstance(o, Literal)]
            tests_ = [
                _comparison("=", _stats(e.value, index, fields), v, index) for v in values if v is not None
            ]
            some = [t for t in tests_ if t is not None]
            return (lambda i: any(t(i) for t in some)) if len(some) == len(tests_) else None
    return None


def _stats(e: Expr, index: StatsIndex, fields: Mapping[int, str]) -> LeafStats | None:
    """The statistics of a column, a field of a struct column, or either in a wider exact type."""
    path: list[str] = []
    if isinstance(e, Cast) and _keeps_value(e):
        e = e.arg
    while isinstance(e, GetField):
        path.append(e.name)
        e = e.arg
    if not isinstance(e, Column) or e.id not in fields:
        return None
    return index.of((fields[e.id], *reversed(path)))


def _keeps_value(e: Cast) -> bool:
    old, new = e.arg.type, e.type
    if not isinstance(old, Integral):
        return False
    if isinstance(new, Integral):
        return new.bits >= old.bits
    return isinstance(new, Decimal) and new.precision - new.scale >= integral_digits(old)


def _null_test(stats: LeafStats | None, index: StatsIndex, *, wanted: bool) -> Test | None:
    if stats is None:
        return None
    nulls, rows = stats.nulls, index.rows
    if wanted:
        return lambda i: nulls[i] != 0
    return lambda i: nulls[i] is None or nulls[i] != rows[i]


def _prefix(stats: LeafStats | None, prefix: Any, index: StatsIndex) -> Test | None:
    if stats is None or not isinstance(prefix, str):
        return None
    lows, highs, nulls, rows, size = stats.lows, stats.highs, stats.nulls, index.rows, len(prefix)

    def test(i: int) -> bool:
        low, high = lows[i], highs[i]
        if low is None and high is None:
            return nulls[i] is None or nulls[i] != rows[i]
        return (low is None or low[:size] <= prefix) and (high is None or high[:size] >= prefix)

    return test


def _comparison(fn: str, stats: LeafStats | None, value: Any, index: StatsIndex) -> Test | None:
    if stats is None:
        return None
    if value is None:
        return lambda i: False
    if value != value:  # noqa: PLR0124 - NaN
        return None
    lows, highs, nulls, rows = stats.lows, stats.highs, stats.nulls, index.rows
    if not _comparable(value, lows) or not _comparable(value, highs):
        return None
    below, above = fn in {"=", "<", "<="}, fn in {"=", ">", ">="}
    strict = fn in {"<", ">"}

    def test(i: int) -> bool:
        low, high = lows[i], highs[i]
        if low is None and high is None:
            return nulls[i] is None or nulls[i] != rows[i]  # NULLs only: no comparison is true
        if below and low is not None and (low > value or (strict and low == value)):
            return False
        return not (above and high is not None and (high < value or (strict and high == value)))

    return test


def _comparable(value: Any, bounds: list[Any]) -> bool:
    """Whether Python compares the constant with the bounds as SQL would: numbers, or one and the same type."""
    sample = next((b for b in bounds if b is not None), None)
    if sample is None or type(sample) is type(value):
        return True
    numbers = (int, float)
    if isinstance(value, bool) or isinstance(sample, bool):
        return False
    if isinstance(value, numbers) and isinstance(sample, numbers):
        return True
    from decimal import Decimal as PyDecimal

    return isinstance(value, (int, PyDecimal)) and isinstance(sample, (int, PyDecimal))
