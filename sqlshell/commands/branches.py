"""Branches: write, audit, publish.

A branch is a Delta table of its own in a folder of the table, which begins as a shallow clone of one of its versions:
every statement works on `t.branch_x`, and nobody who reads `t` sees it. PUBLISH puts the difference between the
branch's first and last version onto the table as one commit, under the rules for conflicts that any statement has.

Files that the branch wrote get a second name (a hard link) in the table's folder, so that dropping the branch does
not take them away. While a branch is published it is closed by a property, so that no write to it can be lost; the
commit carries the branch's folder as application id: publishing again after a crash does nothing twice.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlshell import relations
from sqlshell.errors import ConcurrentModificationError, Error
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_table import table_version
from sqlshell.records import replace
from sqlshell.relations import CLOSED
from sqlshell.result import Result, command
from sqlshell.statement_context import StatementContext
from sqlshell.storage import object_files
from sqlshell.storage.delta.actions import Add, Remove
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE
from sqlshell.storage.delta.deletion_vectors import file_of
from sqlshell.storage.delta.source import absolute_path
from sqlshell.storage.tags import table_branches
from sqlshell.types import BIGINT, STRING, TIMESTAMP, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_maintenance import CreateBranch, EndBranch, ShowBranches
    from sqlshell.relations import Target
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.conflicts import ReadSet
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.tags import Tag, TagFolder

_FIELDS = (
    Field("branch", STRING, False), Field("table", STRING, False), Field("version", BIGINT, False),
    Field("created", TIMESTAMP, False), Field("user", STRING), Field("comment", STRING),
)  # fmt: skip


def create_branch(session: Session, s: CreateBranch) -> Result:
    """CREATE BRANCH: a shallow clone that nobody sees but by its name."""
    target = relations.target(session, s.table, s.table_span, what="CREATE BRANCH")
    branches = table_branches(target.table.location)
    context = StatementContext(session)
    wanted = None
    if s.as_of is not None:
        binder = Binder(context)
        binder.text = s.text
        wanted = table_version(binder, s.as_of.kind, s.as_of.value)
    try:
        base = context.pin(target.table, wanted)
    except Error as e:
        e.span = e.span or s.table_span
        raise
    folder = f"_{token_hex(8)}"
    table = session.tables.open(os.path.join(branches.home, folder))
    payload = {"version": base.version, "folder": folder, "user": context.current_user, "comment": s.comment}
    # The name comes first: it holds the version before the clone is made.
    branch = branches.put(s.branch, payload, replace=False, span=s.branch_span)
    try:
        parameters = {"branch": branch.name, "source": target.name, "sourceVersion": base.version}
        commit(table, None, _cloned(base), "CREATE BRANCH", parameters)
    except BaseException:
        branches.drop(s.branch)
        object_files.remove_tree(table.location)
        raise
    return Result(_FIELDS, [_row(branch, target.name)])


def show_branches(session: Session, s: ShowBranches) -> Result:
    """SHOW BRANCHES: those that are neither published nor dropped; `version` is what they began with."""
    target = relations.target(session, s.table, s.table_span, what="SHOW BRANCHES")
    return Result(_FIELDS, [_row(b, target.name) for b in table_branches(target.table.location).all()])


def end_branch(session: Session, s: EndBranch) -> Result:
    """PUBLISH BRANCH, DROP BRANCH."""
    target = relations.target(session, s.table, s.table_span, what="A branch")
    branches = table_branches(target.table.location)
    if s.if_exists and branches.get(s.branch) is None:
        return command("OK")
    branch = branches.require(s.branch, s.branch_span)
    if not s.publish:
        _remove(branches, branch)
        return command("OK")
    return _publish(session, target, branches, branch)


def _publish(session: Session, target: Target, branches: TagFolder, branch: Tag) -> Result:
    table = session.tables.open(os.path.join(branches.home, branch.payload["folder"]))
    main, base = target.table, target.table.snapshot(int(branch.payload["version"]))
    app_id = (f"sqlshell-branch-{branch.payload['folder']}", 1)
    first, last = table.snapshot(0), table.latest()
    done = main.latest().txns.get(app_id[0]) is not None
    version = main.latest().version
    # Nothing is committed for a branch that did nothing, nor for one whose publication only lacked its end.
    if not done and (first.state.files != last.state.files or _metadata(last) != _metadata(first)):
        last = _close(table)
        linked: list[str] = []
        try:
            actions, reads = _difference(main, base, table, first, last, linked)
            parameters = {"branch": branch.name, "sourceVersion": base.version, "branchVersion": last.version}
            version = commit(
                main, base, actions, "PUBLISH BRANCH", parameters, reads=reads, app_id=app_id,
                undo=lambda: _unlink(linked),
            )  # fmt: skip
        except Error as e:
            _reopen(table)
            if isinstance(e, ConcurrentModificationError):
                e.hint = "the branch is as it was: drop it, and do its work again on a new one"
            raise
    _remove(branches, branch)
    return Result([Field("version", BIGINT, False)], [(version,)])


def _difference(
    main: DeltaTable, base: Snapshot, table: DeltaTable, first: Snapshot, last: Snapshot, linked: list[str]
) -> tuple[list[Action], ReadSet]:
    """What the branch did, as actions of the table; `linked` gets the files it brings."""
    commits = [table.commit_actions(v) for v in range(1, last.version + 1)]
    changes = any(a.data_change for c in commits for a in c if isinstance(a, Add | Remove))
    old = {absolute_path(main.location, a.path): a for a in base.files()}
    before, after = first.state.files, last.state.files
    now = time.time_ns() // 1_000_000
    actions: list[Action] = []
    for key, a in before.items():
        if key not in after:
            removed = old[absolute_path(table.location, a.path)].removed(now)
            actions.append(replace(removed, data_change=changes))
    blind = not actions
    for key, a in after.items():
        if key not in before:
            actions.append(replace(_adopted(main, table, old, a, linked), data_change=changes))
    actions += [t for app, t in last.txns.items() if first.txns.get(app) != t]
    actions += [d for name, d in last.domains.items() if first.domains.get(name) != d]
    if _metadata(last) != _metadata(first):
        actions.append(replace(_metadata(last), id=base.metadata.id))
        blind = False
    if last.protocol != first.protocol:
        actions.append(last.protocol)
        blind = False
    for v in range(1, last.version + 1):
        info = table.commit_info(v)
        blind = blind and info is not None and (info.is_blind_append or info.operation == "CLOSE BRANCH")
    return actions, NOTHING if blind else WHOLE_TABLE


def _adopted(main: DeltaTable, table: DeltaTable, old: dict[str, Add], add: Add, linked: list[str]) -> Add:
    """A file of the branch as one of the table."""
    place = absolute_path(table.location, add.path)
    known = old.get(place)
    vector = add.deletion_vector
    if vector is not None and vector.storage_type == "u":
        _link(file_of(table.location, vector), table.location, main.location, linked)
    elif vector is not None and known is not None and known.deletion_vector is not None:
        same = vector.storage_type == "p" and known.deletion_vector.storage_type == "u"
        if same and file_of(main.location, known.deletion_vector) == file_of(table.location, vector):
            vector = known.deletion_vector
    if known is not None:
        return replace(add, path=known.path, deletion_vector=vector)
    _link(place, table.location, main.location, linked)
    return replace(add, deletion_vector=vector)


def _link(source: str, home: str, new_home: str, linked: list[str]) -> None:
    """The same file at the same place below another folder; it may be there from an attempt before."""
    made = os.path.join(new_home, os.path.relpath(source, home))
    if object_files.copy(source, made):
        linked.append(made)


def _unlink(paths: list[str]) -> None:
    for path in paths:
        object_files.discard(path)


def _close(table: DeltaTable) -> Snapshot:
    """Say in the branch's log that it ends here; whoever writes to it meanwhile loses the race and hears it."""
    while True:
        last = table.latest()
        if CLOSED in last.metadata.configuration:
            return last
        closed = replace(last.metadata, configuration=last.metadata.configuration | {CLOSED: "true"})
        with contextlib.suppress(ConcurrentModificationError):  # a write came first: it is published, too
            commit(table, last, [closed], "CLOSE BRANCH", {}, reads=WHOLE_TABLE)


