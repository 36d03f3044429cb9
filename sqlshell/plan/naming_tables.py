"""What Spark's automatic column names add to calls: default arguments, capitals, aliases, fixed frames."""

from __future__ import annotations

UPPER_CASE = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "cbrt",
        "cos",
        "cosh",
        "cot",
        "csc",
        "degrees",
        "e",
        "exp",
        "expm1",
        "hypot",
        "log",
        "log10",
        "log1p",
        "log2",
        "pi",
        "power",
        "radians",
        "regexp_like",
        "regexp",
        "spark_partition_id",
        "rlike",
        "sec",
        "signum",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "rank",
        "dense_rank",
        "percent_rank",
    ]
)
RENAMED = {
    "array_agg": "collect_list",
    "curdate": "current_date",
    "current_database": "current_schema",
    "random": "rand",
    "dateadd": "date_add",
    "localtime": "current_time",
}
_TIME_FORMAT = "yyyy-MM-dd HH:mm:ss"
_IDENTITY = "lambdafunction(namedlambdavariable(), namedlambdavariable())"
_ZEROS = ("0", "0", "0", "0", "0", "0", "0.000000")
_MAKE_INTERVAL = {n: _ZEROS[n:] for n in range(7)}
DEFAULTS: dict[str, dict[int, tuple[str, ...]]] = {
    "substr": {2: ("2147483647",)},
    "substring": {2: ("2147483647",)},
    "round": {1: ("0",)},
    "bround": {1: ("0",)},
    "lag": {1: ("1", "NULL"), 2: ("NULL",)},
    "lead": {1: ("1", "NULL"), 2: ("NULL",)},
    "locate": {2: ("1",)},
    "position": {2: ("1",)},
    "percentile": {2: ("1",)},
    "percentile_approx": {2: ("10000",)},
    "approx_percentile": {2: ("10000",)},
    "listagg": {1: ("NULL",)},
    "string_agg": {1: ("NULL",)},
    "sort_array": {1: ("true",)},
    "split": {2: ("-1",)},
    "regexp_extract": {2: ("1",)},
    "regexp_extract_all": {2: ("1",)},
    "regexp_replace": {3: ("1",)},
    "regexp_instr": {2: ("0",)},
    "replace": {2: ("",)},
    "lpad": {2: (" ",)},
    "rpad": {2: (" ",)},
    "unix_timestamp": {0: ("current_timestamp()", _TIME_FORMAT), 1: (_TIME_FORMAT,)},
    "to_unix_timestamp": {1: (_TIME_FORMAT,)},
    "from_unixtime": {1: (_TIME_FORMAT,)},
    "months_between": {2: ("true",)},
    "overlay": {3: ("-1",)},
    "aggregate": {3: (_IDENTITY,)},
    "reduce": {3: (_IDENTITY,)},
    "str_to_map": {1: (",", ":"), 2: (":",)},
    "make_dt_interval": {1: ("0", "0", "0.000000"), 2: ("0", "0.000000"), 3: ("0.000000",)},
    "mask": {1: ("X", "x", "n", "NULL"), 2: ("x", "n", "NULL"), 3: ("n", "NULL"), 4: ("NULL",)},
    "hmac": {2: ("SHA-256",)},
    "aes_encrypt": {2: ("GCM", "DEFAULT", "", ""), 3: ("DEFAULT", "", ""), 4: ("", ""), 5: ("",)},
    "aes_decrypt": {2: ("GCM", "DEFAULT", ""), 3: ("DEFAULT", ""), 4: ("",)},
    "try_aes_decrypt": {2: ("GCM", "DEFAULT", ""), 3: ("DEFAULT", ""), 4: ("",)},
    "approx_top_k": {1: ("5", "10000"), 2: ("10000",)},
    "instr": {3: ("1",)},
    "sentences": {1: ("", ""), 2: ("",)},
    "time_bucket": {2: ("TIMESTAMP '1970-01-01 00:00:00'",)},
    "make_ym_interval": {1: ("0",)},
    "make_interval": _MAKE_INTERVAL,
    "try_make_interval": _MAKE_INTERVAL,
    "variant_set": {3: ("true",)},
    "try_variant_set": {3: ("true",)},
    "variant_strip_nulls": {1: ("true",)},
    "current_time": {0: ("6",)},
    "localtime": {0: ("6",)},
}
VARIABLE = "namedlambdavariable()"
DEFAULT_ORDER = (
    "lambdafunction((IF(((@ IS NULL) AND (@ IS NULL)), 0, (IF((@ IS NULL), 1, (IF((@ IS NULL), -1, "
    "(IF((@ < @), -1, (IF((@ > @), 1, 0)))))))))), @, @)"
).replace("@", VARIABLE)
"""The comparison of array_sort without one."""

BARE_CALLS = frozenset({"current_date", "current_timestamp", "current_user", "session_user"})
BARE_TIMES = frozenset({"current_time", "localtime"})
CAST_FUNCTIONS = frozenset(
    [
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "decimal",
        "string",
        "binary",
        "date",
        "timestamp",
    ]
)
DATE_FUNCTIONS = frozenset(
    [
        "to_date",
        "current_date",
        "curdate",
        "date",
        "date_add",
        "date_sub",
        "add_months",
        "last_day",
        "next_day",
        "trunc",
        "make_date",
    ]
)
FIXED_FRAME = {
    "row_number": "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "rank": "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "dense_rank": "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "percent_rank": "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ntile": "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "cume_dist": "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
}
