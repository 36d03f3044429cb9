"""Relations over a table's past: all versions at once, the difference of two, and the changes of each.

    t VERSIONS BETWEEN a AND b      the rows of each version, with `_version`
    DIFF t VERSION AS OF a WITH ... `_change_type` and the rows that only one of two versions has

A data file is read once, whatever number of versions have it: the rows of files are joined with the versions of
files (`optimizer/rules/aggregate_per_file.py` then groups before that join). DIFF compares sets of files first; only
rows of files that one version has and the other has not are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Column, Literal, long
from sqlshell.parser.history_clauses import DIFF, VERSIONS
from sqlshell.plan import bind_table
from sqlshell.plan.bind_site import Cte, Env
from sqlshell.plan.bind_util import reject_unused, span_of
from sqlshell.plan.call import make_call, make_generator
from sqlshell.plan.context import BoundQuery, TableVersion
from sqlshell.plan.logical import Generate, Join, Plan, Project, Scan, Union, Values, fresh_id, passthrough
from sqlshell.storage.delta import time_travel
from sqlshell.storage.delta.history import LIFE, check_schema, lives, sources
from sqlshell.types import BIGINT, INT, as_read, padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.plan.bind import Binder
    from sqlshell.storage.delta.actions import Add
    from sqlshell.storage.delta.history import Life
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.source import Source

VERSION = "_version"
CHANGE = "_change_type"


def bind_history(b: Binder, call: Any) -> BoundQuery | None:
    """The relation of a clause that `parser/history_clauses.py` dressed up; None for other functions."""
    name = call.name.lower()
    if name not in (VERSIONS, DIFF):
        return None
    reject_unused(call, ("this", "expressions"))
    table_node, *args = call.expressions
    parts = tuple(p.name for p in table_node.parts)
    table, shown = b.ctx.delta_table(parts, span_of(table_node))
    if name == VERSIONS:
        return _versions(b, table, shown, args, span_of(table_node))
    return _diff(b, table, shown, args)


# -- all versions


def _versions(b: Binder, table: DeltaTable, shown: str, args: Sequence[Any], span: Any) -> BoundQuery:
    kind, low, high = args
    if kind.name == "timestamps":
        first, last = _between(b, table, low, high)
    else:
        first, last = (_number(b, table, n) for n in (low, high))
    if first > last:
        raise AnalysisError(
            f"versions between {first} and {last}: the first comes after the last",
            condition="DELTA_INVALID_VERSION_RANGE",
            span=span,
        )
    start, end = (b.ctx.pin(table, TableVersion("version", v)) for v in (first, last))
    found = lives(table, start, end)
    time_travel.check_paths(table, end, [x.add.path for x in found])
    fields = end.schema.struct.fields
    files = [x.add for x in found]
    plan, life = _rows(end, shown, files)
    spans = _life_spans(found)
    theirs, version = spans.output[0], spans.output[3]
    joined = Join(plan, spans, "inner", make_call("=", [life, theirs]))
    data = plan.output[: len(fields)]
    out = Project(joined, tuple(passthrough(c) for c in (*data, version)))
    return BoundQuery(out, (*(f.name for f in fields), VERSION))


def _number(b: Binder, table: DeltaTable, node: Any) -> int:
    wanted = bind_table.table_version(b, "version", node)
    return b.ctx.pin(table, wanted).version


def _between(b: Binder, table: DeltaTable, low: Any, high: Any) -> tuple[int, int]:
    """The version that an interval of time starts in, and the one it ends in."""
    begin, end = (time_travel.to_ms(bind_table.instant(b, n)) for n in (low, high))
    zone = str(b.ctx.settings.get("sqlshell.timeZone"))
    last = time_travel.version_at(table, end, zone=zone, lenient=True)
    return time_travel.version_at(table, begin, zone=zone, lenient=True, early=True), last


def _life_spans(found: Sequence[Life]) -> Plan:
    """(file, from, to, version): a row for each version of each file."""
    life, low, high = (
        Column(fresh_id(), n, t, False) for n, t in ((LIFE, INT), ("from", BIGINT), ("to", BIGINT))
    )
    rows = tuple(
        (Literal(i, INT), long(start), long(end)) for i, x in enumerate(found) for start, end in x.ranges
    )
    generator, _ = make_generator("explode", [make_call("sequence", [low, high])])
    version = Column(fresh_id(), VERSION, BIGINT, False)
    return Generate(Values((life, low, high), rows), generator, (version,))


def _rows(snapshot: Snapshot, shown: str, adds: Sequence[Add]) -> tuple[Plan, Column]:
    """The rows of files, and the column that numbers the file."""
    scans = [scan_of(s, len(s.schema.fields)) for s in sources(snapshot, shown, adds)]
    plan: Plan = scans[0]
    if len(scans) > 1:
        columns = tuple(Column(fresh_id(), c.name, c.type, c.nullable) for c in scans[0].columns)
        plan = Union(tuple(scans), columns)
    return plan, plan.output[-1]


def scan_of(source: Source, count: int) -> Scan:
    """The first columns of a source."""
    fields = source.schema.fields[:count]
    columns = tuple(
        Column(fresh_id(), f.name, as_read(f.type), f.nullable, padded=padding(f.type)) for f in fields
    )
    return Scan(source, columns, tuple(f.name for f in fields))


# -- two versions


def _diff(b: Binder, table: DeltaTable, shown: str, args: Sequence[Any]) -> BoundQuery:
    old_kind, old_node, new_kind, new_node, *keys = args
    before = b.ctx.pin(table, bind_table.table_version(b, old_kind.name, old_node))
    latest = isinstance(new_node, exp.Null)
    after = b.ctx.pin(table, None if latest else bind_table.table_version(b, new_kind.name, new_node))
    check_schema(before.metadata, after)
    names = {f.name.lower(): i for i, f in enumerate(after.schema.fields)}
    at = []
    for node in keys:
        if node.name.lower() not in names:
            raise AnalysisError(
                f"the table has no column `{node.name}`",
                condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
                span=span_of(node),
                hint=did_you_mean(node.name, names),
            )
        at.append(names[node.name.lower()])
    old, new = before.state.files, after.state.files
    gone = [a for k, a in old.items() if k not in new]
    come = [a for k, a in new.items() if k not in old]
    return difference(b, after, shown, gone, come, at)


def difference(
    b: Binder, snapshot: Snapshot, shown: str, gone: Sequence[Add], come: Sequence[Add], keys: Sequence[int]
) -> BoundQuery:
    """Rows of files that went and of files that came, without those that are in both: `_change_type`, then the
    columns of `snapshot`. With `keys` (positions of columns) rows of one key on both sides are an update.
    """
    fields = snapshot.schema.fields
    count = len(fields)
    ctes: dict[str, Cte] = {}
    branches = []
    for sign, adds in ((-1, gone), (1, come)):
        for i, source in enumerate(sources(snapshot, shown, adds) if adds or sign > 0 else ()):
            name = f"{'old' if sign < 0 else 'new'}{i}"
            scan = scan_of(source, count)
            ctes[name] = Cte(name, BoundQuery(scan, tuple(f"c{n}" for n in range(count))))
            branches.append(f"SELECT *, {sign} AS s FROM {name}")
    listed = ", ".join(f"c{i}" for i in range(count))
    rows = " UNION ALL ".join(branches)
    if gone and come:
        # Rows may repeat: the surplus of one side is what changed.
        net = f"SELECT {listed}, sum(s) AS n FROM ({rows}) GROUP BY {listed} HAVING sum(s) <> 0"
        copies = "LATERAL VIEW explode(sequence(1, abs(n))) e AS x"
        rows = f"SELECT {listed}, CAST(sign(n) AS INT) AS s FROM ({net}) {copies}"
    kind = "if(s < 0, 'delete', 'insert')"
    if keys and gone and come:
        by = "PARTITION BY " + ", ".join(f"c{i}" for i in keys)
        both = f"min(s) OVER ({by}) < max(s) OVER ({by})"
        kind = f"if({both}, if(s < 0, 'update_preimage', 'update_postimage'), {kind})"
    named = ", ".join(f"c{i} AS `{f.name.replace('`', '``')}`" for i, f in enumerate(fields))
    text = f"SELECT {kind} AS {CHANGE}, {named} FROM ({rows})"
    return own_query(b, text, ctes)


def own_query(b: Binder, text: str, ctes: dict[str, Cte]) -> BoundQuery:
    """Bind a query of our own over relations that have no names."""
    outer, b.text = b.text, text
    try:
        return b.query(b.ctx.parse_query(text, "spark"), Env(ctes=ctes))
    finally:
        b.text = outer
