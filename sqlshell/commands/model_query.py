"""The training query as a model keeps it: text that means the same without the session it was written in.

Views become subqueries, temporary SQL functions and variables what they stand for, and every Delta table has its
version. Time zone and `now()` are options of the statement (`time_zone`, `session_time`). The result is bound
again without the session's state; only when it gives the same plan is the model called reproducible.
"""

from __future__ import annotations

import os
import re
from copy import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from sqlshell.errors import Error
from sqlshell.parser.parse import parse_statement, span_of
from sqlshell.parser.statement import Query
from sqlshell.plan.context import ViewDefinition
from sqlshell.plan.naming_literals import sql_text
from sqlshell.statement_context import StatementContext
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from datetime import datetime

    from sqlshell.errors import Span
    from sqlshell.plan.context import BoundQuery, FoundVariable, SqlFunction
    from sqlshell.session import Session

DEEPEST = 20
"""Functions within functions, views within views."""


class TrainingContext(StatementContext):
    """A statement's context that remembers what its query took from the session. Cached copies are not read."""

    instant: datetime

    def __init__(self, session: Session, instant: datetime | None = None) -> None:
        self.used_now: list[bool] = []
        super().__init__(session)
        if instant is not None:
            self.instant = instant
        self.cached = False
        self.variables: dict[tuple[str, ...], FoundVariable] = {}
        self.functions: dict[str, SqlFunction] = {}

    @property
    def now(self) -> datetime:
        self.used_now.append(True)
        return self.instant

    @now.setter
    def now(self, instant: datetime) -> None:
        self.instant = instant

    def resolve_variable(self, name: tuple[str, ...]) -> FoundVariable | None:
        found = super().resolve_variable(name)
        if found is not None:
            self.variables[tuple(p.lower() for p in name[: found.parts])] = found
        return found

    def resolve_function(self, name: tuple[str, ...]) -> SqlFunction | None:
        found = super().resolve_function(name)
        if found is not None:
            self.functions[name[-1].lower()] = found
        return found

    def without_session(self) -> Self:
        """The same pinned tables, without temporary views, variables and functions."""
        inner = copy(self)
        inner._temporary, inner.current_schema = False, "default"
        return inner


def stored_text(context: TrainingContext, query: Query, bound: BoundQuery) -> tuple[str, str]:
    """(the query's text as stored, why it may not replay: empty when it does)."""
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.explain import format_query

    try:
        text = _expanded(context, query.sql, 0)
        again = Binder(context.without_session()).bind_query(_query(text).ast, text)
        if format_query(_optimized(context, bound), normalize=True) == format_query(
            _optimized(context, again), normalize=True
        ):
            return text, ""
        reason = "the query does not mean the same outside its session"
    except Error as e:
        text, reason = query.sql, f"the query needs its session: {e.message}"
    return text, reason


def _optimized(context: TrainingContext, bound: BoundQuery) -> BoundQuery:
    from sqlshell.plan.context import BoundQuery as Bound

    return Bound(context.session.optimize(bound.plan).plan, bound.names)


def _query(text: str) -> Query:
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    return statement


def _expanded(context: TrainingContext, text: str, depth: int) -> str:
    if context.temporary:
        text = _with_values(context, _with_functions(context, text))
    return _with_relations(context, text, depth)


# -- relations


def _with_relations(context: TrainingContext, text: str, depth: int) -> str:
    from sqlglot import exp

    query = _query(text)
    local = {c.alias.lower() for c in query.ast.find_all(exp.CTE)}
    edits: list[tuple[Span, str]] = []
    for node in query.ast.find_all(exp.Table):
        parts = tuple(p.name for p in node.parts)
        spans = [s for s in map(span_of, node.parts) if s is not None]
        if not isinstance(node.this, exp.Identifier) or len(spans) != len(parts):
            continue
        if node.args.get("version") is not None or (len(parts) == 1 and parts[0].lower() in local):
            continue
        span = (spans[0][0], spans[-1][1])
        found = context.resolve_relation(parts, span, None)
        if isinstance(found, ViewDefinition) and depth < DEEPEST:
            alias = "" if node.args.get("alias") else f" AS `{parts[-1]}`"
            edits.append((span, _view(context.for_view(found, None, span), found, depth) + alias))
        elif isinstance(found, Source):
            alias = "" if node.args.get("alias") or len(parts) == 1 else f" AS `{parts[-1]}`"
            edits.append((span, _table(found, text[slice(*span)], alias)))
    for (start, end), new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _view(context: TrainingContext, view: ViewDefinition, depth: int) -> str:
    statement = parse_statement(view.text, view.dialect)
    assert isinstance(statement, Query)
    inner = _expanded(context, statement.sql, depth + 1)
    if view.columns:
        return f"(SELECT * FROM ({inner}) AS __view({', '.join(f'`{c}`' for c in view.columns)}))"
    if view.names:
        return f"(SELECT {', '.join(f'`{n}`' for n in view.names)} FROM ({inner}))"
    return f"({inner})"


