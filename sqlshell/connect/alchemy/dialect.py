"""What SQLAlchemy's engine needs to know of the connector."""

from __future__ import annotations

from typing import Any

from sqlalchemy import pool
from sqlalchemy.engine import default

from sqlshell.connect.alchemy.compiler import (
    SqlshellCompiler,
    SqlshellDdlCompiler,
    SqlshellIdentifierPreparer,
    SqlshellTypeCompiler,
)
from sqlshell.connect.alchemy.reflection import Reflection


class SqlshellDialect(Reflection, default.DefaultDialect):
    """`sqlshell:///warehouse?workers=8`: the URLs of `sqlshell.connect`.

    An engine holds one session that its threads share: views, settings and cached tables are the engine's.
    Every statement is committed by itself; a rollback undoes nothing, but for a transaction that was begun by
    executing BEGIN TRANSACTION.
    """

    name = "sqlshell"
    driver = "sqlshell"
    statement_compiler = SqlshellCompiler
    ddl_compiler = SqlshellDdlCompiler
    type_compiler_cls = SqlshellTypeCompiler
    preparer: Any = SqlshellIdentifierPreparer
    default_paramstyle = "qmark"
    max_identifier_length = 255
    supports_statement_cache = True
    supports_native_decimal = True
    supports_native_boolean = True
    supports_native_enum = False
    supports_native_uuid = False
    supports_multivalues_insert = True
    supports_default_values = False
    supports_empty_insert = False
    supports_is_distinct_from = True
    supports_comments = True
    inline_comments = True
    supports_identity_columns = True
    supports_alter = False
    supports_sane_multi_rowcount = False
    postfetch_lastrowid = False
    tuple_in_values = False
    use_insertmanyvalues = False
    default_schema_name = "default"

    @classmethod
    def import_dbapi(cls) -> Any:
        import sqlshell

        return sqlshell

    @classmethod
    def get_pool_class(cls, url: Any) -> type[pool.Pool]:
        """One connection for all: each has a session and workers of its own, and threads may share it."""
        return pool.StaticPool

    def create_connect_args(self, url: Any) -> Any:
        from sqlshell.connect.url import parse_url

        return [], parse_url(url.render_as_string(hide_password=False))

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        return ["AUTOCOMMIT"]

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        return "AUTOCOMMIT"

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        return "AUTOCOMMIT"

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Nothing to do: there is one level."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Ends a transaction that BEGIN TRANSACTION began; without one what statements did is committed.
        SQLAlchemy calls this for every connection it is done with."""
        if not dbapi_connection.autocommit:
            dbapi_connection.rollback()

    def do_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        if statement:  # an index is nothing to run
            cursor.execute(statement, list(parameters) or None)

    def do_execute_no_params(self, cursor: Any, statement: Any, context: Any = None) -> None:
        if statement:
            cursor.execute(statement)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return connection is not None and bool(connection.closed)
