"""Reflection: SQLAlchemy's questions about tables, answered by the connector's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exc
from sqlalchemy.engine import default, reflection

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONSTRAINT = "delta.constraints."


def _pattern(name: str) -> str:
    """A name as a pattern of the metadata that fits nothing else."""
    return "".join("\\" + c if c in "%_\\" else c for c in name)


class Reflection(default.DefaultDialect):
    """The part of the dialect that reads the catalog. Keys, indexes and sequences are not there to be found."""

    default_schema_name: str | None

    def _default_schema(self, connection: Any) -> str:
        return str(connection.exec_driver_sql("SELECT current_schema()").scalar())

    def _get_default_schema_name(self, connection: Any) -> str:
        return self._default_schema(connection)

    def _rows(self, connection: Any, kind: str, *args: Any) -> list[dict[str, Any]]:
        found = getattr(connection.connection.dbapi_connection, kind)(*args)
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def _tables(
        self, connection: Any, schema: str | None, name: str | None, types: Sequence[str]
    ) -> list[dict[str, Any]]:
        where = _pattern(schema or self.default_schema_name or "default")
        found = self._rows(connection, "tables", None, where, None if name is None else _pattern(name), types)
        return [r for r in found if r["TABLE_SCHEM"] is not None]

    def _views_of_session(self, connection: Any, name: str | None = None) -> list[str]:
        pattern = None if name is None else _pattern(name)
        found = self._rows(connection, "tables", None, None, pattern, ["TEMPORARY VIEW"])
        return [r["TABLE_NAME"] for r in found]

    def _quoted(self, name: str, schema: str | None) -> str:
        quote = self.identifier_preparer.quote_identifier
        return ".".join(quote(p) for p in (schema, name) if p is not None)

    def _existing(self, connection: Any, name: str, schema: str | None) -> None:
        if not self.has_table(connection, name, schema):
            raise exc.NoSuchTableError(name if schema is None else f"{schema}.{name}")

    @reflection.cache
    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        if self._tables(connection, schema, table_name, ["TABLE", "VIEW", "SYSTEM VIEW"]):
            return True
        return schema is None and bool(self._views_of_session(connection, table_name))

    @reflection.cache
    def has_schema(self, connection: Any, schema_name: str, **kw: Any) -> bool:
        return schema_name.lower() in self.get_schema_names(connection)

    @reflection.cache
    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        return [r["TABLE_SCHEM"] for r in self._rows(connection, "schemas")]

    @reflection.cache
    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return [r["TABLE_NAME"] for r in self._tables(connection, schema, None, ["TABLE"])]

    @reflection.cache
    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return [r["TABLE_NAME"] for r in self._tables(connection, schema, None, ["VIEW", "SYSTEM VIEW"])]

    @reflection.cache
    def get_temp_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return self._views_of_session(connection) if schema is None else []

    @reflection.cache
    def get_view_definition(
        self, connection: Any, view_name: str, schema: str | None = None, **kw: Any
    ) -> str:
        where = (schema or self.default_schema_name or "default").lower()
        found = connection.exec_driver_sql(
            "SELECT view_definition FROM information_schema.views WHERE table_schema = ? AND table_name = ?",
            (where, view_name.lower()),
        ).scalar()
        if found is None:
            raise exc.NoSuchTableError(view_name)
        return str(found)

    @reflection.cache
    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        from sqlshell.connect.alchemy.types import to_sqlalchemy
        from sqlshell.types_ddl import parse_type

        where = _pattern(schema or self.default_schema_name or "default")
        rows = self._rows(connection, "columns", None, where, _pattern(table_name))
        rows = [r for r in rows if r["TABLE_SCHEM"] is not None]
        if not rows and schema is None:
            rows = self._rows(connection, "columns", None, None, _pattern(table_name))
            rows = [r for r in rows if r["TABLE_SCHEM"] is None]
        if not rows:
            self._existing(connection, table_name, schema)
        return [
            {
                "name": r["COLUMN_NAME"],
                "type": to_sqlalchemy(parse_type(r["TYPE_NAME"])),
                "nullable": r["IS_NULLABLE"] == "YES",
                "default": r["COLUMN_DEF"],
                "autoincrement": r["IS_AUTOINCREMENT"] == "YES",
                "comment": r["REMARKS"],
            }
            for r in rows
        ]

    @reflection.cache
    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        found = self._tables(connection, schema, table_name, ["TABLE", "VIEW"])
        if not found:
            self._existing(connection, table_name, schema)
        return {"text": found[0]["REMARKS"] if found else None}

    @reflection.cache
    def get_check_constraints(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        self._existing(connection, table_name, schema)
        if not self._tables(connection, schema, table_name, ["TABLE"]):
            return []
        rows = connection.exec_driver_sql(f"SHOW TBLPROPERTIES {self._quoted(table_name, schema)}")
        return [
            {"name": key.removeprefix(_CONSTRAINT), "sqltext": text}
            for key, text in rows
            if key.startswith(_CONSTRAINT)
        ]

    @reflection.cache
    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        self._existing(connection, table_name, schema)
        return {"constrained_columns": [], "name": None}

    def _none(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        self._existing(connection, table_name, schema)
        return []

    get_foreign_keys = get_indexes = get_unique_constraints = _none
