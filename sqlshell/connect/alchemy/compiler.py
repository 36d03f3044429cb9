"""SQLAlchemy's expressions, statements and types as Spark SQL."""

# ruff: noqa: N802, N815 - SQLAlchemy names its hooks after types

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, exc
from sqlalchemy.sql import compiler, sqltypes

from sqlshell.types import MAX_PRECISION

_SCALE = 18
"""Digits after the point of a Numeric without precision, as Spark gives Python's decimals."""

_NOT_PARQUET = frozenset(" ,;{}()\n\t=")
"""Characters that Delta allows in column names only with column mapping."""


class SqlshellCompiler(compiler.SQLCompiler):
    """Queries and changes."""

    def visit_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like("ILIKE", binary, **kw)

    def visit_not_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like("NOT ILIKE", binary, **kw)

    def _like(self, word: str, binary: Any, **kw: Any) -> str:
        escape = binary.modifiers.get("escape")
        return f"{self.process(binary.left, **kw)} {word} {self.process(binary.right, **kw)}" + (
            f" ESCAPE {self.render_literal_value(escape, sqltypes.STRINGTYPE)}" if escape is not None else ""
        )

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)} RLIKE {self._pattern(binary, **kw)}"

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)} NOT RLIKE {self._pattern(binary, **kw)}"

    def visit_regexp_replace_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        given = self.process(binary.right.clauses[1], **kw)
        return f"regexp_replace({self.process(binary.left, **kw)}, {self._pattern(binary, **kw)}, {given})"

    def _pattern(self, binary: Any, **kw: Any) -> str:
        """The pattern with its flags before it: `(?i)...`."""
        pattern = binary.right.clauses[0] if binary.operator.__name__ == "regexp_replace_op" else binary.right
        text = self.process(pattern, **kw)
        flags = binary.modifiers.get("flags")
        return f"'(?{flags})' || {text}" if flags else text

    def visit_bitwise_xor_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)} ^ {self.process(binary.right, **kw)}"

    def visit_mod_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)} % {self.process(binary.right, **kw)}"

    def visit_truediv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)} / {self.process(binary.right, **kw)}"

    def visit_floordiv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        divided = f"{self.process(binary.left, **kw)} / {self.process(binary.right, **kw)}"
        return f"floor({divided})"

    def visit_now_func(self, fn: Any, **kw: Any) -> str:
        return "current_timestamp()"

    def visit_char_length_func(self, fn: Any, **kw: Any) -> str:
        return f"length{self.function_argspec(fn, **kw)}"

    def visit_aggregate_strings_func(self, fn: Any, **kw: Any) -> str:
        return f"string_agg{self.function_argspec(fn, **kw)}"

    def visit_empty_set_expr(self, element_types: Any, **kw: Any) -> str:
        nulls = ", ".join(
            f"CAST(NULL AS {self.dialect.type_compiler_instance.process(t)})"
            if not isinstance(t, sqltypes.NullType)
            else "NULL"
            for t in element_types or [sqltypes.INTEGER()]
        )
        return f"SELECT {nulls} WHERE 1 != 1"

    def render_literal_value(self, value: Any, type_: Any) -> str:
        """A literal; backslashes in texts are escapes in Spark SQL."""
        if isinstance(type_, sqltypes.ARRAY) and value is not None:
            deeper = (type_.dimensions or 1) - 1
            inner = ARRAY(type_.item_type, dimensions=deeper) if deeper else type_.item_type
            return f"array({', '.join(self.render_literal_value(v, inner) for v in value)})"
        text = super().render_literal_value(value, type_)
        if not text.startswith("'"):
            return text
        kind = {sqltypes.Date: "DATE", sqltypes.DateTime: "TIMESTAMP_NTZ"}.get(type_._type_affinity, "")
        if kind == "TIMESTAMP_NTZ" and getattr(type_, "timezone", False):
            kind = "TIMESTAMP"
        return kind + text.replace("\\", "\\\\")

    def limit_clause(self, select: Any, **kw: Any) -> str:
        text = ""
        if select._limit_clause is not None:
            text += "\n LIMIT " + self.process(select._limit_clause, **kw)
        if select._offset_clause is not None:
            text += "\n OFFSET " + self.process(select._offset_clause, **kw)
        return text

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        """Nothing: a statement reads one version of each table, and nothing can be locked."""
        return ""

    def visit_getitem_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"{self.process(binary.left, **kw)}[{self.process(binary.right, **kw)}]"


