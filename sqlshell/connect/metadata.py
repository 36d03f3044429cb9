"""What there is: JDBC's DatabaseMetaData as Arrow tables, with JDBC's column names and `%` `_` patterns.

Names are stored in lower case and found in any case. A pattern of None stands for everything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from sqlshell.session import Session

TABLE_TYPES = ("TABLE", "VIEW", "TEMPORARY VIEW", "SYSTEM VIEW")

Row = tuple[Any, ...]


def _names(text: str) -> list[str]:
    return text.split()


_TABLES = _names("""
    TABLE_CAT TABLE_SCHEM TABLE_NAME TABLE_TYPE REMARKS TYPE_CAT TYPE_SCHEM TYPE_NAME SELF_REFERENCING_COL_NAME
    REF_GENERATION
""")
_COLUMNS = _names("""
    TABLE_CAT TABLE_SCHEM TABLE_NAME COLUMN_NAME DATA_TYPE:int TYPE_NAME COLUMN_SIZE:int BUFFER_LENGTH:int
    DECIMAL_DIGITS:int NUM_PREC_RADIX:int NULLABLE:int REMARKS COLUMN_DEF SQL_DATA_TYPE:int
    SQL_DATETIME_SUB:int CHAR_OCTET_LENGTH:int ORDINAL_POSITION:int IS_NULLABLE SCOPE_CATALOG SCOPE_SCHEMA
    SCOPE_TABLE SOURCE_DATA_TYPE:int IS_AUTOINCREMENT IS_GENERATEDCOLUMN
""")
_TYPE_INFO = _names("""
    TYPE_NAME DATA_TYPE:int PRECISION:int LITERAL_PREFIX LITERAL_SUFFIX CREATE_PARAMS NULLABLE:int
    CASE_SENSITIVE:bool SEARCHABLE:int UNSIGNED_ATTRIBUTE:bool FIXED_PREC_SCALE:bool AUTO_INCREMENT:bool
    LOCAL_TYPE_NAME MINIMUM_SCALE:int MAXIMUM_SCALE:int SQL_DATA_TYPE:int SQL_DATETIME_SUB:int
    NUM_PREC_RADIX:int
