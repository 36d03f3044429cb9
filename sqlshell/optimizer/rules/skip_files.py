"""Leave out files of a Delta table that cannot hold rows passing a scan's filters.

    Scan delta.`t` [id, d] where d = DATE'2024-01-02'
    ->
    Scan delta.`t` [id, d] where d = DATE'2024-01-02' files 1 of 366

Partition values and the statistics in the log decide (`storage/delta/skipping.py`); the filters stay, for the rows of
the files that are left. Runs once when filters are at their scans, before joins are ordered: sizes shrink.
"""

from __future__ import annotations

from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import Plan, Scan
from sqlshell.records import replace
from sqlshell.storage.source import Source


class SkipFiles(Rule):
    """Source.files."""

    name = "skip_files"
    needs = (Scan,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        found: Plan = plan.transform_up(_skipped)
        return found


def _skipped(node: Plan) -> Plan:
    if not isinstance(node, Scan) or not node.filters or not isinstance(node.source, Source):
        return node
    table = node.source.table
    if table is None or table.stats.value is None or len(node.source.files) < table.files:
        return node
    from sqlshell.storage.delta.skipping import candidates

    fields = {c.id: f for c, f in zip(node.columns, node.fields, strict=True)}
    kept = candidates(table.stats.value, node.filters, fields)
    if kept is None:
        return node
    files = node.source.files
    return replace(node, source=replace(node.source, files=tuple(files[i] for i in kept)))
