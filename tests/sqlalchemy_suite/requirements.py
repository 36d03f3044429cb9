"""What the dialect does and does not do, as SQLAlchemy's suite asks; each `closed` says why."""

from __future__ import annotations

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

open_, closed = exclusions.open, exclusions.closed

OPEN = [
    "create_table_as", "table_ddl_if_exists", "table_value_constructor", "boolean_col_expressions",
    "nullsordering", "intersect", "except_", "window_functions", "window_range", "window_range_numeric",
    "ctes", "ctes_with_values", "insert_from_select", "tuple_in", "schemas", "implicit_default_schema",
    "views", "view_column_reflection", "view_reflection", "schema_reflection", "schema_create_delete",
    "comment_reflection", "comment_reflection_full_unicode", "create_or_replace_view",
    "check_constraint_reflection", "unicode_ddl", "datetime_literals", "datetime_timezone",
    "timestamp_microseconds", "datetime_historic", "date_historic", "datetime_timezone_historic",
    "array_type", "precision_numerics_enotation_small", "precision_numerics_many_significant_digits",
    "precision_numerics_retains_significant_digits", "infinity_floats", "server_defaults",
    "expression_server_defaults", "mod_operator_as_percent_sign", "order_by_label_with_expression",
    "computed_columns", "computed_columns_stored", "supports_is_distinct_from", "regexp_match",
    "regexp_replace", "supports_bitwise_or", "supports_bitwise_and", "supports_bitwise_not",
    "supports_bitwise_xor", "supports_bitwise_shift", "update_where_target_in_subquery", "uuid_data_type",
]  # fmt: skip

CLOSED = {
    "temporary_tables": "there are temporary views, no temporary tables",
    "temp_table_reflection": "there are temporary views, no temporary tables",
    "foreign_key_constraint_reflection": "no keys are kept or enforced",
    "primary_key_constraint_reflection": "no keys are kept or enforced",
    "named_constraints": "no keys are kept or enforced",
    "implicitly_named_constraints": "no keys are kept or enforced",
    "unique_constraint_reflection": "no keys are kept or enforced",
    "duplicate_key_raises_integrity_error": "no keys are kept or enforced",
    "index_reflection": "there are no indexes",
    "indexes_with_ascdesc": "there are no indexes",
    "reflect_indexes_with_ascdesc": "there are no indexes",
    "time": "no TIME type yet",
    "time_microseconds": "no TIME type yet",
    "autoincrement_insert": "an INSERT does not tell the identity values it made",
    "sane_multi_rowcount": "executemany counts all of its rows together",
    "autocommit": "every statement commits by itself, always",
    "isolation_level": "every statement commits by itself, always",
    "json_type": "JSON columns hold texts: no paths into them",
    "identity_columns": "start and increment only: the suite's tables ask for bounds",
    "empty_inserts": "an INSERT names a column",
    "datetime_implicit_bound": "a datetime without a column is a TIMESTAMP of the session's time zone, as in Spark",
    "timestamp_microseconds_implicit_bound": "as datetime_implicit_bound",
    "implements_get_lastrowid": "rows have no ids",
    "independent_connections": "an engine's connections share one session",
}


DESELECTED = {
    "ComponentReflectionTest::": "its tables have UNIQUE constraints, which are refused",
    "ComponentReflectionTestExtra::test_check_constraint_standalone": "names are kept in lower case",
    "ComponentReflectionTestExtra::test_server_defaults[Integer": "a default of a number reads CAST('10' AS INT)",
    "ComputedReflectionTest": "expressions of generated columns are not reflected",
    "QuotedNameArgumentTest": "its tables have UNIQUE constraints, which are refused",
    "UnicodeSchemaTest::test_insert": "looks for a name in its own case; names are kept in lower case",
    "UnicodeSchemaTest::test_reflect": "as test_insert",
    "LongNameBlowoutTest::test_long_convention_name[ix": "there are no indexes",
}
"""Tests (the beginning of class::test) that no requirement covers, and why they are left out."""


def _fixed(result: object) -> property:
    return property(lambda self: result)


Requirements = type(
    "Requirements",
    (SuiteRequirements,),
    {name: _fixed(open_()) for name in OPEN} | {name: _fixed(closed()) for name in CLOSED},
)
