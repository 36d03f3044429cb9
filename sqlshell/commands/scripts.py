"""Running SQL scripts: blocks with variables of their own, branches, loops, EXIT handlers.

The result of a script is that of its last query. Errors travel outwards until a block has a handler for them; the
handler runs among that block's variables, and the block is left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.commands.constants import query_row, select, stored_value
from sqlshell.commands.variables import Frame, Variable
from sqlshell.errors import AnalysisError, Error, QueryCancelled
from sqlshell.expr.expr import Literal
from sqlshell.parser import statement_script as st
from sqlshell.result import Result, command
from sqlshell.types import Boolean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.session import Session

_SET = re.compile(r"SET\s+(?!(?:VAR|VARIABLE|TIME|CATALOG)\b)(?=[\w`(])", re.IGNORECASE)
_KEY = re.compile(r"SET\s+(?:spark|sqlshell)\.", re.IGNORECASE)
_NEVER_CAUGHT = {"QUERY_CANCELLED", "INTERNAL_ERROR"}
STATES = {
    "DIVIDE_BY_ZERO": "22012", "REMAINDER_BY_ZERO": "22012", "INTERVAL_DIVIDED_BY_ZERO": "22012",
    "ARITHMETIC_OVERFLOW": "22003", "CAST_OVERFLOW": "22003", "NUMERIC_VALUE_OUT_OF_RANGE": "22003",
    "BINARY_ARITHMETIC_OVERFLOW": "22003", "CAST_INVALID_INPUT": "22018", "INVALID_ARRAY_INDEX": "22003",
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": "22003", "TABLE_OR_VIEW_NOT_FOUND": "42P01", "UNRESOLVED_COLUMN": "42703",
    "UNRESOLVED_ROUTINE": "42883", "PARSE_SYNTAX_ERROR": "42601", "USER_RAISED_EXCEPTION": "P0001",
    "UNRESOLVED_VARIABLE": "42883", "DATATYPE_MISMATCH": "42K09", "AMBIGUOUS_REFERENCE": "42704",
    "DATETIME_OVERFLOW": "22008", "ROW_SUBQUERY_TOO_MANY_ROWS": "21000", "SCALAR_SUBQUERY_TOO_MANY_ROWS": "21000",
    "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS": "42P07", "TABLE_OR_VIEW_ALREADY_EXISTS": "42P07",
}  # fmt: skip
"""SQLSTATEs of the conditions that a script can meet, from Spark's list of error conditions."""


class _Jump(Exception):
    """LEAVE or ITERATE on its way to its label; an EXIT handler leaves its block so too."""

    def __init__(self, leave: bool, label: str) -> None:
        self.leave, self.label = leave, label


def run(session: Session, s: st.Script) -> Result:
    """Run a script from BEGIN to END."""
    runner = _Runner(session)
    depth = len(session.frames)
    try:
        runner.block(s.block)
    except BaseException:
        runner.keep(None)
        raise
    finally:
        del session.frames[depth:]
    return runner.result or command("OK")


class _Runner:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.result: Result | None = None

    def keep(self, result: Result | None) -> None:
        """The last query's result is the script's."""
        if self.result is not None:
            self.result.close()
        self.result = result

    def steps(self, steps: Sequence[st.Step]) -> None:
        for step in steps:
            self.step(step)

    def step(self, step: st.Step) -> None:
        match step:
            case st.Sql():
                self.sql(step.text)
            case st.Block():
                self.block(step)
            case st.If():
                chosen = next((body for test, body in step.branches if self.holds(test)), step.otherwise)
                self.steps(chosen)
            case st.Loop():
                self.loop(step)
            case st.For():
                self.rows(step)
            case st.Jump():
                raise _Jump(step.leave, step.label)

    def sql(self, text: str) -> None:
        match = _SET.match(text)
        if match is not None and _KEY.match(text) is None:
            text = f"SET VAR {text[match.end() :]}"
        result = self.session.run_text(text)
        if result.is_query:
            self.keep(result)
        else:
            result.close()

    def holds(self, text: str) -> bool:
        """Whether a condition is true."""
        value = query_row(self.session, select(text))[1][0]
        if not isinstance(value.type, Boolean):
            raise AnalysisError(
                f"a condition is a boolean, {text} is {value.type}", condition="INVALID_BOOLEAN_STATEMENT"
            )
        if value.value is None:
            raise AnalysisError(f"the condition {text} is NULL", condition="BOOLEAN_STATEMENT_WITH_EMPTY_ROW")
        return bool(value.value)

    def block(self, block: st.Block) -> None:
        frames = self.session.frames
        depth = len(frames)
        frames.append(Frame(block.label))
        try:
            self.steps(block.body)
        except _Jump as jump:
            if not (jump.leave and block.label and jump.label == block.label):
                raise
        except Error as error:
            handler = _handler_for(block, error)
            if handler is None:
                raise
            del frames[depth + 1 :]
            self.steps(handler.body)
        finally:
            del frames[depth:]

    def once(self, label: str, body: Sequence[st.Step]) -> bool:
        """One round of a loop; False when it was left."""
        if self.session.cancelled:
            raise QueryCancelled("the script was cancelled")
        try:
            self.steps(body)
        except _Jump as jump:
            if not label or jump.label != label:
                raise
            return not jump.leave
        return True

    def loop(self, loop: st.Loop) -> None:
        while loop.before is None or self.holds(loop.before):
            if not self.once(loop.label, loop.body):
                return
            if loop.until is not None and self.holds(loop.until):
                return

    def rows(self, loop: st.For) -> None:
        session = self.session
        result = session.run_text(loop.query)
        if not result.is_query:
            raise AnalysisError("FOR takes a query", condition="INVALID_FOR_STATEMENT_QUERY")
        fields = result.fields
        depth = len(session.frames)
        try:
            for row in result.rows():
                frame = Frame(loop.row)
                for field, cell in zip(fields, row, strict=True):
                    value = Literal(stored_value(cell, field.type), field.type)
                    frame.values[field.name.lower()] = Variable(field.type, value)
                session.frames.append(frame)
                if not self.once(loop.label, loop.body):
                    return
                del session.frames[depth:]
        finally:
            del session.frames[depth:]
            result.close()


def _handler_for(block: st.Block, error: Error) -> st.Handler | None:
    """The handler that names the error most closely: its condition, its SQLSTATE, then SQLEXCEPTION."""
    condition = error.condition.upper()
    if condition in _NEVER_CAUGHT:
        return None
    names = [condition, condition.split(".")[0]]
    state = STATES.get(names[1])
    declared = dict(block.conditions)
    names += [n for n, s in declared.items() if s == state]
    names += [f"SQLSTATE {state}"] if state else []
    names.append("NOT FOUND" if state is not None and state.startswith("02") else "SQLEXCEPTION")
    for name in names:
        for handler in block.handlers:
            if name in handler.conditions:
                return handler
    return None
