"""Parsers of our own for the statements that are not queries; what we do not run is refused by its name.

A statement's first word picks the parser, or the first word and the object it names ("CREATE TABLE", whatever
modifiers stand between); its module loads when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, did_you_mean
from sqlshell.parser.cursor import Cursor
from sqlshell.parser.dialect import words
from sqlshell.parser.parse import insert_after_with, is_query, parse_query, syntax_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.parser.statement import Statement

_NOT_RUN = words("""
    ADD ALTER CALL CLONE DFS EXPORT
    FSCK GRANT IMPORT LIST LOAD LOCK MAP MSCK REDUCE REFRESH REPAIR REPLACE
    REVOKE UNLOCK
""")
_MODIFIERS = words("OR REPLACE GLOBAL TEMPORARY TEMP EXTERNAL")
_HEADS = {
    "ALTER MODEL": "models.alter",
    "CREATE MODEL": "models.create",
    "DESC MODEL": "models.describe",
    "DESCRIBE MODEL": "models.describe",
    "DROP MODEL": "models.drop",
    "EXPORT MODEL": "models.export",
    "REFRESH MODEL": "models.refresh",
    "RESTORE MODEL": "models.restore",
    "SHOW MODELS": "models.show_models",
    "CREATE SECRET": "secrets.create",
    "CREATE PERSISTENT": "secrets.persistent",
    "DROP SECRET": "secrets.drop",
    "SHOW SECRETS": "secrets.show",
    "EXPLAIN": "explain.explain",
    "CREATE": "views.create",
    "CREATE TABLE": "tables.create",
    "CREATE SCHEMA": "schemas.create",
    "CREATE DATABASE": "schemas.create",
    "CREATE NAMESPACE": "schemas.create",
    "REPLACE TABLE": "tables.replace",
    "ALTER TABLE": "alter.alter_table",
    "ALTER VIEW": "alter.alter_view",
    "DROP": "views.drop",
    "DROP TABLE": "tables.drop",
    "DROP SCHEMA": "schemas.drop",
    "DROP DATABASE": "schemas.drop",
    "DROP NAMESPACE": "schemas.drop",
    "UNDROP": "tables.undrop",
    "TRUNCATE": "tables.truncate",
    "COMMENT": "tables.comment",
    "CREATE FUNCTION": "functions.create",
    "CREATE AGGREGATE": "functions.create",
    "CREATE TAG": "tags.create",
    "DROP TAG": "tags.drop",
    "SHOW TAGS": "tags.show",
    "CREATE BRANCH": "tags.create_branch",
    "DROP BRANCH": "tags.drop_branch",
    "PUBLISH": "tags.publish",
    "SHOW BRANCHES": "tags.show_branches",
    "BEGIN": "scripts.begin",
    "START": "transactions.start",
    "COMMIT": "transactions.commit",
    "ROLLBACK": "transactions.rollback",
    "DECLARE": "variables.declare",
    "DROP FUNCTION": "functions.drop",
    "DROP VARIABLE": "variables.drop",
    "EXECUTE": "variables.execute",
    "SHOW": "show.show",
    "DESCRIBE": "show.describe",
    "DESC": "show.describe",
    "SET": "settings.set_variable",
    "RESET": "settings.reset",
    "CACHE": "cache.cache",
    "UNCACHE": "cache.uncache",
    "CLEAR": "cache.clear",
    "USE": "settings.use",
    "SUMMARIZE": "summarize.summarize",
    "INSERT": "dml.insert",
    "DELETE": "dml.delete",
    "UPDATE": "dml.update",
    "MERGE": "dml.merge",
    "COPY": "export.copy",
    "CONVERT": "convert.convert",
    "ANALYZE": "convert.analyze",
    "RESTORE": "maintenance.restore",
    "VACUUM": "maintenance.vacuum",
    "OPTIMIZE": "maintenance.optimize",
    "REORG": "maintenance.reorg",
    "DIFF": "maintenance.diff",
}


def parse_head(tokens: Sequence[Token], text: str) -> Statement:
    """A statement from its raw tokens: a query, or one of the heads below."""
    at = insert_after_with(tokens)
    if at is not None:
        from sqlshell.parser.heads.dml import insert

        cursor = Cursor(tokens, text)
        cursor.at = at + 1
        return insert(cursor, tokens[:at])
    if is_query(tokens):
        return parse_query(tokens, text)
    cursor = Cursor(tokens, text)
    word = cursor.peek()
    parser = _HEADS.get(f"{word} {_object(cursor)}") or _HEADS.get(word)
    if parser is not None:
        cursor.at = 1
        module, function = parser.split(".")
        found: Callable[[Cursor], Statement] = getattr(import_module(f"{__name__}.{module}"), function)
        return found(cursor)
    if word in _NOT_RUN:
        raise NotSupportedError(
            f"the statement {_statement_name(cursor)} is not supported",
            span=(tokens[0].start, tokens[0].end + 1),
        )
    hint = (
        did_you_mean(word, [*(h.split()[0] for h in _HEADS), "SELECT", "WITH", "VALUES"], 1) if word else None
    )
    raise syntax_error(tokens[0], text, hint)


def _object(cursor: Cursor) -> str:
    """The word after the first one that is no modifier: the kind of object that CREATE, DROP ... name."""
    at = 1
    while cursor.peek(at) in _MODIFIERS:
        at += 1
    return cursor.peek(at)


def _statement_name(cursor: Cursor) -> str:
    """The statement's first words, enough to name it (`ALTER TABLE`, `INSERT INTO`)."""
    words = [cursor.peek()]
    for offset in (1, 2):
        word = cursor.peek(offset)
        following = {
            "TABLE",
            "INTO",
            "OVERWRITE",
            "VIEW",
            "MODEL",
            "FUNCTION",
            "SCHEMA",
            "DATABASE",
            "FROM",
            "CACHE",
        }
        if word not in following and word not in ("TEMPORARY", "MATERIALIZED"):
            break
        words.append(word)
        if word in following:
            break
    return " ".join(words)