""")
_FUNCTIONS = _names("FUNCTION_CAT FUNCTION_SCHEM FUNCTION_NAME REMARKS FUNCTION_TYPE:int SPECIFIC_NAME")
"""Columns are text unless their name is followed by `:int` or `:bool`."""


@dataclass(frozen=True)
class Filter:
    """Patterns for catalogs, schemas, tables and columns; types of tables by name."""

    catalog: str | None = None
    schema: str | None = None
    table: str | None = None
    types: Sequence[str] | None = None
    column: str | None = None


@dataclass(frozen=True)
class JdbcType:
    """A type as JDBC describes it: its number in java.sql.Types, precision, digits after the point, radix."""

    number: int
    size: int | None = None
    digits: int | None = None
    radix: int | None = None


def jdbc_type(s: t.SqlType) -> JdbcType:
    """How JDBC sees a type."""
    match s:
        case t.Decimal():
            return JdbcType(3, s.precision, s.scale, 10)
        case t.String():
            return JdbcType(12)
        case t.Array():
            return JdbcType(2003)
        case t.Struct():
            return JdbcType(2002)
        case t.Map():
            return JdbcType(2000)
    simple: dict[type[t.SqlType], JdbcType] = {
        t.Void: JdbcType(0),
        t.Boolean: JdbcType(16, 1),
        t.TinyInt: JdbcType(-6, 3, 0, 10),
        t.SmallInt: JdbcType(5, 5, 0, 10),
        t.Int: JdbcType(4, 10, 0, 10),
        t.BigInt: JdbcType(-5, 19, 0, 10),
        t.Float: JdbcType(6, 24, None, 2),
        t.Double: JdbcType(8, 53, None, 2),
        t.Binary: JdbcType(-2),
        t.Date: JdbcType(91, 10),
        t.Time: JdbcType(92, 15, 6),
        t.Timestamp: JdbcType(2014, 32, 6),
        t.TimestampNtz: JdbcType(93, 26, 6),
    }
    return simple.get(type(s), JdbcType(1111))


class Metadata:
    """The metadata calls of a connection; each gives a pyarrow table."""

    lock: Any

    @property
    def session(self) -> Session:
        raise NotImplementedError

    def catalogs(self) -> pa.Table:
        """TABLE_CAT: the one catalog there is."""
        from sqlshell.storage.catalog import CATALOG_NAME

        return _table(["TABLE_CAT"], [(CATALOG_NAME,)])

    def schemas(self, catalog: str | None = None, schema_pattern: str | None = None) -> pa.Table:
        """TABLE_SCHEM, TABLE_CATALOG."""
        with self.lock:
            found = list(_schemas(self.session, Filter(catalog, schema_pattern)))
        return _table(["TABLE_SCHEM", "TABLE_CATALOG"], [(s, c) for c, s in found])

    def table_types(self) -> pa.Table:
        """TABLE_TYPE: what `tables(types=)` takes."""
        return _table(["TABLE_TYPE"], [(name,) for name in TABLE_TYPES])

    def tables(
        self,
        catalog: str | None = None,
        schema_pattern: str | None = None,
        table_pattern: str | None = None,
        types: Sequence[str] | None = None,
    ) -> pa.Table:
        """Tables and views, temporary ones included (their schema is NULL)."""
        with self.lock:
            rows = list(_tables(self.session, Filter(catalog, schema_pattern, table_pattern, types)))
        return _table(_TABLES, [(*row, None, None, None, None, None) for row in rows])

    def columns(
        self,
        catalog: str | None = None,
        schema_pattern: str | None = None,
        table_pattern: str | None = None,
        column_pattern: str | None = None,
    ) -> pa.Table:
        """The columns of tables and views."""
        wanted = Filter(catalog, schema_pattern, table_pattern, None, column_pattern)
        with self.lock:
            return _table(_COLUMNS, list(_columns(self.session, wanted)))

    def type_info(self) -> pa.Table:
        """The types a column can have."""
        named = [t.BOOLEAN, t.TINYINT, t.SMALLINT, t.INT, t.BIGINT, t.FLOAT, t.DOUBLE, t.Decimal(38, 18), t.STRING,
                 t.BINARY, t.DATE, t.TIME, t.TIMESTAMP, t.TIMESTAMP_NTZ, t.VARIANT]  # fmt: skip
        rows = [_type_row(s) for s in named]
        rows += [
            (name, number, None, None, None, None, 1, False, 0, None, False, False, name, None, None, None, None,
             None) for name, number in (("array", 2003), ("map", 2000), ("struct", 2002))
        ]  # fmt: skip
        return _table(_TYPE_INFO, sorted(rows, key=lambda r: (r[1], r[0])))

    def functions(
        self,
        catalog: str | None = None,
        schema_pattern: str | None = None,
        function_pattern: str | None = None,
    ) -> pa.Table:
        """The functions of SQL, and those of the session. FUNCTION_TYPE is 1, or 2 for those that give a table."""
        from sqlshell.functions.registry import load

        name_fits = _like(function_pattern)
        rows: list[Row] = []
        if catalog is None and schema_pattern in {None, "%"}:
            for name, function in sorted(load().items()):
                if name_fits(name):
                    table = 2 if function.kind == "generator" else 1
                    rows.append((None, None, name, function.doc, table, name))
            for name, own in sorted(self.session.functions.items()):
                if name_fits(name):
                    rows.append((None, None, name, own.comment, 2 if own.table else 1, name))
        return _table(_FUNCTIONS, rows)

    def versions(self, table: str) -> pa.Table:
        """The history of a Delta table, the newest version first: DESCRIBE HISTORY."""
        return self._arrow(f"DESCRIBE HISTORY {table}")

    def models(self, schema: str | None = None, pattern: str | None = None) -> pa.Table:
        """The models of a schema: SHOW MODELS; `pattern` has `%` and `_`."""
        found = self._arrow("SHOW MODELS" + (f" IN {t.quote_name(schema)}" if schema else ""))
        fits = _like(pattern)
        return found.filter([fits(name) for name in found["model"].to_pylist()]) if pattern else found

    def _arrow(self, sql: str) -> pa.Table:
        with self.lock:
            result = self.session.execute(sql)
        try:
            return result.arrow()
        finally:
            result.close()


def nested_objects(connection: Any, depth: str, wanted: Filter) -> pa.Table:
    """The layout of ADBC's GetObjects; lists below `depth` are NULL."""
    import pyarrow as pa

    with connection.lock:
        session = connection.session
        schemas = [] if depth == "catalogs" else list(_schemas(session, wanted))
        tables = list(_tables(session, wanted)) if depth in {"all", "tables", "columns"} else []
        columns = list(_columns(session, wanted)) if depth in {"all", "columns"} else []
    deep = depth in {"all", "columns"}
    by_table: dict[Row, list[dict[str, Any]]] = {}
    for row in columns:
        by_table.setdefault(row[:3], []).append(_nested_column(row))
    by_schema: dict[Row, list[dict[str, Any]]] = {}
    for cat, schema, name, kind, _ in tables:
        item = {"table_name": name, "table_type": kind, "table_constraints": [] if deep else None,
                "table_columns": by_table.get((cat, schema, name), []) if deep else None}  # fmt: skip
        by_schema.setdefault((schema,), []).append(item)
    names: list[str | None] = [s for _, s in schemas]
    names += [s for (s,) in by_schema if s not in names]
    listed = None if depth == "catalogs" else [
        {"db_schema_name": s, "db_schema_tables": None if depth == "db_schemas" else by_schema.get((s,), [])}
        for s in names
    ]  # fmt: skip
    from sqlshell.storage.catalog import CATALOG_NAME

    fits = _like(wanted.catalog)(CATALOG_NAME)
    rows = [{"catalog_name": CATALOG_NAME, "catalog_db_schemas": listed}] if fits else []
    return pa.Table.from_pylist(rows, schema=_objects_schema())


