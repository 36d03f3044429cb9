"""Expressions that a table stores (defaults, generated columns, checks), bound when they are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, Error
from sqlshell.expr.expr import AggCall, SubqueryExpr, WindowCall
from sqlshell.plan.context import ViewDefinition
from sqlshell.plan.logical import Project
from sqlshell.plan.renew import is_deterministic
from sqlshell.types import Boolean, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.errors import Span
    from sqlshell.expr.expr import Expr
    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session
    from sqlshell.types import Field


def bind_over(session: Session, text: str, fields: Iterable[Field], what: str, span: Span | None) -> Expr:
    """A row expression over columns, as the table's writers will bind it. `what` names it in errors."""
    columns = ", ".join(f"CAST(NULL AS {f.type}) AS {quote_name(f.name)}" for f in fields)
    source = f" FROM (SELECT {columns})" if columns else ""
    try:
        bound = _bind(session, f"SELECT ({text}) AS e{source}")
    except Error as e:
        e.message = f"{what} ({text}): {e.message}"
        e.args, e.span = (e.message,), span
        raise
    plan = bound.plan
    expr = plan.items[0].expr if isinstance(plan, Project) and len(plan.items) == 1 else None
    nested = expr is not None and any(isinstance(n, AggCall | WindowCall | SubqueryExpr) for n in expr.walk())
    if expr is None or nested or (columns and not isinstance(plan.children[0], Project)):
        raise AnalysisError(
            f"{what} ({text}) must be worked out from one row: no aggregates, windows or subqueries",
            condition="UNSUPPORTED_EXPR_FOR_TABLE",
            span=span,
        )
    return expr


def _bind(session: Session, text: str) -> BoundQuery:
    """The bound query without what only this session knows: variables, temporary functions and views."""
    from sqlshell.plan.bind import Binder
    from sqlshell.statement_context import StatementContext

    lasting = ViewDefinition("", text, schema=session.current_schema)
    context = StatementContext(session).for_view(lasting, None, None)
    return Binder(context).bind_query(context.parse_query(text, "spark"), text)


def check_predicate(
    session: Session, text: str, fields: Iterable[Field], name: str, span: Span | None
) -> None:
    """Whether a CHECK constraint can be one. Raises DELTA_NON_BOOLEAN_CHECK_CONSTRAINT and the like."""
    bound = bind_over(session, text, fields, f"the constraint `{name}`", span)
    if not isinstance(bound.type, Boolean):
        raise AnalysisError(
            f"the constraint `{name}` ({text}) is {bound.type}, not boolean",
            condition="DELTA_NON_BOOLEAN_CHECK_CONSTRAINT",
            span=span,
        )
    if not is_deterministic(bound):
        raise AnalysisError(
            f"the constraint `{name}` ({text}) is not the same every time",
            condition="INVALID_CHECK_CONSTRAINT.NONDETERMINISTIC",
            span=span,
        )
