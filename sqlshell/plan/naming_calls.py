"""Function calls whose automatic column name is not `name(arguments)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.plan.naming_tables import DEFAULT_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable


class Namer(Protocol):
    """What the entries of SPECIAL_CALLS need of `naming._Namer`."""

    def name(self, node: Any) -> str: ...

    def names(self, nodes: Any) -> str: ...


def _if(n: Namer, called: str, args: list[Any]) -> str:
    return f"(IF({n.names(args)}))"


def _null_test(n: Namer, called: str, args: list[Any]) -> str:
    return f"({n.name(args[0])} IS {'NOT ' if called == 'isnotnull' else ''}NULL)"


def _like(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"{n.name(args[0])} LIKE {n.name(args[1])}" if len(args) == 2 else None


def _trim(n: Namer, called: str, args: list[Any]) -> str | None:
    side = "LEADING" if called == "ltrim" else "TRAILING"
    return f"TRIM({side} {n.name(args[0])} FROM {n.name(args[1])})" if len(args) == 2 else None


def _log(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"LOG(E(), {n.name(args[0])})" if len(args) == 1 else None


def _ceil(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"{called.upper()}({n.name(args[0])})" if len(args) == 1 else None


def _first(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"{called}({n.name(args[0])})" if len(args) == 2 else None


def _positive(n: Namer, called: str, args: list[Any]) -> str:
    return f"(+ {n.name(args[0])})"


def _array_sort(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"array_sort({n.name(args[0])}, {DEFAULT_ORDER})" if len(args) == 1 else None


def _with_unit(n: Namer, called: str, args: list[Any]) -> str | None:
    if len(args) != 3:
        return None
    label = "timestampadd" if called.endswith("add") else "timestampdiff"
    return f"{label}({args[0].name}, {n.name(args[1])}, {n.name(args[2])})"


def _datepart(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"datepart({n.name(args[0])} FROM {n.name(args[1])})" if len(args) == 2 else None


def _convert_timezone(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"convert_timezone(current_timezone(), {n.names(args)})" if len(args) == 2 else None


def _from_json(n: Namer, called: str, args: list[Any]) -> str:
    return f"{called}({n.name(args[0])})"


def _mode(n: Namer, called: str, args: list[Any]) -> str | None:
    if len(args) != 2:
        return None
    value, ordered = n.name(args[0]), n.name(args[1])
    return f"mode() WITHIN GROUP (ORDER BY {value} DESC)" if ordered == "true" else f"mode({value})"


def _assert_true(n: Namer, called: str, args: list[Any]) -> str | None:
    if len(args) != 1:
        return None
    condition = n.name(args[0])
    return f"assert_true({condition}, '{condition}' is not true!)"


def _to_char(n: Namer, called: str, args: list[Any]) -> str | None:
    """Bytes and dates become other calls, save that to_varchar of bytes keeps its name."""
    if len(args) != 2:
        return None
    form = n.name(args[1])
    if form.lower() in ("hex", "base64", "utf-8"):
        if called == "to_varchar":
            return None if form.lower() == "utf-8" else f"to_varchar({n.name(args[0])})"
        return f"decode({n.names(args)})" if form.lower() == "utf-8" else f"{form.lower()}({n.name(args[0])})"
    return f"{'to_char' if any(c in form for c in '09') else 'date_format'}({n.names(args)})"


def _first_two(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"{called}({n.names(args[:2])})"


def _rank(n: Namer, called: str, args: list[Any]) -> str:
    """Spark takes arguments of these, and forgets them."""
    return f"{called.upper()}()"


def _first_six(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"{called}({n.names(args[:6])})"


def _of_date(n: Namer, called: str, args: list[Any]) -> str | None:
    return f"make_timestamp({n.names(args)})" if len(args) <= 3 else None


def _try_to_time(n: Namer, called: str, args: list[Any]) -> str:
    return f"try_to_time(to_time({n.names(args)}))"


INTERVAL_FUNCTIONS = {"make_interval", "try_make_interval", "make_ym_interval", "make_dt_interval"}


def scaled_interval(n: Namer, op: str, left: Any, right: Any) -> str | None:
    """`make_interval(...) * 2` is a call in names; the number comes second."""
    if not _makes_interval(left):
        left, right = right, left
    if not _makes_interval(left) or op not in ("*", "/"):
        return None
    return f"{'multiply' if op == '*' else 'divide'}_interval({n.name(left)}, {n.name(right)})"


def _makes_interval(node: Any) -> bool:
    return str(node.this).lower() in ("make_interval", "try_make_interval")


SPECIAL_CALLS: dict[str, Callable[[Namer, str, list[Any]], str | None]] = {
    "rank": _rank,
    "dense_rank": _rank,
    "percent_rank": _rank,
    "mode": _mode,
    "variant_get": _first_two,
    "try_variant_get": _first_two,
    "assert_true": _assert_true,
    "to_char": _to_char,
    "to_varchar": _to_char,
    "try_make_timestamp": _first_six,
    "make_timestamp_ltz": _of_date,
    "try_to_time": _try_to_time,
    "if": _if,
    "isnull": _null_test,
    "isnotnull": _null_test,
    "like": _like,
    "ltrim": _trim,
    "rtrim": _trim,
    "log": _log,
    "ceil": _ceil,
    "floor": _ceil,
    "first": _first,
    "last": _first,
    "first_value": _first,
    "last_value": _first,
    "any_value": _first,
    "positive": _positive,
    "array_sort": _array_sort,
    "dateadd": _with_unit,
    "date_add": _with_unit,
    "timestampadd": _with_unit,
    "datediff": _with_unit,
    "date_diff": _with_unit,
    "timestampdiff": _with_unit,
    "datepart": _datepart,
    "convert_timezone": _convert_timezone,
    "shuffle": _from_json,
    "from_json": _from_json,
    "from_csv": _from_json,
    "to_json": _from_json,
    "to_csv": _from_json,
    "schema_of_json": _from_json,
    "schema_of_csv": _from_json,
}
