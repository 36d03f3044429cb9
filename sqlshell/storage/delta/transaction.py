"""Transactions over several tables: checked as a whole, then one commit per table, recorded so that it can be ended.

A transaction of one table is one commit. For several, all tables are rehearsed first. Then a record of everything is
written put-if-absent to `<warehouse>/_transactions/<id>.json`, the tables are committed one after another, each under
the transaction's application id, and the record goes. When a commit loses a race after all, or the process dies in
between, the record says how to go on: what lacks is committed (`resume`), or, when that cannot be, what was committed
is taken back by one more commit per table. The application id (1: committed, 2: taken back) makes both safe to do
twice and by several processes.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlshell.errors import ConcurrentModificationError, Error, OperationalError
from sqlshell.records import dataclass
from sqlshell.storage.delta.actions import Add, Metadata, Remove, parse_commit, to_json
from sqlshell.storage.delta.commit import commit, rehearse
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE, ReadSet
from sqlshell.storage.delta.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.staged import StagedTable
    from sqlshell.storage.delta.store import LogStore
    from sqlshell.storage.delta.table import DeltaTable, DeltaTables

FOLDER = "_transactions"
ABANDONED_MS = 60_000
"""A record is deleted within moments; one this old is of a process that is gone."""
COMMITTED, TAKEN_BACK = 1, 2


@dataclass(frozen=True)
class Part:
    """What a transaction does to one table, on top of `base`."""

    table: DeltaTable
    base: Snapshot
    actions: list[Action]
    reads: ReadSet
    operation: str
    parameters: Mapping[str, Any]

    def commit(self, app: str | None, number: int = COMMITTED) -> int:
        """Write it; once, under an application id."""
        return commit(
            self.table, self.base, self.actions, self.operation, self.parameters, reads=self.reads,
            app_id=None if app is None else (app, number),
        )  # fmt: skip


def part_of(staged: StagedTable) -> Part | None:
    """What a staged table amounts to; None when nothing is left of it."""
    actions = staged.net()
    if not actions:
        return None
    infos = staged.operations()
    operation, parameters = infos[0].operation, infos[0].values.get("operationParameters") or {}
    if len(infos) > 1:
        operation, parameters = "TRANSACTION", {"statements": json.dumps([i.operation for i in infos])}
    return Part(staged.real, staged.base, actions, staged.read_set(), operation, parameters)


def commit_parts(parts: list[Part], warehouse: str) -> dict[str, int]:
    """Commit them all; the versions by location. Raises ConcurrentModificationError when none is committed, and
    DELTA_TRANSACTION_INCOMPLETE when some are and cannot be taken back.
    """
    for p in parts:
        rehearse(p.table, p.base, p.actions, p.reads)
    if len(parts) < 2:
        return {p.table.location: p.commit(None) for p in parts}
    store, app = open_store(warehouse), f"sqlshell-transaction-{uuid4()}"
    record = f"{FOLDER}/{app}.json"
    store.put_if_absent(record, _encoded(app, parts))
    versions: dict[str, int] = {}
    try:
        for p in parts:
            versions[p.table.location] = p.commit(app)
        for p in parts:
            if p.table.latest().txns[app].version != COMMITTED:
                raise ConcurrentModificationError(
                    "the transaction took so long to commit that another session took it back",
                    condition="DELTA_TRANSACTION_TAKEN_BACK",
                    hint="run it again",
                )
    except Error:
        _ended(store, record, parts, app)
        raise
    store.delete(record)
    return versions


def resume(tables: DeltaTables, warehouse: str) -> int:
    """End the transactions whose process is gone; how many. What cannot be ended stays for the next time."""
    store = open_store(warehouse)
    ended = 0
    for name in store.names(FOLDER):
        path = f"{FOLDER}/{name}"
        found = store.stat(path)
        if not name.endswith(".json") or found is None or found.modified_ms > _now() - ABANDONED_MS:
            continue
        try:
            ended += _end(tables, store, path)
        except (Error, OSError, ValueError, KeyError):
            continue
    return ended


def _end(tables: DeltaTables, store: LogStore, record: str) -> bool:
    app, parts = _decoded(tables, store.read(record))
    try:
        undone = any(_number(p.table, app) == TAKEN_BACK for p in parts)
        for p in () if undone else parts:
            p.commit(app)
        undone = undone or any(_number(p.table, app) != COMMITTED for p in parts)
    except Error:
        undone = True
    return _ended(store, record, parts if undone else [], app)


def _ended(store: LogStore, record: str, undone: list[Part], app: str) -> bool:
    """Take parts back and remove the record; it is put aside when that cannot be done."""
    try:
        _take_back(undone, app)
    except OperationalError:
        store.put(record.removesuffix(".json") + ".incomplete", store.read(record))
        store.delete(record)
        raise
    return store.delete(record)


def _take_back(parts: Iterable[Part], app: str) -> None:
    """Undo what is committed, and keep the rest from being committed by anybody later."""
    for p in parts:
        number = _number(p.table, app)
        if number == TAKEN_BACK:
            continue
        latest = p.table.latest()
        actions = _inverse(p, latest) if number == COMMITTED else []
        undone = Part(p.table, latest, actions, NOTHING, "UNDO TRANSACTION", {})
        try:
            undone.commit(app, TAKEN_BACK)
        except ConcurrentModificationError as e:
            raise _incomplete(p, str(e)) from None


def _inverse(p: Part, latest: Snapshot) -> list[Action]:
    """The actions that bring back what a part removed and take out what it added."""
    now = _now()
    live, before = latest.state.files, p.base.state.files
    added = [a for a in p.actions if isinstance(a, Add)]
    if any(a.key not in live for a in added):
        raise _incomplete(p, "its rows were changed by others meanwhile")
    actions: list[Action] = [live[a.key].removed(now) for a in added]
    actions += [before[r.key] for r in p.actions if isinstance(r, Remove)]
    ours = [a for a in p.actions if isinstance(a, Metadata)]
    if ours and latest.metadata == ours[-1]:
        actions.append(p.base.metadata)
    return actions


def _incomplete(p: Part, why: str) -> OperationalError:
    return OperationalError(
        f"the transaction is committed in '{p.table.location}' but not in all of its tables, and cannot be taken back "
        f"there: {why}",
        condition="DELTA_TRANSACTION_INCOMPLETE",
        hint=f"DESCRIBE HISTORY shows the commit; RESTORE goes back to version {p.base.version}",
    )


def _number(table: DeltaTable, app: str) -> int | None:
    found = table.latest().txns.get(app)
    return None if found is None else found.version


def _encoded(app: str, parts: Iterable[Part]) -> bytes:
    told = [
        {
            "location": p.table.location,
            "version": p.base.version,
            "operation": p.operation,
            "parameters": dict(p.parameters),
            "blind": p.reads.is_empty,
            "actions": [to_json(a) for a in p.actions],
        }
        for p in parts
    ]
    return json.dumps({"id": app, "tables": told}).encode()


def _decoded(tables: DeltaTables, data: bytes) -> tuple[str, list[Part]]:
    """A record's parts; what was read is not known any more, so it is everything unless nothing was."""
    body = json.loads(data)
    parts = []
    for t in body["tables"]:
        table = tables.open(t["location"])
        actions = parse_commit("\n".join(t["actions"]).encode(), t["location"])
        reads = NOTHING if t["blind"] else WHOLE_TABLE
        base = table.snapshot(int(t["version"]))
        parts.append(Part(table, base, actions, reads, t["operation"], t["parameters"]))
    return str(body["id"]), parts


def _now() -> int:
    return time.time_ns() // 1_000_000
