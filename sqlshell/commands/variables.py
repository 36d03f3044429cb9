"""DECLARE, SET VARIABLE, DROP VARIABLE and EXECUTE IMMEDIATE."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlshell.commands.constants import query_row
from sqlshell.errors import AnalysisError, ParseError
from sqlshell.expr.expr import Literal, Value
from sqlshell.plan.context import FoundVariable
from sqlshell.records import dataclass, field, replace
from sqlshell.result import Result, command
from sqlshell.types import VOID, String

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlshell.errors import Span
    from sqlshell.parser import statement_script as st
    from sqlshell.parser.statement import Query
    from sqlshell.session import Session
    from sqlshell.types import SqlType

_SESSION = ("system", "session")


@dataclass
class Variable:
    """A variable: its value is always a literal of its type."""

    type: SqlType
    value: Literal
    default: Query | None = None


@dataclass
class Frame:
    """The variables of the session, or of one block of a script with its label."""

    label: str = ""
    values: dict[str, Variable] = field(default_factory=dict)


def copied(frames: Sequence[Frame]) -> list[Frame]:
    """The same variables, to be set apart from these."""
    return [replace(f, values={k: replace(v) for k, v in f.values.items()}) for f in frames]


def find(session: Session, name: Sequence[str]) -> tuple[Variable, str, int] | None:
    """The variable the first parts of a name mean, its full name, and how many parts that took."""
    parts = [p.lower() for p in name]
    for frame in reversed(session.frames[1:]):
        if parts[0] in frame.values:
            return frame.values[parts[0]], f"{frame.label}.{parts[0]}" if frame.label else parts[0], 1
        if len(parts) > 1 and frame.label and parts[0] == frame.label and parts[1] in frame.values:
            return frame.values[parts[1]], f"{frame.label}.{parts[1]}", 2
    for n in (0, 1, 2):
        if tuple(parts[:n]) == _SESSION[2 - n :] and len(parts) > n and parts[n] in session.frames[0].values:
            return session.frames[0].values[parts[n]], f"system.session.{parts[n]}", n + 1
    return None


def resolve(session: Session, name: tuple[str, ...]) -> FoundVariable | None:
    """A variable as the binder sees it."""
    found = find(session, name)
    if found is None:
        return None
    from sqlshell.plan.naming_literals import sql_text

    variable, full, count = found
    zone = str(session.settings.get("spark.sql.session.timeZone"))
    return FoundVariable(
        Value(variable.value.value, variable.type),
        f"variablereference({full}={sql_text(variable.value, zone)})",
        count,
    )


def _target(session: Session, name: tuple[str, ...], span: Span | None) -> tuple[Variable, str]:
    found = find(session, name)
    if found is None or found[2] != len(name):
        raise AnalysisError(
            f"there is no variable `{'.'.join(name)}`",
            condition="UNRESOLVED_VARIABLE",
            span=span,
            hint=f"DECLARE {name[-1]} INT",
        )
    return found[0], found[1]


def cast(session: Session, value: Literal, to: SqlType) -> Literal:
    """A value in a variable's type, with ANSI's errors."""
    from sqlshell.plan.coerce import cast_explicitly

    if value.type == to:
        return value
    changed = cast_explicitly(value, to)
    return changed if isinstance(changed, Literal) else session.evaluate([changed])[0]


def declare(session: Session, s: st.DeclareVariables) -> Result:
    """DECLARE: of the session, or of the innermost block of a running script."""
    from sqlshell.plan.coerce import parse_type

    frame = session.frames[-1]
    for name in s.names:
        if len(name) > 1 and (len(session.frames) > 1 or tuple(p.lower() for p in name[:-1]) not in (
            _SESSION, _SESSION[1:],
        )):  # fmt: skip
            raise AnalysisError(
                f"variables live in system.session, not in {'.'.join(name[:-1])}",
                condition="UNRESOLVED_VARIABLE",
                span=s.span,
            )
    keys = [name[-1].lower() for name in s.names]
    for key in keys:
        if keys.count(key) > 1 or (key in frame.values and not s.replace):
            raise AnalysisError(
                f"the variable `{key}` exists already",
                condition="DUPLICATE_VARIABLE_NAME_INSIDE_DECLARE"
                if keys.count(key) > 1
                else "VARIABLE_ALREADY_EXISTS",
                span=s.span,
                hint=f"DECLARE OR REPLACE {key} replaces it",
            )
    if s.default is not None and _has_subquery(s.default) and len(session.frames) == 1:
        raise AnalysisError(
            "the default of a variable has no subquery",
            condition="INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION",
            span=s.default.span,
            hint="SET VAR may have one",
        )
    value = Literal(None, VOID) if s.default is None else query_row(session, s.default)[1][0]
    kind = value.type if s.type_ddl is None else parse_type(s.type_ddl)
    value = cast(session, value, kind)
    for key in keys:
        frame.values[key] = Variable(kind, value, s.default)
    return command("OK")


def _has_subquery(query: Query) -> bool:
    from sqlglot import exp

    return any(n is not query.ast for n in query.ast.find_all(exp.Query))


def set_variables(session: Session, s: st.SetVariables) -> Result:
    """SET VAR: one after the other, or all from one row."""
    keys: list[str] = []
    targets: list[Variable] = []
    for name, span in zip(s.names, s.spans, strict=True):
        variable, full = _target(session, name, span)
        if full in keys:
            raise AnalysisError(f"`{full}` is assigned twice", condition="DUPLICATE_ASSIGNMENTS", span=span)
        keys.append(full)
        targets.append(variable)
    if s.query is not None:
        assign(session, targets, s.query, s.query.span)
        return command("OK")
    before = [v.value for v in targets]
    try:
        for variable, value in zip(targets, s.values, strict=True):
            chosen = variable.default if value is None else value
            found = Literal(None, VOID) if chosen is None else query_row(session, chosen)[1][0]
            variable.value = cast(session, found, variable.type)
    except BaseException:
        for variable, old in zip(targets, before, strict=True):
            variable.value = old
        raise
    return command("OK")


def assign(session: Session, targets: Sequence[Variable], query: Query, span: Span | None) -> None:
    """The variables take the values of a query's row."""
    count = len(session.bind(query).names)
    if count != len(targets):
        raise AnalysisError(
            f"{len(targets)} variables for {count} values", condition="ASSIGNMENT_ARITY_MISMATCH", span=span
        )
    row = query_row(session, query, span)[1]
    values = [cast(session, v, t.type) for v, t in zip(row, targets, strict=True)]
    for variable, value in zip(targets, values, strict=True):
        variable.value = value


