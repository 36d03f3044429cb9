"""Where an expression stands: the names it sees and what its clause allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlshell.errors import Span
    from sqlshell.expr.expr import Column, Expr, LambdaVar
    from sqlshell.plan.bind_from import Bound
    from sqlshell.plan.context import BoundQuery
    from sqlshell.plan.scope import Scope


@dataclass
class Cte:
    """A WITH item: bound once; each use after the first gets a copy with fresh ids."""

    name: str
    query: BoundQuery
    uses: int = 0
    recursive_key: str | None = None
    """Set while the item's own recursive step is bound: uses become RecursiveRef(key)."""
    shared_key: int | None = None
    """Set when copies could differ (rand()): all uses read one Shared plan."""


@dataclass(frozen=True)
class Env:
    """What a query sees besides its own FROM: WITH items (inner shadow outer) and the query around it."""

    ctes: Mapping[str, Cte] = field(default_factory=dict)
    outer: Scope | None = None
    piped: Bound | None = None
    """The relation an operator of pipe syntax works on."""

    def with_outer(self, outer: Scope | None) -> Env:
        return self if outer is self.outer else replace(self, outer=outer)


@dataclass(frozen=True)
class Site:
    """The surroundings of one expression."""

    scope: Scope
    env: Env
    clause: str
    aggregates: bool = False
    windows: bool = False
    generators: bool = False
    inside: str = ""
    """"aggregate" or "window" while the arguments of one are bound."""
    lambdas: Mapping[str, LambdaVar] = field(default_factory=dict)
    prefer: Callable[[tuple[str, ...], Span | None], Expr | None] | None = None
    """Names tried before FROM's columns (ORDER BY and HAVING: the select list)."""
    fallback: Callable[[tuple[str, ...], Span | None], Expr | None] | None = None
    """Names tried after FROM's columns and before the query around (lateral column aliases)."""
    time_windows: Mapping[str, Column] = field(default_factory=dict)
    """`window` or `session_window` to the column that holds the select's time windows."""
    windows_named: Mapping[str, object] = field(default_factory=dict)
    """WINDOW clause: lower-case name to its AST."""
