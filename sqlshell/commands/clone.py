"""CREATE TABLE ... CLONE: a table like another one at a version, with its rows; DEEP copies the files, SHALLOW refers
to them (VACUUM of the source may take them away).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlshell import relations
from sqlshell.commands.table_schema import TableDefinition
from sqlshell.commands.tables import Creation, may_create, place, register, replaced_files
from sqlshell.errors import AnalysisError
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_table import table_version
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.statement_context import StatementContext
from sqlshell.storage.catalog import RELATION
from sqlshell.storage.delta import clone, properties
from sqlshell.storage.delta.actions import DomainMetadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE
from sqlshell.storage.delta.protocol import with_features
from sqlshell.types import BIGINT, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_maintenance import CloneTable
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action

COLUMNS = (
    "source_table_size", "source_num_of_files", "num_removed_files", "num_copied_files", "removed_files_size",
    "copied_files_size",
)  # fmt: skip


def clone_table(session: Session, s: CloneTable) -> Result:
    """CREATE [OR REPLACE] TABLE t [SHALLOW | DEEP] CLONE source [AS OF]."""
    t = s.target
    path = relations.path_table(t.name)
    existing = None
    if path is not None:
        name, there = ("delta", path[0]), relations.has_log(path[0])
    else:
        name = relations.qualify(t.name, session.current_schema, t.name_span)
        relations.require_schema(session, name[0], t.name_span)
        existing = session.catalog.get(RELATION, name)
        there = existing is not None
    if not may_create(t, existing, there=there):
        return command("OK")
    context = StatementContext(session)
    binder = Binder(context)
    binder.text = s.text
    source = relations.target(session, s.source, s.source_span, what="CLONE")
    wanted = None if s.as_of is None else table_version(binder, s.as_of.kind, s.as_of.value)
    old = context.pin(source.table, wanted)
    head = session.catalog.head(RELATION, name) if path is None else None
    table, read, managed = place(session, t, name, existing, context)
    if table.location == source.table.location or (read is not None and not t.replace):
        raise AnalysisError(
            f"there is a table at '{table.location}' already",
            condition="DELTA_PATH_EXISTS",
            span=t.name_span,
            hint="RESTORE TABLE brings back an older version of a table",
        )
    more = properties.checked(t.properties)
    metadata = replace(
        old.metadata, id=str(uuid4()), configuration=old.metadata.configuration | more,
    )  # fmt: skip
    features = properties.features_of(t.properties) | (read.features if read is not None else set())
    protocol = with_features(old.protocol, features)
    files = [clone.shallow(old, a) if s.shallow else clone.deep(old, a, table.location) for a in old.files()]
    removed = replaced_files(read)
    actions: list[Action] = [protocol, metadata, *old.domains.values(), *removed, *files]
    if read is not None:
        actions += [DomainMetadata(d, "", removed=True) for d in read.domains if d not in old.domains]
    size = sum(a.size for a in files)
    copied = (0, 0) if s.shallow else (len(files), size)
    gone = sum(r.size or 0 for r in removed)
    row = (size, len(files), len(removed), copied[0], gone, copied[1])
    names = ("sourceTableSize", "sourceNumOfFiles", "numRemovedFiles", "numCopiedFiles", "removedFilesSize",
             "copiedFilesSize")  # fmt: skip
    creation = Creation(
        name, table, read, TableDefinition(protocol, metadata, old.schema), tuple(actions), "CLONE",
        {"source": source.name, "sourceVersion": old.version, "isShallow": s.shallow},
        external=not managed,
        head=None if existing is not None or path is not None else head.version if head else 0,
    )  # fmt: skip
    commit(
        table, read, actions, "CLONE", creation.parameters,
        reads=WHOLE_TABLE if read is not None else NOTHING, metrics=dict(zip(names, row, strict=True)),
    )  # fmt: skip
    register(session, creation)
    return Result([Field(n, BIGINT, False) for n in COLUMNS], [row])