def _table(source: Source, written: str, alias: str) -> str:
    version = source.table.version if source.table is not None else None
    if version is None:
        return written
    name = written if "`" in source.name or os.sep in source.name else source.name
    shown = written.rsplit(".", maxsplit=1)[-1].strip("` ")
    same = name == written or name.split(".")[-1].lower() == shown.lower()
    return f"{name} VERSION AS OF {version}{alias if same and name != written else ''}"


# -- variables and functions, by tokens


def _with_values(context: TrainingContext, text: str) -> str:
    from sqlshell.parser.tokens import after_dot, tokenize

    zone = str(context.settings.get("sqlshell.timeZone"))
    found = {name[-1]: v for name, v in context.variables.items()}
    tokens = tokenize(text)
    edits = []
    for i, token in enumerate(tokens):
        variable = found.get(token.text.lower()) if not _quoted_text(token, text) else None
        following = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if variable is None or following == "(" or (i and tokens[i - 1].text.upper() == "AS"):
            continue
        start = token.start
        if after_dot(tokens, i):
            if tokens[i - 2].text.lower() != "session":
                continue
            start = tokens[i - 2].start
            if i > 3 and tokens[i - 4].text.lower() == "system":
                start = tokens[i - 4].start
        edits.append((start, token.end + 1, sql_text(variable.value, zone)))
    return _edited(text, edits)


def _with_functions(context: TrainingContext, text: str) -> str:
    from sqlshell.parser.tokens import close_of, level, tokenize

    for _ in range(DEEPEST):
        tokens = tokenize(text)
        at = next(
            (
                i for i, t in enumerate(tokens[:-1])
                if t.text.lower() in context.functions and tokens[i + 1].text == "(" and not _quoted_text(t, text)
            ),
            None,
        )  # fmt: skip
        if at is None:
            return text
        function = context.functions[tokens[at].text.lower()]
        end = close_of(tokens, at + 1)
        inside = level(tokens, at + 1)
        cuts = [
            tokens[at + 1].end + 1,
            *(tokens[j].start for j in inside if tokens[j].text == ","),
            tokens[end].start,
        ]
        given = [text[a:b].lstrip(", ").strip() for a, b in pairwise(cuts)]
        start = at - 2 if at > 1 and tokens[at - 1].text == "." else at
        made = _call(function, [g for g in given if g])
        text = text[: tokens[start].start] + made + text[tokens[end].end + 1 :]
    return text


def _call(function: SqlFunction, given: list[str]) -> str:
    """A call as the function's body. Bodies with queries in them keep their call, which fails outside the session."""
    from sqlshell.errors import NotSupportedError
    from sqlshell.parser.tokens import tokenize

    if function.table or re.search(r"\bselect\b", function.body, re.IGNORECASE):
        raise NotSupportedError(f"the body of {function.key} is a query")
    values: dict[str, str] = {}
    names = [p[0].lower() for p in function.parameters]
    for position, value in enumerate(given):
        by_name = re.match(r"`?(\w+)`?\s*=>\s*(.*)", value, re.DOTALL)
        values[by_name[1].lower() if by_name else names[position]] = by_name[2] if by_name else value
    edits = []
    tokens = tokenize(function.body)
    for i, token in enumerate(tokens):
        own = token.text.lower()
        following = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if own not in names or following in ("(", ".") or _quoted_text(token, function.body):
            continue
        start = token.start
        if i and tokens[i - 1].text == ".":
            if tokens[i - 2].text.lower() != function.key.split(".")[-1].lower():
                continue
            start = tokens[i - 2].start
        _, kind, default = function.parameters[names.index(own)]
        edits.append(
            (start, token.end + 1, f"CAST({values.get(own, default or 'NULL')} AS {str(kind).upper()})")
        )
    body = _edited(function.body, edits)
    return (
        f"CAST(({body}) AS {str(function.returns).upper()})" if function.returns is not None else f"({body})"
    )


def _quoted_text(token: Any, text: str) -> bool:
    """Whether a token is a string literal."""
    return text[token.start] in "'\"" or not re.match(r"[\w`]", text[token.start])


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
