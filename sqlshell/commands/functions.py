"""CREATE FUNCTION and DROP FUNCTION: functions in SQL and in Python, of the session and of the warehouse."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from sqlshell import relations
from sqlshell.commands.views import explain_temporary
from sqlshell.errors import AnalysisError, NotSupportedError, ParseError
from sqlshell.expr.expr import Column
from sqlshell.expr.python_function import PythonFunction
from sqlshell.plan.context import SqlFunction
from sqlshell.plan.logical import fresh_id
from sqlshell.plan.stored_function import KIND, payload
from sqlshell.result import Result, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span
    from sqlshell.parser import statement_script as st
    from sqlshell.session import Session
    from sqlshell.types import SqlType

    AnyCreate = st.CreateFunction | st.CreatePythonFunction


def create_function(session: Session, s: st.CreateFunction) -> Result:
    """CREATE [OR REPLACE] [TEMPORARY] FUNCTION: its body must bind now, and is bound anew at each call."""
    return _create(session, s, lambda key, schema: definition(s, key, schema))


def create_python_function(session: Session, s: st.CreatePythonFunction) -> Result:
    """CREATE FUNCTION ... LANGUAGE PYTHON: the source must compile now; workers compile it again."""
    return _create(session, s, lambda key, schema: _python_definition(s, key, schema))


def _create(session: Session, s: AnyCreate, make: Callable[[str, str | None], SqlFunction]) -> Result:
    """Keeps what `make(key, schema)` defines: in the session, or in the warehouse."""
    if s.temporary:
        return _create_temporary(session, s, make)
    name = relations.qualify(s.name, session.current_schema, s.span)
    relations.require_schema(session, name[0], s.span)
    catalog = session.catalog
    head, existing = catalog.head(KIND, name), catalog.get(KIND, name)
    if existing is not None and s.if_not_exists:
        return command("OK")
    if existing is not None and not s.replace:
        raise _exists(".".join(s.name), s.span, "CREATE OR REPLACE FUNCTION")
    function = make(".".join(name), session.current_schema)
    try:
        check(session, function)
    except AnalysisError as e:
        if e.condition == "UNRESOLVED_ROUTINE":
            e.condition = "ROUTINE_NOT_FOUND"
        elif e.condition == "TABLE_OR_VIEW_NOT_FOUND" and session.views:
            explain_temporary(session, e)
        raise
    catalog.put(KIND, name, payload(function), head.version if head else 0)
    return command("OK")


def _create_temporary(
    session: Session, s: AnyCreate, make: Callable[[str, str | None], SqlFunction]
) -> Result:
    name = s.name[-1].lower()
    if len(s.name) > 1 and s.name[-2].lower() != "session":
        raise AnalysisError(
            "a temporary function has no schema",
            condition="INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_DATABASE",
            span=s.span,
        )
    if name in session.functions and not s.replace:
        raise _exists(name, s.span, "CREATE OR REPLACE TEMPORARY FUNCTION")
    function = make(name, None)
    check(session, function)
    session.functions[name] = function
    return command("OK")


def _exists(name: str, span: Span | None, instead: str) -> AnalysisError:
    return AnalysisError(
        f"the function `{name}` exists already",
        condition="ROUTINE_ALREADY_EXISTS",
        span=span,
        hint=f"{instead} replaces it",
    )


def definition(s: st.CreateFunction, key: str, schema: str | None) -> SqlFunction:
    """The function a statement describes, its parameters checked."""
    from sqlshell.plan.coerce import parse_type

    parameters = _parameters(s)
    returns = parse_type(s.returns) if s.returns is not None else None
    columns = tuple((n, parse_type(t)) for n, t in s.columns)
    return SqlFunction(key, parameters, s.body.sql, returns, s.table, columns, s.comment, schema)


def _python_definition(s: st.CreatePythonFunction, key: str, schema: str | None) -> SqlFunction:
    from sqlshell.plan.coerce import parse_type

    parameters = _parameters(s)
    names = tuple(n for n, _, _ in parameters)
    unfit = next((n for n in names if not n.isidentifier() or keyword.iskeyword(n)), None)
    if unfit is not None and not s.handler:
        raise AnalysisError(f"`{unfit}` is no name in Python", condition="INVALID_IDENTIFIER", span=s.span)
    python = PythonFunction(
        key, names, s.kind, s.arrow, s.null_call, s.deterministic, source=s.source, handler=s.handler
    )
    returns = parse_type(s.returns) if s.returns is not None else None
    columns = tuple((n, parse_type(t)) for n, t in s.columns)
    check_python(python, s.source_at, s.span)
    return SqlFunction(
        key, parameters, s.source, returns, s.kind == "table", columns, s.comment, schema, python
    )


def check_python(python: PythonFunction, at: int, span: Span | None) -> None:
    """Whether a Python function's shape makes sense and its source, at `at` of the statement, compiles."""
    if python.kind == "aggregate" and not python.parameters:
        raise AnalysisError(
            "an aggregate function has parameters", condition="INVALID_PARAMETER_VALUE", span=span
        )
    if python.kind == "table" and python.arrow:
        raise NotSupportedError("PARAMETER STYLE ARROW of a table function", span=span)
    if not python.source:
        return
    from sqlshell.expr.python_function import tree

    try:
        compile(tree(python), f"<function {python.name}>", "exec")
    except SyntaxError as e:
        lines = python.source.splitlines(keepends=True)
        start = at + sum(map(len, lines[: (e.lineno or 1) - 1]))
        length = len(lines[(e.lineno or 1) - 1].rstrip()) if lines else 1
        raise ParseError(
            f"line {e.lineno} of the Python source: {e.msg}", condition="INVALID_PYTHON_SOURCE",
            span=(start, start + max(1, length)),
        ) from None  # fmt: skip


