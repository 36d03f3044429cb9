"""Functions as the catalog stores them: plain JSON, source text and no code objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.python_function import PythonFunction
from sqlshell.plan.context import SqlFunction
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from sqlshell.storage.catalog import CatalogObject

KIND = "function"
"""The kind of catalog object."""


def payload(fn: SqlFunction) -> dict[str, Any]:
    """What is stored of a function."""
    python = fn.python
    return {
        "parameters": [[n, str(t), d] for n, t, d in fn.parameters],
        "body": fn.body,
        "returns": None if fn.returns is None else str(fn.returns),
        "table": fn.table,
        "columns": [[n, str(t)] for n, t in fn.columns],
        "comment": fn.comment,
        "schema": fn.schema,
        "language": "SQL" if python is None else "PYTHON",
        **({} if python is None else {"python": _python_payload(python)}),
    }


def _python_payload(python: PythonFunction) -> dict[str, Any]:
    return {
        "kind": python.kind,
        "arrow": python.arrow,
        "null_call": python.null_call,
        "deterministic": python.deterministic,
        "handler": python.handler,
    }


def function_of(found: CatalogObject) -> SqlFunction:
    """A stored function, its body unread."""
    p = found.payload
    python = None
    parameters = tuple((n, parse_type(t), d) for n, t, d in p["parameters"])
    if p["language"] == "PYTHON":
        names = tuple(n for n, _, _ in parameters)
        python = PythonFunction(found.full_name, names, source=p["body"], **p["python"])
    return SqlFunction(
        found.full_name,
        parameters,
        p["body"],
        None if p["returns"] is None else parse_type(p["returns"]),
        p["table"],
        tuple((n, parse_type(t)) for n, t in p["columns"]),
        p["comment"],
        p["schema"],
        python,
    )
