"""CREATE FUNCTION and DROP FUNCTION of functions written in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import Column
from sqlshell.plan.context import SqlFunction
from sqlshell.plan.logical import fresh_id
from sqlshell.result import Result, command

if TYPE_CHECKING:
    from sqlshell.parser import statement_script as st
    from sqlshell.session import Session


def create_function(session: Session, s: st.CreateFunction) -> Result:
    """CREATE [OR REPLACE] TEMPORARY FUNCTION: its body must bind now, and is bound anew at each call."""
    name = s.name[-1].lower()
    if not s.temporary:
        raise NotSupportedError(
            "only temporary functions are supported so far",
            span=s.span,
            hint=f"CREATE TEMPORARY FUNCTION {'.'.join(s.name)}(...)",
        )
    if len(s.name) > 1 and s.name[-2].lower() != "session":
        raise AnalysisError(
            "a temporary function has no schema",
            condition="INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_DATABASE",
            span=s.span,
        )
    if name in session.functions and not s.replace:
        raise AnalysisError(
            f"the function `{name}` exists already",
            condition="ROUTINE_ALREADY_EXISTS",
            span=s.span,
            hint="CREATE OR REPLACE TEMPORARY FUNCTION replaces it",
        )
    function = definition(s, name)
    check(session, function)
    session.functions[name] = function
    return command("OK")


def definition(s: st.CreateFunction, key: str) -> SqlFunction:
    """The function a statement describes, its parameters checked."""
    from sqlshell.plan.coerce import parse_type

    names = [p.name.lower() for p in s.parameters]
    for i, p in enumerate(s.parameters):
        if names.count(p.name.lower()) > 1:
            raise AnalysisError(
                f"the parameter `{p.name}` appears twice",
                condition="DUPLICATE_ROUTINE_PARAMETER_NAMES",
                span=s.span,
            )
        if p.default is None and i and s.parameters[i - 1].default is not None:
            raise AnalysisError(
                f"the parameter `{p.name}` needs a default, since one before it has one",
                condition="USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_PARAMETER_POSITION",
                span=s.span,
            )
    body = s.body.sql
    parameters = tuple((p.name, parse_type(p.type_ddl), p.default) for p in s.parameters)
    returns = parse_type(s.returns) if s.returns is not None else None
    columns = tuple((n, parse_type(t)) for n, t in s.columns)
    return SqlFunction(key, parameters, body, returns, s.table, columns, s.comment)


def check(session: Session, fn: SqlFunction) -> None:
    """Binds the body over columns in place of the arguments; raises what a call would."""
    from sqlshell.plan import bind_function
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.coerce import cast_explicitly
    from sqlshell.statement_context import StatementContext

    b = Binder(StatementContext(session))
    values = {n.lower(): Column(fresh_id(), n, t, True) for n, t, _ in fn.parameters}
    scope = bind_function.ParameterScope((), None, values=values, owner=fn.key.rsplit(".", 1)[-1])
    for _, type_, default in fn.parameters:
        if default is not None:
            made = SqlFunction(fn.key, (), default, type_)
            cast_explicitly(bind_function.expression(b, made, bind_function.ParameterScope(), None), type_)
    if fn.table:
        bind_function.query(b, fn, scope, None)
    else:
        bind_function.expression(b, fn, scope, None)


def drop_function(session: Session, s: st.DropFunction) -> Result:
    """DROP TEMPORARY FUNCTION."""
    name = s.name[-1].lower()
    if not s.temporary:
        if name in session.functions and len(s.name) == 1:
            raise AnalysisError(
                f"`{name}` is a temporary function",
                condition="EXPECT_PERSISTENT_FUNCTION_NOT_TEMP",
                span=s.span,
                hint=f"DROP TEMPORARY FUNCTION {name}",
            )
        raise NotSupportedError("only temporary functions are supported so far", span=s.span)
    if session.functions.pop(name, None) is None and not s.if_exists:
        raise AnalysisError(
            f"there is no function `{'.'.join(s.name)}`", condition="ROUTINE_NOT_FOUND", span=s.span
        )
    return command("OK")


def described(fn: SqlFunction, *, extended: bool) -> list[str]:
    """DESCRIBE FUNCTION's lines: name, kind, parameters, what it returns."""
    inputs = [f"{n} {str(t).upper()}{f' DEFAULT {d}' if d is not None else ''}" for n, t, d in fn.parameters]
    returns = str(fn.returns).upper() if fn.returns is not None else ""
    if fn.table:
        returns = ", ".join(f"{n} {str(t).upper()}" for n, t in fn.columns)
    rows = [("Function", fn.key), ("Type", "TABLE" if fn.table else "SCALAR")]
    rows += [("Input" if i == 0 else "", text) for i, text in enumerate(inputs or ["()"])]
    rows.append(("Returns", returns))
    if extended:
        rows += [("Comment", fn.comment)] if fn.comment else []
        rows.append(("Body", fn.body))
    width = max(len(k) for k, _ in rows) + 2
    return [f"{f'{k}:' if k else '':<{width}}{v}" for k, v in rows]
