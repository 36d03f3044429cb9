"""EXPLAIN in its modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.commands.common import strings
from sqlshell.errors import NotSupportedError
from sqlshell.parser import statement as st
from sqlshell.result import Result

if TYPE_CHECKING:
    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session


def explain(session: Session, s: st.Explain) -> Result:
    """EXPLAIN [mode] of a query or of a statement that writes."""
    if not isinstance(s.statement, st.Query):
        return Result(strings("plan"), [(_explain_write(session, s.statement, s.mode),)])
    return Result(strings("plan"), [(explain_text(session, s.statement, s.mode),)])


def explain_text(session: Session, query: st.Query, mode: str) -> str:
    """The text of EXPLAIN: the optimized plan; EXTENDED adds the bound one, OPTIMIZER every effective rule."""
    from sqlshell.plan.explain import format_plan

    bound = session.bind(query)
    optimized = session.optimize(bound.plan)
    sections: list[tuple[str, str]] = []
    match mode:
        case "extended" | "formatted":
            sections.append(("Bound plan", format_plan(bound.plan)))
            sections.append(("Optimized plan", format_plan(optimized.plan)))
            sections.append(("Stages", session.stages(optimized.plan, to_run=False).render()))
        case "optimizer":
            sections.append(("Initial", format_plan(bound.plan)))
            sections.extend((step.rule, format_plan(step.plan)) for step in optimized.trace)
        case "stages":
            return session.stages(optimized.plan, to_run=False).render()
        case "analyze":
            sections.append(("Optimized plan", format_plan(optimized.plan)))
            sections.append(("Run", _analyze(session, bound, query.text)))
        case "":
            return format_plan(optimized.plan)
        case _:
            raise NotSupportedError(f"EXPLAIN {mode.upper()} is not supported")
    return "\n\n".join(f"== {title} ==\n{text}" for title, text in sections)


def _explain_write(session: Session, statement: st.Statement, mode: str) -> str:
    """The same of a statement that writes; it is not run, so there is no ANALYZE of it."""
    from sqlshell.commands.explain_write import planned

    what = planned(session, statement)
    optimized = session.optimize(what.plan)
    checked = what.checked(optimized.plan)
    match mode:
        case "":
            return what.text(checked)
        case "stages":
            return what.stages(session, checked)
        case "extended" | "formatted":
            sections = [
                ("Bound plan", what.text(what.checked(what.plan))),
                ("Optimized plan", what.text(checked)),
                ("Stages", what.stages(session, checked)),
            ]
        case "optimizer":
            steps = [(step.rule, step.plan) for step in optimized.trace]
            sections = [(rule, what.text(plan)) for rule, plan in [("Initial", what.plan), *steps]]
        case _:
            raise NotSupportedError(
                f"EXPLAIN {mode.upper()} of a statement that writes is not supported",
                hint="EXPLAIN ANALYZE would have to run it" if mode == "analyze" else None,
            )
    return "\n\n".join(f"== {title} ==\n{text}" for title, text in sections)


def _analyze(session: Session, bound: BoundQuery, text: str) -> str:
    from sqlshell.commands.profile import run_profiled
    from sqlshell.commands.profile_text import render

    session.last_profile = run_profiled(session, bound, text)
    return render(session.last_profile)
