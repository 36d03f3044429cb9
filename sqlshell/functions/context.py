"""The session and the statement: who, when, and failing on purpose.

The values of the session are constants by the time a plan runs, so their rows have no lowering.
"""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function
from sqlshell.types import VOID


def _typeof(k: Any, value: Any) -> Any:
    return k.pl.lit(str(k.type(0)).replace("`", ""))  # Spark quotes no field name here


def _version(k: Any) -> Any:
    from sqlshell.version import __version__

    return k.pl.lit(__version__)


def _raise_error(k: Any, message: Any) -> Any:
    pl = k.pl
    # A constant condition would raise even where there is no row; the row number ties it to the rows.
    bad = k.masked(pl.row_index() >= 0)
    return k.raise_if(bad, "USER_RAISED_EXCEPTION", pl.lit(None), message)


def _assert_true(k: Any, condition: Any, message: Any = None) -> Any:
    pl = k.pl
    text = pl.lit("the condition is not true") if message is None else message
    bad = k.masked(~condition.fill_null(value=False) & (pl.row_index() >= 0))
    return k.raise_if(bad, "USER_RAISED_EXCEPTION", pl.lit(None), text)


def _row_id(k: Any) -> Any:
    """The task's number in the upper 31 bits, the row's number in its task below."""
    pl = k.pl
    return pl.row_index().cast(pl.Int64) + (k.partition << 33)


def _partition_id(k: Any) -> Any:
    return k.pl.lit(k.partition, dtype=k.pl.Int32)


def _constant(name: str, result: str, doc: str, *aliases: str) -> Function:
    return Function(name, f"() -> {result}", doc, f"{name}()", aliases=aliases, strict=False,
                    nullable=lambda n: False)  # fmt: skip


# fmt: off
FUNCTIONS = (
    _constant("current_date", "date", "The date when the statement started.", "curdate"),
    _constant("current_timestamp", "timestamp", "The time when the statement started.", "now"),
    _constant("localtimestamp", "timestamp_ntz", "The wall clock when the statement started."),
    _constant("current_timezone", "string", "The session's time zone."),
    _constant("current_user", "string", "The user.", "user", "session_user"),
    _constant("current_schema", "string", "The current schema.", "current_database"),
    _constant("current_catalog", "string", "The current catalog."),
    _constant("current_path", "string", "Where names of functions are looked up."),
    Function("monotonically_increasing_id", "() -> bigint", "A number per row, growing with the rows of a task.",
             "monotonically_increasing_id()", lower=_row_id, strict=False, deterministic=False,
             nullable=lambda n: False),
    Function("spark_partition_id", "() -> int", "The number of the task that makes the row.", "spark_partition_id()",
             lower=_partition_id, strict=False, deterministic=False, nullable=lambda n: False),
    Function("version", "() -> string", "The version of sqlshell.", "version() IS NOT NULL", lower=_version,
             strict=False, nullable=lambda n: False),
    Function("typeof", "any -> string", "The type of an expression.", "typeof(1.5)", lower=_typeof, strict=False,
             nullable=lambda n: False),
    Function("raise_error", "string -> fn", "Fails with the message.", "if(true, 1, raise_error('no'))",
             lower=_raise_error, returns=lambda types, args: VOID, deterministic=False, fallible=True,
             strict=False, nullable=lambda n: True),
    Function("assert_true", "boolean, [string] -> fn", "Fails unless the condition is true; gives NULL.",
             "assert_true(0 < 1)", lower=_assert_true, returns=lambda types, args: VOID, deterministic=False,
             fallible=True, strict=False, nullable=lambda n: True),
)
# fmt: on
