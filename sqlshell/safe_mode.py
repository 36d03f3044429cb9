"""Safe mode: what a session may run when its statements come from somebody who is not trusted.

Nothing is taken out; what is listed here is let in. A statement, a plan node, an expression, a file format or a
setting that is added to sqlshell is refused until somebody lists it. Paths are `storage/policy.py`'s.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlshell.errors import SafeModeError
from sqlshell.expr import expr as e
from sqlshell.plan import logical as p
from sqlshell.plan import logical_write as w
from sqlshell.storage import policy
from sqlshell.storage.source import MemorySource, Source
from sqlshell.storage.uri import is_remote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.expr.tree import Node
    from sqlshell.parser.statement import Statement
    from sqlshell.session import Session

READS = frozenset({
    "Query", "SetVariable", "Reset", "UseSchema", "CreateView", "DropView", "Show", "Describe", "Explain", "Summarize",
    "CacheTable", "UncacheTable", "ClearCache", "SetTimeTravel", "ShowModels", "DescribeModel", "DeclareVariables",
    "SetVariables", "DropVariable", "ExecuteImmediate", "CreateFunction", "DropFunction", "ShowSecrets", "ShowTags",
    "ShowBranches", "Script",
})  # fmt: skip
"""Statements that write nothing, or (views: the catalog refuses) only what a policy lets them. The functions are
those written in SQL."""
WRITES = frozenset({
    "CreateTable", "CreateTableLike", "DropTable", "Undrop", "Truncate", "Alter", "CommentOn", "CreateSchema",
    "DropSchema", "CreateModel", "DropModel", "AlterModel", "RefreshModel", "ExportModel", "RestoreModel", "Insert",
    "Delete", "Update", "Merge", "CloneTable", "RestoreTable", "Vacuum", "CreateBranch", "EndBranch", "CreateTag",
    "DropTag", "Optimize", "CopyTo", "CopyInto", "TransactionStep",
    "ConvertToDelta", "Analyze",
})  # fmt: skip
"""Statements that --allow-writes lets in."""
PLANS = frozenset({
    p.Values, p.Scan, p.Project, p.Filter, p.Aggregate, p.Expand, p.Window, p.Sort, p.Limit, p.TopN, p.Join, p.Apply,
    p.Union, p.Generate, p.RecursiveRef, p.RecursiveCte, p.Shared, w.Assert,
})  # fmt: skip
EXPRESSIONS = frozenset({
    p.Named, w.Check, e.Column, e.Literal, e.Value, e.Call, e.Cast, e.And, e.Or, e.In, e.When, e.Case, e.GetField,
    e.LambdaVar, e.Lambda, e.SortKey, e.AggCall, e.WindowCall, e.ScalarSubquery, e.Exists, e.InSubquery,
})  # fmt: skip
FORMATS = frozenset({"parquet", "csv", "json", "text", "binaryfile", "orc", "arrow", "delta"})
SETTINGS = frozenset({
    "sqlshell.safe", "sqlshell.timezone", "sqlshell.deterministic", "sqlshell.timetravel.lenient",
    "sqlshell.deletionvectors", "sqlshell.commit.usermetadata", "sqlshell.write.codec", "sqlshell.write.level",
    "sqlshell.write.rowgrouprows", "sqlshell.write.partitionoverwritemode",
})  # fmt: skip
"""Settings, in lower case, that statements may still change."""

TIMEOUT = 60.0
"""Seconds per statement, where the door names no other limit."""
MAX_ROWS = 100_000
"""Rows of one result, where the door names no other limit."""
MEMORY = 4 * 2**30


def enter(session: Session, allow: Sequence[str] = (), *, writes: bool = False) -> None:
    """Turn safe mode on for a session, for good. A session that is safe already stays as it is."""
    if session.policy is not None:
        return
    from sqlshell.config import total_memory

    warehouse = session.catalog.warehouse
    if writes and not is_remote(warehouse):  # workers are told of folders that are there when they start
        os.makedirs(warehouse, exist_ok=True)
    found = policy.make(allow, warehouse=warehouse, writes=writes)
    session.policy = found.with_scratch(session.engine.store_folders.roots)
    settings = session.settings
    if settings.get("sqlshell.memory_limit") is None:
        settings.set("sqlshell.memory_limit", str(min(MEMORY, total_memory() // 2)))
    settings.set("sqlshell.safe", "true")
    settings.lock(SETTINGS)
    controls = session.controls
    controls.timeout = controls.timeout or TIMEOUT
    controls.max_rows = controls.max_rows or MAX_ROWS
    session.confine_workers(session.policy)


def check_statement(found: policy.Policy, statement: Statement) -> None:
    """Raises SAFE_MODE for statements that are not listed, inside EXPLAIN as well."""
    kind = type(statement).__name__
    if kind in WRITES and not found.writes:
        raise SafeModeError(
            f"safe mode writes nothing: {_words(kind)} is not allowed",
            hint="start with --allow-writes to allow it",
        )
    if kind not in READS and kind not in WRITES:
        raise SafeModeError(f"safe mode does not allow {_words(kind)}")
    if kind == "Explain":
        inner: Any = getattr(statement, "statement", None)
        check_statement(found, inner)


def _words(kind: str) -> str:
    """CreateTable is CREATE TABLE."""
    return "".join(f" {c}" if c.isupper() and i else c for i, c in enumerate(kind)).upper()


def check_plan(found: policy.Policy, plan: p.Plan, *, files: bool) -> None:
    """Raises SAFE_MODE unless a plan is made of nodes, expressions and sources that are listed.

    `files` looks at every file that is going to be read, too: of a bound plan most may still be skipped.
    """
    for node in plan.walk():
        if type(node) is w.Write:
            if not found.writes:
                raise SafeModeError("safe mode writes nothing", hint="start with --allow-writes to allow it")
            found.check(node.spec.location, write=True)
        elif type(node) not in PLANS:
            raise SafeModeError(f"safe mode does not allow {type(node).__name__} in a plan")
        if isinstance(node, p.Scan):
            _check_source(found, node.source, files=files)
        for expression in node.exprs:
            _check_expression(found, expression, files=files)


def _check_expression(found: policy.Policy, expression: Node, *, files: bool) -> None:
    for node in expression.walk():
        if type(node) not in EXPRESSIONS:
            raise SafeModeError(f"safe mode does not allow {type(node).__name__} in an expression")
        if isinstance(node, e.SubqueryExpr):
            check_plan(found, node.plan, files=files)


def _check_source(found: policy.Policy, source: Source | MemorySource, *, files: bool) -> None:
    if type(source) is MemorySource:  # of the session's own making: cached, registered
        return
    if type(source) is not Source or source.format not in FORMATS:
        raise SafeModeError(
            f"safe mode does not allow reading {getattr(source, 'format', type(source).__name__)}"
        )
    for file in source.files if files else ():
        found.check(file.path)