def drop(session: Session, s: st.DropVariable) -> Result:
    """DROP TEMPORARY VARIABLE."""
    found = find(session, s.name)
    if found is None or found[2] != len(s.name):
        if s.if_exists:
            return command("OK")
        raise AnalysisError(
            f"there is no variable `{'.'.join(s.name)}`", condition="VARIABLE_NOT_FOUND", span=s.span
        )
    session.frames[0].values.pop(s.name[-1].lower(), None)
    return command("OK")


def execute_immediate(session: Session, s: st.ExecuteImmediate) -> Result:
    """EXECUTE IMMEDIATE: the text, with its markers filled, as a statement of its own."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query
    from sqlshell.parser.statement_script import Script

    if _has_subquery(s.command):
        raise AnalysisError(
            "the text of EXECUTE IMMEDIATE is no subquery",
            condition="UNSUPPORTED_EXPR_FOR_PARAMETER",
            span=s.command.span,
        )
    text = query_row(session, s.command)[1][0]
    if not isinstance(text.type, String) or text.value is None:
        raise AnalysisError(
            f"EXECUTE IMMEDIATE takes a text, not {text.type if text.value is not None else 'NULL'}",
            condition="NULL_QUERY_STRING_EXECUTE_IMMEDIATE"
            if isinstance(text.type, String)
            else "INVALID_EXPR_TYPE_FOR_QUERY_EXECUTE_IMMEDIATE",
            span=s.command.span,
        )
    targets = [_target(session, n, span)[0] for n, span in zip(s.into, s.spans, strict=True)]
    filled = _filled(session, str(text.value), s.using)
    statement = parse_statement(filled)
    if isinstance(statement, Script):
        raise ParseError(
            "EXECUTE IMMEDIATE runs one statement, no script",
            condition="SQL_SCRIPT_IN_EXECUTE_IMMEDIATE",
            span=s.command.span,
        )
    if not targets:
        with outside(session):
            return session.run_text(filled)
    if not isinstance(statement, Query):
        raise ParseError(
            "INTO needs a query", condition="INVALID_STATEMENT_FOR_EXECUTE_INTO", span=s.command.span
        )
    with outside(session):
        assign(session, targets, statement, s.spans[0])
    return command("OK")


@contextmanager
def outside(session: Session) -> Iterator[None]:
    """The text of EXECUTE IMMEDIATE sees no variables of the script around it."""
    frames = session.frames[1:]
    del session.frames[1:]
    try:
        yield
    finally:
        session.frames[1:] = frames


def _filled(session: Session, text: str, using: Query | None) -> str:
    from sqlshell.parser.parameters import Rendered, find_markers, substitute
    from sqlshell.parser.tokens import tokenize

    markers = find_markers(tokenize(text))
    if not markers and using is None:
        return text
    if using is None:
        return substitute(text, {})
    from sqlshell.plan.naming_literals import sql_text

    zone = str(session.settings.get("spark.sql.session.timeZone"))
    values: list[Any] = [Rendered(sql_text(v, zone)) for v in query_row(session, using)[1]]
    if all(m.name is None for m in markers):
        return substitute(text, values[: len(markers)])
    named = [e.alias_or_name for e in using.ast.expressions]
    return substitute(text, {n: v for n, v in zip(named, values, strict=True) if n})