class SqlshellDdlCompiler(compiler.DDLCompiler):
    """Tables, views and schemas.

    Keys and indexes speed nothing up and are checked nowhere, so primary and foreign keys are left out, and an
    index is an empty statement that the dialect does not send. A UNIQUE that nobody would enforce is refused.
    """

    def get_column_specification(self, column: Any, **kw: Any) -> str:
        identity = column.identity is not None or (
            column.table is not None and column is column.table._autoincrement_column
        )
        kind = self.dialect.type_compiler_instance.process(column.type, type_expression=column)
        # Delta's identity columns are bigint
        text = f"{self.preparer.format_column(column)} {'BIGINT' if identity else kind}"
        if column.computed is not None:
            text += " " + self.process(column.computed)
        elif identity:
            given = None if column.identity is None else self.process(column.identity)
            text += " " + (given or "GENERATED BY DEFAULT AS IDENTITY")
        default = self.get_column_default_string(column)
        if default is not None and column.computed is None and not identity:
            # server_default="0" of a number: Spark has no string there
            plain = column.type._type_affinity is sqltypes.String or not default.startswith("'")
            text += f" DEFAULT {default}" if plain else f" DEFAULT CAST({default} AS {kind})"
        if not column.nullable:
            text += " NOT NULL"
        if column.comment is not None:
            text += " COMMENT " + self._text(column.comment)
        return text

    def _text(self, value: str) -> str:
        return self.sql_compiler.render_literal_value(value, sqltypes.String())

    def get_identity_options(self, identity_options: Any) -> str:
        for name in ("minvalue", "maxvalue", "cycle", "cache"):
            if getattr(identity_options, name):
                raise exc.CompileError(f"identity columns take start and increment, not {name}")
        start, step = identity_options.start, identity_options.increment
        words = [f"START WITH {start}"] if start is not None else []
        return " ".join(words + ([f"INCREMENT BY {step}"] if step is not None else []))

    def visit_computed_column(self, generated: Any, **kw: Any) -> str:
        if generated.persisted is False:
            raise exc.CompileError("sqlshell stores generated columns; persisted=False is not there")
        sql = self.sql_compiler.process(generated.sqltext, include_table=False, literal_binds=True)
        return f"GENERATED ALWAYS AS ({sql})"

    def post_create_table(self, table: Any) -> str:
        text = f" COMMENT {self._text(table.comment)}" if table.comment is not None else ""
        if any(_NOT_PARQUET.intersection(c.name) for c in table.columns):
            text += " TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
        return text

    def visit_primary_key_constraint(self, constraint: Any, **kw: Any) -> Any:
        return None

    def visit_foreign_key_constraint(self, constraint: Any, **kw: Any) -> Any:
        return None

    def visit_unique_constraint(self, constraint: Any, **kw: Any) -> str:
        raise exc.CompileError("sqlshell enforces no UNIQUE constraints")

    def visit_table_or_column_check_constraint(self, constraint: Any, **kw: Any) -> str:
        if constraint.name is not None:
            name = self.preparer.format_constraint(constraint)
        else:  # Delta wants a name
            checks = sorted(
                (c for c in constraint.table.constraints if isinstance(c, CheckConstraint)),
                key=lambda c: c._creation_order,
            )
            name = self.preparer.quote(f"{constraint.table.name}_check{checks.index(constraint) + 1}")
        return f"CONSTRAINT {name} {self.define_check_body(constraint, **kw)}"

    visit_check_constraint = visit_table_or_column_check_constraint
    visit_column_check_constraint = visit_table_or_column_check_constraint

    def visit_create_index(self, create: Any, *args: Any, **kw: Any) -> str:
        if create.element.unique:
            raise exc.CompileError("sqlshell has no indexes and enforces no UNIQUE")
        return ""

    def visit_drop_index(self, drop: Any, **kw: Any) -> str:
        return ""

    def visit_set_table_comment(self, create: Any, **kw: Any) -> str:
        table = self.preparer.format_table(create.element)
        return f"COMMENT ON TABLE {table} IS {self._text(create.element.comment)}"

    def visit_drop_table_comment(self, drop: Any, **kw: Any) -> str:
        return f"COMMENT ON TABLE {self.preparer.format_table(drop.element)} IS NULL"

    def visit_set_column_comment(self, create: Any, **kw: Any) -> str:
        column = create.element
        table = self.preparer.format_table(column.table)
        text = "''" if column.comment is None else self._text(column.comment)
        return f"ALTER TABLE {table} ALTER COLUMN {self.preparer.format_column(column)} COMMENT {text}"


