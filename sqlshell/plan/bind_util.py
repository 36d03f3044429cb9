"""Small helpers of the binder: positions of AST nodes, and refusing what a handler did not look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.parser.tokens import CLAUSE_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlshell.errors import Span

QUIET_ARGS = frozenset({"_type", "comments"})
"""Arguments sqlglot keeps for itself."""

CLAUSE_NAMES = {
    "sample": "TABLESAMPLE",
    "pivots": "PIVOT",
    "distinct": "DISTINCT",
    "match": "MATCH_RECOGNIZE",
    "connect": "CONNECT BY",
    "into": "SELECT INTO",
    "locks": "FOR UPDATE",
    "settings": "SETTINGS",
    "format": "FORMAT",
    "prewhere": "PREWHERE",
    "with_": "WITH",
    "kind": "SELECT AS",
}


def span_of(node: Any) -> Span | None:
    """The smallest stretch of text that covers every identifier and function name below `node`."""
    start = node.meta.get("start")
    if start is not None:
        return start, node.meta["end"] + 1
    low, high = -1, -1
    stack = [node]
    while stack:
        n = stack.pop()
        start = n.meta.get("start")
        if start is not None:
            low = start if low < 0 else min(low, start)
            high = max(high, n.meta["end"] + 1)
        for value in n.args.values():
            if isinstance(value, list):
                stack.extend(v for v in value if isinstance(v, exp.Expr))
            elif isinstance(value, exp.Expr):
                stack.append(value)
    return None if low < 0 else (low, high)


def text_of(node: Any) -> str:
    """The node as SQL, for messages."""
    text: str = node.sql(dialect="spark")
    return text if len(text) <= 80 else text[:77] + "..."


def reject_unused(node: Any, handled: Iterable[str]) -> None:
    """Refuse a node that carries a clause its handler does not know."""
    for key, value in node.args.items():
        if value is None or value is False or value == [] or key in handled or key in QUIET_ARGS:
            continue
        clause = CLAUSE_NAMES.get(key, key.strip("_").upper().replace("_", " "))
        where = value[0] if isinstance(value, list) else value
        span = span_of(where) if isinstance(where, exp.Expr) else span_of(node)
        raise NotSupportedError(f"{clause} is not supported here ({text_of(node)})", span=span)


def unsupported(node: Any, what: str | None = None) -> NotSupportedError:
    """The error for an AST node the binder has no handler for."""
    return NotSupportedError(
        f"{what or type(node).__name__} is not supported: {text_of(node)}", span=span_of(node)
    )


def unresolved_column(parts: Sequence[str], candidates: Sequence[str], span: Span | None) -> AnalysisError:
    """UNRESOLVED_COLUMN with the closest names, else with the first few that exist."""
    name = ".".join(f"`{p}`" for p in parts)
    hint = did_you_mean(parts[-1], candidates)
    if hint is None and candidates:
        hint = "columns here: " + ", ".join(f"`{c}`" for c in list(dict.fromkeys(candidates))[:8])
    kind = "WITH_SUGGESTION" if candidates else "WITHOUT_SUGGESTION"
    return AnalysisError(
        f"no column, variable or parameter is called {name}",
        condition=f"UNRESOLVED_COLUMN.{kind}",
        span=span,
        hint=hint,
    )


def clause_of(node: Any) -> str | None:
    """PIVOT, UNPIVOT or a pipe operator where a join's right side is one of them in disguise."""
    called = node.this if isinstance(node, exp.Table) else None
    name = str(called.this) if isinstance(called, exp.Anonymous) else ""
    return name if name.startswith(CLAUSE_MARK) else None