def _reopen(table: DeltaTable) -> None:
    last = table.latest()
    commit(table, last, [_metadata(last)], "CLOSE BRANCH", {"closed": "false"}, reads=WHOLE_TABLE)


def _metadata(snapshot: Snapshot) -> Any:
    """The metadata without the mark of a closed branch."""
    settings = {k: v for k, v in snapshot.metadata.configuration.items() if k != CLOSED}
    return replace(snapshot.metadata, configuration=settings)


def _remove(branches: TagFolder, branch: Tag) -> None:
    branches.drop(branch.name)
    object_files.remove_tree(os.path.join(branches.home, branch.payload["folder"]))


def _cloned(base: Snapshot) -> list[Action]:
    """The actions that make a table of the same files, by their absolute paths."""
    return [
        base.protocol, base.metadata, *base.txns.values(), *base.domains.values(),
        *(_absolute(base.location, a) for a in base.files()),
    ]  # fmt: skip


def _absolute(location: str, add: Add) -> Add:
    vector = add.deletion_vector
    if vector is not None and vector.storage_type == "u":
        vector = replace(vector, storage_type="p", path_or_inline=quote(file_of(location, vector)))
    return replace(add, path=quote(absolute_path(location, add.path)), deletion_vector=vector)


def _row(branch: Tag, table: str) -> tuple[Any, ...]:
    created = datetime.fromtimestamp(branch.created_ms / 1000, UTC).replace(tzinfo=None)
    p = branch.payload
    return branch.name, table, p["version"], created, p.get("user"), p.get("comment")