def _nested_column(row: Row) -> dict[str, Any]:
    return {
        "column_name": row[3], "ordinal_position": row[16], "remarks": row[11], "xdbc_data_type": row[4],
        "xdbc_type_name": row[5], "xdbc_column_size": row[6], "xdbc_decimal_digits": row[8],
        "xdbc_num_prec_radix": row[9], "xdbc_nullable": row[10], "xdbc_column_def": row[12],
        "xdbc_sql_data_type": row[13], "xdbc_is_nullable": row[17],
    }  # fmt: skip


def _objects_schema() -> pa.Schema:
    """As adbc.h lays it out."""
    import pyarrow as pa

    text, i16, i32 = pa.string(), pa.int16(), pa.int32()
    column = pa.struct([
        ("column_name", text), ("ordinal_position", i32), ("remarks", text), ("xdbc_data_type", i16),
        ("xdbc_type_name", text), ("xdbc_column_size", i32), ("xdbc_decimal_digits", i16),
        ("xdbc_num_prec_radix", i16), ("xdbc_nullable", i16), ("xdbc_column_def", text),
        ("xdbc_sql_data_type", i16), ("xdbc_datetime_sub", i16), ("xdbc_char_octet_length", i32),
        ("xdbc_is_nullable", text), ("xdbc_scope_catalog", text), ("xdbc_scope_schema", text),
        ("xdbc_scope_table", text), ("xdbc_is_autoincrement", pa.bool_()),
        ("xdbc_is_generatedcolumn", pa.bool_()),
    ])  # fmt: skip
    usage = pa.struct([
        ("fk_catalog", text), ("fk_db_schema", text), ("fk_table", text), ("fk_column_name", text),
    ])  # fmt: skip
    constraint = pa.struct([
        ("constraint_name", text), ("constraint_type", text), ("constraint_column_names", pa.list_(text)),
        ("constraint_column_usage", pa.list_(usage)),
    ])  # fmt: skip
    table = pa.struct([
        ("table_name", text), ("table_type", text), ("table_columns", pa.list_(column)),
        ("table_constraints", pa.list_(constraint)),
    ])  # fmt: skip
    schema = pa.struct([("db_schema_name", text), ("db_schema_tables", pa.list_(table))])
    return pa.schema([("catalog_name", text), ("catalog_db_schemas", pa.list_(schema))])


# -- rows


def _schemas(session: Session, wanted: Filter) -> Iterator[tuple[str, str]]:
    from sqlshell.information_schema import rows_of

    catalog_fits, fits = _like(wanted.catalog), _like(wanted.schema)
    for catalog, name, *_ in rows_of(session, ("information_schema", "schemata"), None).rows:
        if catalog_fits(catalog) and fits(name):
            yield catalog, name


