"""EXPLAIN of statements that write: what they would do, over the plan that computes the rows for it.

    Insert into s.t [append]
    └─ Assert [id#3 IS NOT NULL]
       └─ Project ...                  the rows as the table stores them

DELETE shows the positions (file, row) of the rows that go; UPDATE and MERGE those and the rows in their place.
Nothing is run or made: the statement is bound against the table's latest version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.commands.dml import begin
from sqlshell.errors import NotSupportedError
from sqlshell.parser import statement_table as tables
from sqlshell.parser.statement import Query
from sqlshell.parser.statement_dml import Delete, Insert, Merge, Update
from sqlshell.parser.statement_model import CreateModel
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_dml import bind_delete, bind_merge, bind_update
from sqlshell.plan.bind_insert import bind_insert
from sqlshell.plan.explain import format_plan
from sqlshell.plan.logical import Plan, Project, passthrough
from sqlshell.plan.logical_write import Assert
from sqlshell.records import dataclass
from sqlshell.statement_context import StatementContext

if TYPE_CHECKING:
    from sqlshell.parser.statement import Statement
    from sqlshell.plan.logical_write import Check
    from sqlshell.session import Session


@dataclass(frozen=True)
class Planned:
    """What a statement would do (one line), and the plan of the rows it needs, still to be optimized and checked."""

    head: str
    plan: Plan
    checks: tuple[Check, ...] = ()

    def checked(self, optimized: Plan) -> Plan:
        """The optimized plan under the checks."""
        return Assert(optimized, self.checks) if self.checks else optimized

    def text(self, plan: Plan) -> str:
        """A plan under the statement's line."""
        first, *rest = format_plan(plan).splitlines()
        return "\n".join([self.head, f"└─ {first}", *(f"   {line}" for line in rest)])

    def stages(self, session: Session, plan: Plan) -> str:
        """The stages of the plan."""
        return session.stages(plan, to_run=False).render()


def planned(session: Session, s: Statement) -> Planned:
    """The plan of INSERT, DELETE, UPDATE, MERGE or CREATE TABLE AS. Raises UNSUPPORTED for other statements."""
    match s:
        case tables.CreateTable(query=Query() as query):
            binder = Binder(StatementContext(session))
            bound = binder.bind_query(query.ast, query.text)
            kind = "Replace" if s.replace else "Create"
            return Planned(f"{kind} table {'.'.join(s.name)}", bound.plan)
        case Insert():
            w = begin(session, s.target, s.text, "INSERT")
            _, stored = bind_insert(w.binder, s, w.schema, w.properties)
            rows = Project(stored.plan, tuple(passthrough(c) for c in stored.columns))
            return Planned(f"Insert into {w.name} [{s.mode.replace('_', ' ')}]", rows, stored.checks)
        case Delete():
            w = begin(session, s.target, s.text, "DELETE")
            plan, _ = bind_delete(w.binder, s, w.source())
            return Planned(f"Delete from {w.name} [file_path, row_index]", plan)
        case Update():
            w = begin(session, s.target, s.text, "UPDATE")
            stored, _ = bind_update(w.binder, s, w.source(), w.schema, w.properties)
            return Planned(f"Update {w.name} [file_path, row_index, new row]", stored.plan, stored.checks)
        case Merge():
            w = begin(session, s.target, s.text, "MERGE")
            stored = bind_merge(w.binder, s, w.source(), w.schema, w.properties).rows
            head = f"Merge into {w.name} [clause, file_path, row_index, new row]"
            return Planned(head, stored.plan, stored.checks)
        case CreateModel():
            from sqlshell.commands import explain_model

            return explain_model.planned(session, s)
    raise NotSupportedError(
        f"EXPLAIN of {type(s).__name__} is not supported",
        hint="EXPLAIN takes queries, INSERT, UPDATE, DELETE, MERGE and CREATE TABLE ... AS SELECT",
    )
