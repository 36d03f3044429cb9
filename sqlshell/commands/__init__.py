"""Statements that are not queries, one module per topic.

`run_command` dispatches on the statement's class; each handler gives a `Result`. Modules load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError

if TYPE_CHECKING:
    from sqlshell.parser.statement import Statement
    from sqlshell.result import Result
    from sqlshell.session import Session

_HANDLERS = {
    "TransactionStep": "transactions.step",
    "SetVariable": "settings.set_variable",
    "Reset": "settings.reset",
    "UseSchema": "schemas.use_schema",
    "CreateView": "views.create_view",
    "DropView": "views.drop_view",
    "CreateTable": "tables.create_table",
    "CreateTableLike": "tables.create_like",
    "DropTable": "tables.drop_table",
    "Undrop": "tables.undrop",
    "Truncate": "tables.truncate",
    "Alter": "alter_table.alter",
    "CommentOn": "schemas.comment_on",
    "CreateSchema": "schemas.create_schema",
    "DropSchema": "schemas.drop_schema",
    "SetTimeTravel": "schemas.set_time_travel",
    "Show": "show.show",
    "Describe": "show.describe",
    "Explain": "explain.explain",
    "CacheTable": "cache.cache",
    "UncacheTable": "cache.uncache",
    "ClearCache": "cache.clear_cache",
    "CreateModel": "models.create_model",
    "DropModel": "models.drop_model",
    "ShowModels": "models.show_models",
    "DescribeModel": "models.describe_model",
    "AlterModel": "models.alter_model",
    "ExportModel": "models.export_model",
    "RefreshModel": "models.refresh_model",
    "RestoreModel": "models.restore_model",
    "DeclareVariables": "variables.declare",
    "SetVariables": "variables.set_variables",
    "DropVariable": "variables.drop",
    "ExecuteImmediate": "variables.execute_immediate",
    "CreateFunction": "functions.create_function",
    "CreatePythonFunction": "functions.create_python_function",
    "DropFunction": "functions.drop_function",
    "CreateSecret": "secrets.create_secret",
    "DropSecret": "secrets.drop_secret",
    "ShowSecrets": "secrets.show_secrets",
    "Summarize": "summarize.summarize",
    "Insert": "dml.insert",
    "Delete": "dml.delete",
    "Update": "dml.update",
    "Merge": "dml.merge",
    "CloneTable": "clone.clone_table",
    "RestoreTable": "restore.restore_table",
    "Vacuum": "vacuum.vacuum",
    "CreateBranch": "branches.create_branch",
    "EndBranch": "branches.end_branch",
    "ShowBranches": "branches.show_branches",
    "CreateTag": "tags.create_tag",
    "DropTag": "tags.drop_tag",
    "ShowTags": "tags.show_tags",
    "Optimize": "optimize.optimize",
    "Script": "scripts.run",
    "CopyTo": "export.copy_to",
    "ConvertToDelta": "convert.convert",
    "Analyze": "analyze.analyze",
    "CopyInto": "copy_into.copy_into",
}


_READS = frozenset({
    "SetVariable", "Reset", "UseSchema", "Show", "Describe", "Explain", "CacheTable", "UncacheTable", "ClearCache",
    "SetTimeTravel", "ShowModels", "DescribeModel", "DeclareVariables", "SetVariables", "DropVariable",
    "ExecuteImmediate", "Summarize", "CreateSecret", "DropSecret", "ShowSecrets", "ShowTags", "ShowBranches",
})  # fmt: skip
"""Statements that a session under SET TIME TRAVEL may run."""


_IN_TRANSACTION = (_READS - {"SetTimeTravel", "CacheTable"}) | {
    "TransactionStep", "Insert", "Delete", "Update", "Merge", "Truncate", "CopyInto", "CopyTo", "Script",
}  # fmt: skip
"""Statements that may stand between BEGIN and COMMIT."""


def run_command(session: Session, statement: Statement) -> Result:
    """Answer one command; raises NotSupportedError for statements we do not have."""
    kind = type(statement).__name__
    if kind not in _HANDLERS:
        raise NotSupportedError(f"{kind} is not supported")
    if session.time_travel is not None and kind not in _READS and not _is_temporary(statement):
        raise NotSupportedError(
            "the session looks back in time: it only reads",
            condition="DELTA_TIME_TRAVEL_READ_ONLY",
            hint="SET TIME TRAVEL OFF brings it back to the present",
        )
    if session.transaction is not None and kind not in _IN_TRANSACTION and not _is_temporary(statement):
        raise NotSupportedError(
            "a transaction changes rows of tables and nothing else",
            condition="UNSUPPORTED_IN_TRANSACTION",
            hint="run this statement before BEGIN or after COMMIT",
        )
    module, function = _HANDLERS[kind].split(".")
    result: Result = getattr(import_module(f"sqlshell.commands.{module}"), function)(session, statement)
    return result


def _is_temporary(statement: Statement) -> bool:
    """Whether a statement only makes a temporary view."""
    return bool(getattr(statement, "temporary", False))
