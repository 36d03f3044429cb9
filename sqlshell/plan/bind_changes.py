"""table_changes('t', from [, to]): what each version did to the rows, with or without a change data feed.

A commit with change data files tells its changes by them. Another one is looked at itself: added files are inserted
rows, removed files deleted rows. Where a commit did both and the table keeps no feed, they are what DIFF finds between
those files; with a feed, Delta's rule is that every row of them counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.parser.cursor import Cursor
from sqlshell.parser.tokens import tokenize
from sqlshell.plan.bind_history import CHANGE, difference, own_query, scan_of
from sqlshell.plan.bind_site import Cte, Site
from sqlshell.plan.bind_util import reject_unused, span_of
from sqlshell.plan.coerce import cast_explicitly
from sqlshell.plan.context import BoundQuery, TableVersion
from sqlshell.plan.scope import Scope
from sqlshell.records import dataclass, field, replace
from sqlshell.storage.delta import time_travel
from sqlshell.storage.delta.actions import Add, Cdc, Metadata, Remove
from sqlshell.storage.delta.history import check_schema, labelled
from sqlshell.storage.delta.schema import TableField
from sqlshell.types import BIGINT, STRING, TIMESTAMP, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Env
    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

COMMIT_VERSION, COMMIT_TIMESTAMP = "_commit_version", "_commit_timestamp"
LABELS = (
    Field(CHANGE, STRING, False),
    Field(COMMIT_VERSION, BIGINT, False),
    Field(COMMIT_TIMESTAMP, TIMESTAMP),
)

Labelled = tuple[Add, tuple[str | None, ...]]


@dataclass
class _Changes:
    """Files by how they tell changes."""

    feed: list[Labelled] = field(default_factory=list)
    whole: list[Labelled] = field(default_factory=list)
    both: list[tuple[int, str, list[Add], list[Add]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        pairs = (a for _, _, gone, come in self.both for a in (*gone, *come))
        return [a.path for a in (*(a for a, _ in self.feed), *(a for a, _ in self.whole), *pairs)]


def table_changes(b: Binder, call: Any, env: Env) -> BoundQuery:
    """The table's columns, `_change_type`, `_commit_version` and `_commit_timestamp`."""
    reject_unused(call, ("this", "expressions"))
    span = span_of(call)
    if not 2 <= len(call.expressions) <= 3:
        raise AnalysisError(
            f"table_changes() takes a table, a start and an end, not {len(call.expressions)} arguments",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
        )
    site = Site(Scope((), env.outer), env, "table_changes()")
    name, *ends = call.expressions
    text = b.constant(name, site, "table_changes()").value
    if not isinstance(text, str):
        raise AnalysisError("table_changes() takes the table's name as a string", span=span)
    table, shown = b.ctx.delta_table(_name(text), span)
    first = _end(b, table, ends[0], site, start=True)
    last = _end(b, table, ends[1], site, start=False) if len(ends) > 1 else b.ctx.pin(table).version
    if first > last:
        raise AnalysisError(
            f"table_changes from version {first} to {last}: the first comes after the last",
            condition="DELTA_INVALID_CDC_RANGE",
            span=span,
        )
    begin = b.ctx.pin(table, TableVersion("version", first))
    snapshot = b.ctx.pin(table, TableVersion("version", last))
    found = _collect(table, begin, snapshot)
    time_travel.check_paths(table, snapshot, found.paths())
    return _query(b, snapshot, shown, found)


def _name(text: str) -> tuple[str, ...]:
    """The table's name in a string; a path where it is no name."""
    if "/" in text and "`" not in text:
        return "delta", text
    cursor = Cursor(tokenize(text), text)
    name = cursor.name()
    cursor.end()
    return name