class SqlshellTypeCompiler(compiler.GenericTypeCompiler):
    """Types as DDL and CAST spell them."""

    def visit_spark_type(self, type_: Any, **kw: Any) -> str:
        return str(type_.ddl).upper() if "`" not in type_.ddl else str(type_.ddl)

    def visit_TINYINT(self, type_: Any, **kw: Any) -> str:
        return "TINYINT"

    def visit_FLOAT(self, type_: Any, **kw: Any) -> str:
        return "DOUBLE"

    def visit_DOUBLE_PRECISION(self, type_: Any, **kw: Any) -> str:
        return "DOUBLE"

    def visit_REAL(self, type_: Any, **kw: Any) -> str:
        return "FLOAT"

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:
        precision = MAX_PRECISION if type_.precision is None else type_.precision
        scale = type_.scale
        if scale is None:
            scale = _SCALE if type_.precision is None else 0
        return f"DECIMAL({precision}, {scale})"

    visit_DECIMAL = visit_NUMERIC

    def visit_INTEGER(self, type_: Any, **kw: Any) -> str:
        return "INT"

    def visit_DATETIME(self, type_: Any, **kw: Any) -> str:
        return "TIMESTAMP" if type_.timezone else "TIMESTAMP_NTZ"

    visit_TIMESTAMP = visit_DATETIME

    def _text_type(self, type_: Any, **kw: Any) -> str:
        return "STRING" if type_.length is None else f"VARCHAR({type_.length})"

    visit_VARCHAR = visit_NVARCHAR = _text_type

    def visit_CHAR(self, type_: Any, **kw: Any) -> str:
        return "STRING" if type_.length is None else f"CHAR({type_.length})"

    visit_NCHAR = visit_CHAR

    def visit_TEXT(self, type_: Any, **kw: Any) -> str:
        return "STRING"

    visit_CLOB = visit_NCLOB = visit_JSON = visit_TEXT

    def visit_uuid(self, type_: Any, **kw: Any) -> str:
        return "STRING"

    visit_UUID = visit_uuid

    def visit_BLOB(self, type_: Any, **kw: Any) -> str:
        return "BINARY"

    visit_BINARY = visit_VARBINARY = visit_BLOB

    def visit_ARRAY(self, type_: Any, **kw: Any) -> str:
        item = self.process(type_.item_type, **kw)
        for _ in range(type_.dimensions or 1):
            item = f"ARRAY<{item}>"
        return item


class SqlshellIdentifierPreparer(compiler.IdentifierPreparer):
    """Backticks, always: names keep their case and no word is reserved."""

    def __init__(self, dialect: Any, **kw: Any) -> None:
        super().__init__(dialect, initial_quote="`", escape_quote="`", **kw)