def _parameters(s: AnyCreate) -> tuple[tuple[str, SqlType, str | None], ...]:
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
    return tuple((p.name, parse_type(p.type_ddl), p.default) for p in s.parameters)


def check(session: Session, fn: SqlFunction) -> None:
    """Binds the body over columns in place of the arguments; raises what a call would."""
    from sqlshell.plan import bind_function
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.coerce import cast_explicitly
    from sqlshell.statement_context import StatementContext

    b = Binder(StatementContext(session).for_function(fn))
    values = {n.lower(): Column(fresh_id(), n, t, True) for n, t, _ in fn.parameters}
    scope = bind_function.ParameterScope((), None, values=values, owner=fn.key.rsplit(".", 1)[-1])
    for _, type_, default in fn.parameters:
        if default is not None:
            made = SqlFunction(fn.key, (), default, type_, schema=fn.schema)
            cast_explicitly(bind_function.expression(b, made, bind_function.ParameterScope(), None), type_)
    if fn.python is not None:
        return
    if fn.table:
        bind_function.query(b, fn, scope, None)
    else:
        bind_function.expression(b, fn, scope, None)


def drop_function(session: Session, s: st.DropFunction) -> Result:
    """DROP [TEMPORARY] FUNCTION."""
    name = s.name[-1].lower()
    if s.temporary:
        if session.functions.pop(name, None) is None and not s.if_exists:
            raise _not_found(s)
        return command("OK")
    qualified = relations.qualify(s.name, session.current_schema, s.span)
    found = session.catalog.get(KIND, qualified)
    if found is not None:
        session.catalog.drop(KIND, qualified, found.version)
        return command("OK")
    if name in session.functions and len(s.name) == 1:
        raise AnalysisError(
            f"`{name}` is a temporary function",
            condition="EXPECT_PERSISTENT_FUNCTION_NOT_TEMP",
            span=s.span,
            hint=f"DROP TEMPORARY FUNCTION {name}",
        )
    if not s.if_exists:
        raise _not_found(s)
    return command("OK")


def _not_found(s: st.DropFunction) -> AnalysisError:
    return AnalysisError(
        f"there is no function `{'.'.join(s.name)}`", condition="ROUTINE_NOT_FOUND", span=s.span
    )


def described(fn: SqlFunction, *, extended: bool) -> list[str]:
    """DESCRIBE FUNCTION's lines: name, kind, parameters, what it returns."""
    inputs = [f"{n} {str(t).upper()}{f' DEFAULT {d}' if d is not None else ''}" for n, t, d in fn.parameters]
    returns = str(fn.returns).upper() if fn.returns is not None else ""
    if fn.table:
        returns = ", ".join(f"{n} {str(t).upper()}" for n, t in fn.columns)
    kind = fn.python.kind.upper() if fn.python is not None else "TABLE" if fn.table else "SCALAR"
    rows = [("Function", fn.key), ("Type", kind)]
    if fn.python is not None:
        rows.append(("Language", "PYTHON"))
    rows += [("Input" if i == 0 else "", text) for i, text in enumerate(inputs or ["()"])]
    rows.append(("Returns", returns))
    if extended:
        rows += [("Comment", fn.comment)] if fn.comment else []
        rows.append(("Body", fn.body))
    width = max(len(k) for k, _ in rows) + 2
    return [f"{f'{k}:' if k else '':<{width}}{v}" for k, v in rows]