def _tables(session: Session, wanted: Filter) -> Iterator[Row]:
    """(catalog, schema, name, type, remarks)."""
    from sqlshell.information_schema import rows_of
    from sqlshell.relations import INFORMATION_SCHEMA

    for row in rows_of(session, ("information_schema", "tables"), None).rows:
        catalog, schema, name, kind, comment = *row[:4], row[6]
        shown = "SYSTEM VIEW" if schema == INFORMATION_SCHEMA else "VIEW" if kind == "VIEW" else "TABLE"
        if _wanted(wanted, catalog, schema, name, shown):
            yield catalog, schema, name, shown, comment
    if wanted.schema in {None, "", "%"}:
        for name in sorted(session.views):
            if _like(wanted.table)(name) and (not wanted.types or "TEMPORARY VIEW" in wanted.types):
                yield None, None, name, "TEMPORARY VIEW", None


def _wanted(wanted: Filter, catalog: str, schema: str, name: str, kind: str) -> bool:
    if wanted.types and kind not in wanted.types:
        return False
    return _like(wanted.catalog)(catalog) and _like(wanted.schema)(schema) and _like(wanted.table)(name)


def _columns(session: Session, wanted: Filter) -> Iterator[Row]:
    from sqlshell.connect.prepared import describe
    from sqlshell.errors import Error
    from sqlshell.information_schema import rows_of
    from sqlshell.types_ddl import parse_type

    fits = _like(wanted.column)
    for row in rows_of(session, ("information_schema", "columns"), None).rows:
        catalog, schema, table, name, position, default, nullable, _, kind, comment = row
        if _wanted(wanted, catalog, schema, table, "") and fits(name):
            yield _column((catalog, schema, table), t.Field(name, parse_type(kind), nullable), position,
                          default, comment)  # fmt: skip
    if wanted.schema not in {None, "", "%"}:
        return
    for view in sorted(session.views):
        if not _like(wanted.table)(view):
            continue
        try:
            fields = describe(session, f"SELECT * FROM {'.'.join(map(t.quote_name, view.split('.')))}") or ()
        except Error:
            continue  # a view whose file is gone has no columns
        for position, field in enumerate(fields, 1):
            if fits(field.name):
                yield _column((None, None, view), field, position, None, None)


def _column(table: Row, field: t.Field, position: int, default: str | None, comment: str | None) -> Row:
    info = jdbc_type(field.type)
    return (
        *table, field.name, info.number, str(field.type), info.size, None, info.digits, info.radix,
        int(field.nullable), comment, default, None, None, None, position, "YES" if field.nullable else "NO", None,
        None, None, None, "NO", "NO",
    )  # fmt: skip


def _type_row(s: t.SqlType) -> Row:
    info = jdbc_type(s)
    quoted = isinstance(s, t.String)
    prefix, suffix = ("'", "'") if quoted else ("X'", "'") if isinstance(s, t.Binary) else (None, None)
    if isinstance(s, t.Temporal):
        prefix, suffix = f"{str(s).upper()} '", "'"
    decimal = isinstance(s, t.Decimal)
    scales = (0, 38) if decimal else (info.digits, info.digits)
    name = str(s).partition("(")[0]
    number = isinstance(s, t.Numeric)
    return (
        name, info.number, info.size, prefix, suffix, "precision,scale" if decimal else None, 1, quoted, 3,
        False if number else None, False, False, name, *scales, None, None, info.radix,
    )  # fmt: skip


def _like(pattern: str | None) -> Callable[[str], bool]:
    """A test of names against `%`, `_` and `\\` escapes, in any case."""
    if pattern is None:
        return lambda _: True
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    special = {"%": ".*", "_": "."}
    text = "".join(special.get(p) or re.escape(p[-1]) for p in parts)
    compiled = re.compile(text, re.IGNORECASE | re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _table(columns: Sequence[str], rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    kinds = {"": pa.string(), "int": pa.int32(), "bool": pa.bool_()}
    fields = [pa.field(name, kinds[kind]) for name, _, kind in (c.partition(":") for c in columns)]
    arrays = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(fields)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
