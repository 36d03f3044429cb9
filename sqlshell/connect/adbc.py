"""The names that ADBC gives to Arrow results, bulk loading and metadata, for cursors and connections."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from sqlshell.errors import InterfaceError, NotSupportedError, ProgrammingError
from sqlshell.types import quote_name

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlshell.connect.cursor import Cursor
    from sqlshell.connect.dbapi import Connection
    from sqlshell.result import Result

Mode = Literal["create", "append", "replace", "create_append"]


class AdbcCursor:
    """What an ADBC cursor has beyond PEP 249."""

    connection: Connection

    def _need_rows(self) -> Result:
        raise NotImplementedError

    def fetch_arrow_table(self) -> pa.Table:
        """All rows of the result as an Arrow table."""
        return self._need_rows().arrow()

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """The rows as a stream of record batches; the first are there before the query ends."""
        import pyarrow as pa

        result = self._need_rows()
        return pa.RecordBatchReader.from_batches(result.arrow_schema(), result.batches())

    def fetch_arrow(self) -> pa.RecordBatchReader:
        """As `fetch_record_batch`: something with `__arrow_c_stream__`."""
        return self.fetch_record_batch()

    def fetch_df(self) -> Any:
        """All rows as a pandas frame."""
        return self.fetch_arrow_table().to_pandas()

    def fetch_polars(self) -> Any:
        """All rows as a Polars frame."""
        # By name: our own process has no other use for the kernels, which live in the workers.
        return import_module("polars").from_arrow(self.fetch_arrow_table())

    def adbc_cancel(self) -> None:
        """Stop the connection's running statement, from any thread."""
        self.connection.cancel()

    def adbc_prepare(self, operation: str) -> pa.Schema | None:
        """The statement's parameters, each of type null as nothing is known of it."""
        return self.connection.prepare(operation).parameters

    def adbc_execute_schema(self, operation: str, parameters: Any = None) -> pa.Schema:
        """The schema of a query's rows, without running it."""
        prepared = self.connection.prepare(operation, parameters)
        if prepared.schema is None:
            raise ProgrammingError("the statement gives no rows")
        return prepared.schema

    def adbc_ingest(
        self,
        table_name: str,
        data: Any,
        mode: Mode = "create",
        *,
        catalog_name: str | None = None,
        db_schema_name: str | None = None,
        temporary: bool = False,
    ) -> int:
        """Write Arrow data (or a pandas or Polars frame) to a table; gives the number of rows."""
        if temporary:
            raise NotSupportedError("there are no temporary tables", hint="connection.register(name, data)")
        if mode not in {"create", "append", "replace", "create_append"}:
            raise InterfaceError(f"adbc_ingest has no mode '{mode}'")
        parts = [p for p in (catalog_name, db_schema_name, table_name) if p]
        target = ".".join(map(quote_name, parts))
        con = self.connection
        with con.registered(data) as view:
            if mode == "create_append":
                con.run(f"CREATE TABLE IF NOT EXISTS {target} AS SELECT * FROM {view} WHERE false")
            if mode in {"append", "create_append"}:
                return con.run(f"INSERT INTO {target} BY NAME SELECT * FROM {view}").affected or 0
            head = "CREATE OR REPLACE TABLE" if mode == "replace" else "CREATE TABLE"
            return con.run(f"{head} {target} AS SELECT * FROM {view}").affected or 0


class AdbcConnection:
    """What an ADBC connection has beyond PEP 249."""

    def cursor(self) -> Cursor:
        raise NotImplementedError

    def adbc_get_info(self) -> dict[str, Any]:
        """Names and versions of the engine and of this driver."""
        from sqlshell.version import __version__

        return {
            "vendor_name": "sqlshell",
            "vendor_version": __version__,
            "driver_name": "sqlshell.connect",
            "driver_version": __version__,
            "driver_arrow_version": import_module("pyarrow").__version__,
            "vendor_sql": True,
        }

    def adbc_get_table_types(self) -> list[str]:
        """The kinds of tables."""
        from sqlshell.connect.metadata import TABLE_TYPES

        return list(TABLE_TYPES)

    def adbc_get_table_schema(
        self,
        table_name: str,
        *,
        catalog_filter: str | None = None,
        db_schema_filter: str | None = None,
    ) -> pa.Schema:
        """The Arrow schema of a table or view."""
        parts = [p for p in (catalog_filter, db_schema_filter, table_name) if p]
        with self.cursor() as cursor:
            return cursor.adbc_execute_schema(f"SELECT * FROM {'.'.join(map(quote_name, parts))}")

    def adbc_get_objects(
        self,
        *,
        depth: Literal["all", "catalogs", "db_schemas", "tables", "columns"] = "all",
        catalog_filter: str | None = None,
        db_schema_filter: str | None = None,
        table_name_filter: str | None = None,
        table_types_filter: list[str] | None = None,
        column_name_filter: str | None = None,
    ) -> pa.RecordBatchReader:
        """Catalogs, schemas, tables and columns, nested in each other as ADBC lays them out."""
        from sqlshell.connect.metadata import Filter, nested_objects

        wanted = Filter(
            catalog_filter, db_schema_filter, table_name_filter, table_types_filter, column_name_filter
        )
        return nested_objects(self, depth, wanted).to_reader()
