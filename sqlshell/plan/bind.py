"""The binder: a query's AST in, a bound logical plan out. This is where sqlglot ends.

`bind_select`, `bind_from`, `bind_group`, `bind_expr` ... hold the clauses; they call each other through the
`Binder`, which carries what one statement shares: its context, its text, its depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError, ProgrammingError
from sqlshell.expr.expr import Column, Expr, Literal, SubqueryExpr
from sqlshell.plan import bind_expr, bind_order, bind_select, bind_set, bind_table, bind_with
from sqlshell.plan.bind_group import Item
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.call_special import as_condition
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Project, passthrough
from sqlshell.plan.renew import is_deterministic
from sqlshell.plan.scope import Entry, Scope
from sqlshell.types import Void

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.context import BindContext, FeatureBinder, TableVersion, ViewDefinition

MAX_DEPTH = 150
"""Rewriting takes up to five Python frames a level, of a thousand."""
MAX_QUERY_DEPTH = 50
PREDICATE_ERRORS = {
    "WHERE": "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
    "HAVING": "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
    "QUALIFY": "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
    "JOIN ON": "JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE",
    "FILTER": "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN",
}


class Binder:
    """Binds the queries of one statement."""

    def __init__(self, ctx: BindContext) -> None:
        self.ctx = ctx
        self.text = ""
        self.depth = 0
        self.query_depth = 0
        self.views: tuple[str, ...] = ()
        self.features: FeatureBinder | None = None
        """Set while a model's TRANSFORM is bound."""
        self.zone = str(ctx.settings.get("spark.sql.session.timeZone"))

    def bind_query(self, ast: Any, text: str) -> BoundQuery:
        """The plan and output names of a query."""
        self.text = text
        try:
            return self.query(ast, Env())
        except RecursionError:
            raise self.too_deep() from None

    def for_view(self, view: ViewDefinition, version: TableVersion | None, span: Span | None) -> Binder:
        """A binder for a view's own text, which sees nothing of the query around it."""
        inner = Binder(self.ctx.for_view(view, version, span))
        inner.views = (*self.views, view.key)
        inner.query_depth = self.query_depth
        return inner

    def too_deep(self) -> ProgrammingError:
        """The error for statements nested beyond reason."""
        return ProgrammingError(
            f"the statement is nested too deeply (more than {MAX_DEPTH} expressions or "
            f"{MAX_QUERY_DEPTH} queries inside one another)",
            condition="FAILED_TO_PARSE_TOO_COMPLEX",
            hint="split it with WITH or a temporary view",
        )

    def query(self, node: Any, env: Env) -> BoundQuery:
        """Any query form: SELECT, set operation, VALUES, TABLE t, a parenthesis around one."""
        self.query_depth += 1
        if self.query_depth > MAX_QUERY_DEPTH:
            raise self.too_deep()
        depth, self.depth = self.depth, 0
        try:
            with_ = node.args.get("with_")
            if with_ is not None:
                env = bind_with.bind_with(self, with_, env)
            return self._dispatch(node, env)
        finally:
            self.depth = depth
            self.query_depth -= 1

    def _dispatch(self, node: Any, env: Env) -> BoundQuery:
        if isinstance(node, exp.Select):
            return bind_select.bind_select(self, node, env)
        if isinstance(node, exp.SetOperation):
            return bind_set.bind_set_operation(self, node, env)
        if isinstance(node, exp.Subquery):
            return self._parenthesis(node, env)
        if isinstance(node, exp.Values):
            reject_unused(node, ("expressions", "with_", "order", "limit", "offset", "alias"))
            return self._ordered(bind_table.values(self, node, env), node, env)
        if isinstance(node, exp.Table):
            bound = bind_table.bind_table(self, node, env)
            shown = [e for e in bound.entries if not e.metadata]
            plan = bound.plan
            if len(shown) < len(bound.entries):
                plan = Project(plan, tuple(passthrough(e.column) for e in shown))
            return BoundQuery(plan, tuple(e.name for e in shown))
        raise unsupported(node, "this query")

    def _parenthesis(self, node: Any, env: Env) -> BoundQuery:
        reject_unused(
            node,
            ("this", "alias", "joins", "with_", "order", "sort", "cluster", "distribute", "limit", "offset"),
        )
        return self._ordered(self.query(node.this, env), node, env)

    def _ordered(self, query: BoundQuery, node: Any, env: Env) -> BoundQuery:
        """A finished query with ORDER BY and LIMIT of its own around it."""
        entries = tuple(Entry(n, c) for n, c in zip(query.names, query.plan.output, strict=True))
        site = Site(Scope(entries, env.outer), env, "ORDER BY")
        items = [Item(e.name, e.column, node) for e in entries]
        bind_order.check_distribution(self, node, site)
        keys = bind_order.bind_keys(self, bind_order.order_items(node), items, site)
        plan = bind_order.sort_and_limit(self, query.plan, [k for k, _ in keys], node, site)
        return BoundQuery(plan, query.names)

    # Expressions

    def expr(self, node: Any, site: Site) -> Expr:
        """A typed expression."""
        handler = bind_expr.HANDLERS.get(type(node))
        if handler is None:
            raise unsupported(node)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.too_deep()
        try:
            return handler(self, node, site)
        except AnalysisError as error:
            if error.span is None:
                error.span = span_of(node)
            raise
        finally:
            self.depth -= 1

    def predicate(self, node: Any, site: Site, clause: str) -> Expr:
        """A boolean expression."""
        bound = self.expr(node, site)
        try:
            if clause == "JOIN ON" and isinstance(bound.type, Void):
                raise AnalysisError("a join condition is a boolean, not NULL", span=span_of(node))
            return as_condition(bound, clause, span_of(node))
        except AnalysisError as error:
            error.condition = PREDICATE_ERRORS.get(clause, error.condition)
            raise

    def constant(self, node: Any, site: Site, what: str) -> Literal:
        """A foldable expression's value."""
        bound = self.expr(node, site)
        if isinstance(bound, Literal):
            return bound
        if not is_foldable(bound):
            raise AnalysisError(
                f"{what} needs a constant, not {text_of(node)}",
                condition="INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE"
                if what in {"LIMIT", "OFFSET"}
                else "NON_FOLDABLE_ARGUMENT",
                span=span_of(node),
            )
        return self.evaluate(bound)

    def evaluate(self, e: Expr) -> Literal:
        """The value of an expression without columns."""
        values = self.ctx.evaluate([e])
        if len(values) != 1:
            raise NotSupportedError("a constant expression that has no value")
        return values[0]


def is_foldable(e: Expr) -> bool:
    """Whether `e` is the same for every row and every run."""
    return is_deterministic(e) and not any(isinstance(n, Column | SubqueryExpr) for n in e.walk())
