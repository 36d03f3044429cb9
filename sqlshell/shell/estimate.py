"""`--estimate`: what the statements of a script would read, after pruning, without running them.

One row for each scan: files, row groups and bytes (of the columns that are read) and how many there are. Logs and
footers tell; statements that make tables are rehearsed as `--check` does it, so their tables are empty here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sqlshell.commands.preflight import facts_of
from sqlshell.commands.profile_text import size
from sqlshell.result import Result
from sqlshell.shell.check import Checker, rehearsing
from sqlshell.types import BIGINT, STRING, Field

if TYPE_CHECKING:
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session
    from sqlshell.shell.runner import Runner
    from sqlshell.shell.script import Step

FIELDS = (
    Field("script", STRING),
    Field("line", BIGINT),
    Field("source", STRING),
    Field("files", BIGINT),
    Field("all_files", BIGINT),
    Field("row_groups", BIGINT),
    Field("all_row_groups", BIGINT),
    Field("bytes", BIGINT),
    Field("all_bytes", BIGINT),
)


def estimate_scripts(runner: Runner, scripts: list[tuple[str | None, str]]) -> int:
    """Write the table where results go, errors and the sum to stderr; gives the exit code."""
    with rehearsing(runner.session) as other:
        estimator = _Estimator(other, dict(runner.options.variables), runner.options.errors)
        for name, text in scripts:
            estimator.script(runner.define(text), name)
        rows = estimator.rows
    runner.show(Result(FIELDS, rows))
    files, read, everything = (sum(row[i] for row in rows) for i in (3, 7, 8))
    unknown = f"; {estimator.unknown} statements cannot be estimated" if estimator.unknown else ""
    sys.stderr.write(f"{files:,} files, {size(read)} of {size(everything)} would be read{unknown}\n")
    return estimator.code


class _Estimator(Checker):
    """Checks a script and notes what its statements read."""

    def __init__(self, session: Session, variables: dict[str, Any], errors: str) -> None:
        super().__init__(session, variables, errors)
        self.rows: list[tuple[Any, ...]] = []
        self._line = 1

    def step(self, step: Step) -> None:
        self._line = step.line
        super().step(step)

    def reads(self, plan: Plan) -> None:
        optimized = self.session.optimize(plan).plan
        for f in facts_of(self.session, optimized):
            if f.all_files:
                self.rows.append((
                    self.name, self._line, f.name, f.files, f.all_files, f.groups, f.all_groups, f.bytes, f.all_bytes,
                ))  # fmt: skip
