"""Read only the leaves of nested columns that the query uses.

    Project(c.x.y) > Scan[c]                         ->  Project(c.x.y) > Scan[c] leaves c.x.y
    Aggregate > Generate(explode(c.items) as i) i.e3 ->  .. Scan[c] leaves c.items.[].e3
    Filter(exists(items, x -> x.e0 < 5)) > Scan      ->  .. leaves items.[].e0
    map_values(c.attrs).x5                           ->  .. leaves c.attrs.{}.key, c.attrs.{}.value.x5

What is wanted of each column is carried from the root to the scans (`leaf_paths.py`): through struct fields, fields
of arrays of structs, map access, explode, higher-order functions and their lambda variables. A column that is
grouped, compared, joined on or returned is wanted whole, as are both sides of a UNION and the values of a CASE,
whose branches must have one layout. IS NULL of a struct and the size of an array read the cheapest leaf below.
Types do not change: absent leaves are simply not there in the frames. Only Parquet and Delta tables are
read by leaf. Runs last.
"""

from __future__ import annotations

from sqlshell.optimizer.leaf_paths import (
    ELEMENT,
    ENTRY,
    KEY,
    WHOLE,
    Demand,
    Paths,
    below,
    is_nested,
    leaves_of,
)
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.stats import as_before
from sqlshell.plan.logical import Filter, Generate, Join, Limit, Plan, Project, Scan, Sort, TopN, Window
from sqlshell.records import replace
from sqlshell.storage.source import ROW_INDEX, Source
from sqlshell.types import Map


class PruneNestedFields(Rule):
    """Scan.leaves."""

    name = "prune_nested_fields"
    needs = (Scan,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        if not any(_has_leaves(n) for n in plan.walk()):
            return plan
        demand = Demand()
        for c in plan.output:
            demand.want(c.id, WHOLE)
        _visit(plan, demand)
        return _narrowed(plan, demand)


def _has_leaves(node: Plan) -> bool:
    return (
        isinstance(node, Scan)
        and isinstance(node.source, Source)
        and node.source.format in {"parquet", "delta"}
        and any(is_nested(c.type) for c in node.columns)
        # Reading leaves of plain files skips row groups without counting their rows.
        and not (node.source.format == "parquet" and ROW_INDEX in node.fields)
    )


def _visit(node: Plan, demand: Demand) -> None:
    """Carry what is wanted of a node's output to its inputs."""
    match node:
        case Project():
            for item in node.items:
                demand.need(item.expr, demand.of(item.column))
        case Generate():
            _generate(node, demand)
        case Filter() | Sort() | TopN() | Limit() | Join() | Window() | Scan():
            for e in node.exprs:
                demand.need(e)
        case _:
            # Aggregate, Expand, Union, RecursiveCte and the rest: whole values only, as of shared plans.
            for e in node.exprs:
                demand.need(e)
            for child in node.children:
                for c in child.output:
                    if not node.exprs:
                        demand.want(c.id, WHOLE)
    for child in node.children:
        _visit(child, demand)


def _generate(node: Generate, demand: Demand) -> None:
    call = node.generator
    if call.fn not in {"explode", "explode_outer", "posexplode", "posexplode_outer"}:
        demand.need(call)
        return
    columns = node.columns[1:] if call.fn.startswith("posexplode") else node.columns
    source = call.args[0]
    wanted: Paths
    if isinstance(source.type, Map):
        inside = below((ENTRY, "value"), demand.of(columns[1]))
        wanted = inside | {KEY}
    else:
        wanted = below((ELEMENT,), demand.of(columns[0])) | {("?",)}
    demand.need(source, wanted)


def _narrowed(node: Plan, demand: Demand) -> Plan:
    if not _has_leaves(node):
        return as_before(node, node.map_children(lambda c: _narrowed(c, demand)))
    assert isinstance(node, Scan)
    leaves: set[tuple[str, ...]] = set()
    narrow = False
    for c, name in zip(node.columns, node.fields, strict=True):
        if not is_nested(c.type):
            continue
        found = leaves_of(name, c.type, demand.of(c))
        narrow = narrow or found is not None
        leaves |= found if found is not None else {(name,)}
    return replace(node, leaves=frozenset(leaves)) if narrow else node