def _end(b: Binder, table: DeltaTable, node: Any, site: Site, *, start: bool) -> int:
    """A version by its number, or by a time: the first at or after it, or the last at or before it."""
    value = b.constant(node, site, "table_changes()")
    if isinstance(value.value, int) and not isinstance(value.value, bool):
        return int(value.value)
    moment = b.evaluate(cast_explicitly(value, TIMESTAMP)).value
    if not isinstance(moment, datetime):
        raise AnalysisError("table_changes() takes versions or times", span=span_of(node))
    zone = str(b.ctx.settings.get("sqlshell.timeZone"))
    at = time_travel.to_ms(moment)
    if not start:
        return time_travel.version_at(table, at, zone=zone, lenient=True)
    times = _times(table)
    later = [v for v, t in times.items() if t >= at]
    return min(later) if later else time_travel.version_at(table, at, zone=zone)


def _times(table: DeltaTable) -> dict[int, int]:
    listing = table.listing()
    return time_travel.commit_times(table, listing, listing.earliest_recreatable or 0)


def _collect(table: DeltaTable, begin: Snapshot, snapshot: Snapshot) -> _Changes:
    out = _Changes()
    times = _times(table)
    check_schema(begin.metadata, snapshot)
    kept = begin.is_enabled("delta.enableChangeDataFeed")
    for version in range(begin.version, snapshot.version + 1):
        actions = table.commit_actions(version)
        for a in actions:
            if isinstance(a, Metadata):
                check_schema(a, snapshot)
                kept = a.configuration.get("delta.enableChangeDataFeed", "").lower() == "true"
        stamp = time_travel.show(times[version], "UTC").replace(" ", "T") + "Z"
        label = (str(version), stamp)
        feed = [a for a in actions if isinstance(a, Cdc)]
        if feed:
            out.feed += [(Add(a.path, a.partition_values, a.size, 0), label) for a in feed]
            continue
        gone, come = list(_removed(table, snapshot, version, actions)), list(_added(actions))
        if gone and come and not kept:
            out.both.append((version, stamp, gone, come))
            continue
        out.whole += [(a, ("insert", *label)) for a in come]
        out.whole += [(a, ("delete", *label)) for a in gone]
    return out


def _added(actions: Iterable[Action]) -> Iterable[Add]:
    return (a for a in actions if isinstance(a, Add) and a.data_change)


def _removed(table: DeltaTable, snapshot: Snapshot, version: int, actions: Iterable[Action]) -> Iterable[Add]:
    for a in actions:
        if not isinstance(a, Remove) or not a.data_change:
            continue
        values = a.partition_values
        if values is None and snapshot.partition_columns:
            yield table.snapshot(version - 1).state.files[a.key]
        else:
            yield Add(a.path, values or (), a.size or 0, 0, deletion_vector=a.deletion_vector)


def _query(b: Binder, snapshot: Snapshot, shown: str, found: _Changes) -> BoundQuery:
    fields = snapshot.schema.fields
    count = len(fields)
    ctes: dict[str, Cte] = {}
    branches: list[str] = []
    data = [f"c{i}" for i in range(count)]
    own = ", ".join(data)

    def add(query: BoundQuery, names: list[str], what: str) -> None:
        name = f"part{len(ctes)}"
        ctes[name] = Cte(name, replace(query, names=tuple(names)))
        branches.append(f"SELECT {own}, {what} FROM {name}")

    for source in labelled(snapshot, shown, found.whole, LABELS):
        scan = scan_of(source, len(source.schema.fields))
        add(BoundQuery(scan, ()), [*data, "k", "n", "m"], "k, n, m")
    for source in labelled(snapshot, shown, found.feed, LABELS[1:], (TableField(CHANGE, "string"),)):
        if found.feed:
            scan = scan_of(source, len(source.schema.fields))
            add(BoundQuery(scan, ()), [*data, "k", "n", "m"], "k, n, m")
    for version, stamp, gone, come in found.both:
        rows = difference(b, snapshot, shown, gone, come, ())
        add(rows, ["k", *data], f"k, CAST({version} AS BIGINT), TIMESTAMP'{stamp}'")
    named = [f"c{i} AS `{f.name.replace('`', '``')}`" for i, f in enumerate(fields)]
    named += [f"k AS {CHANGE}", f"n AS {COMMIT_VERSION}", f"m AS {COMMIT_TIMESTAMP}"]
    text = f"SELECT {', '.join(named)} FROM ({' UNION ALL '.join(branches)})"
    return own_query(b, text, ctes)
