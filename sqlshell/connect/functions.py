"""`connection.create_function`: a Python function of the user's process as a temporary SQL function."""

from __future__ import annotations

import collections.abc
import datetime as dt
import decimal
import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InterfaceError
from sqlshell.expr.python_function import PythonFunction
from sqlshell.plan.context import SqlFunction
from sqlshell.types_ddl import parse_schema, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlshell.types import SqlType

KINDS = ("scalar", "aggregate", "table")
_TYPES: dict[Any, str] = {
    int: "BIGINT",
    float: "DOUBLE",
    str: "STRING",
    bool: "BOOLEAN",
    bytes: "BINARY",
    dt.datetime: "TIMESTAMP",
    dt.date: "DATE",
    decimal.Decimal: "DECIMAL(38,18)",
}


def python_function(
    name: str,
    fn: Callable[..., Any] | str,
    parameters: Mapping[str, str] | Sequence[str] | None,
    returns: str | None,
    *,
    kind: str,
    arrow: bool,
    null_call: bool,
    deterministic: bool,
) -> SqlFunction:
    """The function as the binder knows it. Raises InterfaceError when its types are not told or it cannot travel."""
    from sqlshell.exec.ship import body_of

    if kind not in KINDS:
        raise InterfaceError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    if kind == "table" and arrow:
        raise InterfaceError("a table function gives rows: it cannot be vectorised")
    taken = _parameters(name, fn, parameters)
    if kind == "aggregate" and not taken:
        raise InterfaceError(f"{name}: an aggregate function has parameters")
    if returns is None and (kind == "table" or isinstance(fn, str)):
        raise InterfaceError(f"{name}: say what it returns, as returns='a INT, b STRING'")
    if returns is None:
        returns = _ddl(name, "its value", _annotations(fn).get("return"))
    columns = tuple((f.name, f.type) for f in parse_schema(returns).fields) if kind == "table" else ()
    body = body_of(fn)
    python = PythonFunction(
        name,
        tuple(n for n, _ in taken),
        kind,
        arrow,
        null_call,
        deterministic,
        module="" if body.payload else body.name,
        payload=body.payload,
        path=body.path,
    )
    parsed = None if kind == "table" else parse_type(returns)
    return SqlFunction(
        name.lower(),
        tuple((n, t, None) for n, t in taken),
        "",
        parsed,
        kind == "table",
        columns,
        python=python,
    )


def _parameters(
    name: str, fn: Callable[..., Any] | str, given: Mapping[str, str] | Sequence[str] | None
) -> list[tuple[str, SqlType]]:
    if isinstance(given, collections.abc.Mapping):
        return [(n, parse_type(t)) for n, t in given.items()]
    if isinstance(fn, str):
        if given is None:
            raise InterfaceError(f"{name}: say what it takes, as parameters={{'x': 'INT'}}")
        return [(f"p{i}", parse_type(t)) for i, t in enumerate(given, 1)]
    told = inspect.signature(fn).parameters.values()
    known = [p for p in told if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if given is None:
        if any(p.kind == p.VAR_POSITIONAL for p in told):
            raise InterfaceError(
                f"{name} takes any number of arguments: say which, as parameters={{'x': 'INT'}}"
            )
        types_of = _annotations(fn)
        return [(p.name, parse_type(_ddl(name, f"`{p.name}`", types_of.get(p.name)))) for p in known]
    names = [p.name for p in known]
    return [(names[i] if i < len(names) else f"p{i + 1}", parse_type(t)) for i, t in enumerate(given)]


def _annotations(fn: Any) -> dict[str, Any]:
    """A function's annotations as types; as texts where a name in them is not known."""
    try:
        return typing.get_type_hints(fn)
    except Exception:  # whatever evaluating an annotation raises
        return dict(getattr(fn, "__annotations__", {}))


def _ddl(name: str, what: str, annotation: Any) -> str:
    """The SQL type of an annotation: `int`, `float | None`, `list[str]`, `dict[str, int]`, or DDL in a string."""
    if annotation in _TYPES:
        return _TYPES[annotation]
    inside = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in inside if a is not type(None)]
        if len(rest) == 1:
            return _ddl(name, what, rest[0])
    if origin is list and inside:
        return f"ARRAY<{_ddl(name, what, inside[0])}>"
    if origin is dict and len(inside) == 2:
        return f"MAP<{_ddl(name, what, inside[0])},{_ddl(name, what, inside[1])}>"
    raise InterfaceError(
        f"{name}: the SQL type of {what} is not known",
        hint="annotate the function, or give parameters={'x': 'INT'} and returns='INT'",
    )
