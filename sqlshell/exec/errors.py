"""Errors of kernels to typed errors.

A lowering that wants to raise plants a *marker* (`⟦CONDITION@start-end` and details) in a polars expression;
polars puts it into the text of its own error; `translate` finds it there. Everything else is told apart by
the words polars, pyarrow and the operating system use.
"""

from __future__ import annotations

import errno
import re
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING

from sqlshell.errors import (
    CorruptInputError,
    DataError,
    DiskFullError,
    Error,
    IntegrityError,
    InternalError,
    OperationalError,
    OutOfMemoryError,
    QueryCancelled,
    SourceNotFound,
)
from sqlshell.text_values import BEYOND_DECIMAL

if TYPE_CHECKING:
    from sqlshell.errors import Span

OPEN, CLOSE, SEP = "⟦", "⟧", "\x1f"

_MARK = re.compile(
    rf"{OPEN}([A-Z0-9_.]+)@(?:(\d+)-(\d+))?((?:{SEP}[^{SEP}{CLOSE}]*)*){CLOSE}"
    r"(?:' for \d+ out of \d+ values: \[(.*))?",
    re.DOTALL,
)
_RAISED = re.compile(r"^(?:\w+: )?([A-Z0-9_]+(?:\.[A-Z0-9_]+)*)@(\d+)-(\d+)((?:\|[^\n]*)?)$", re.MULTILINE)
"""What a Python body inside a plan raises (`functions/common.py: failure`)."""
_PATH = re.compile(
    r"""(?:path|file|os error \d+\)|'|"|`)[:= ]*((?:/|\./|\w:)[^'"`\n]+?)(?:'|"|`|\s*\(|$)""", re.MULTILINE
)
_CAST = re.compile(r"conversion from `(\w+)` to `(\w+)` failed.*?values: \[(.*?)\]", re.DOTALL)

_TRY = "Use `try_{}` to tolerate this and return NULL instead."
_MESSAGES = {
    "DIVIDE_BY_ZERO": ("Division by zero.", _TRY.format("divide")),
    "REMAINDER_BY_ZERO": ("Remainder by zero.", _TRY.format("mod")),
    "INTERVAL_DIVIDED_BY_ZERO": ("Division of an interval by zero.", _TRY.format("divide")),
    "ARITHMETIC_OVERFLOW": ("{0} overflow.", None),
    "CAST_INVALID_INPUT": (
        'The value {2} of the type "{0}" cannot be cast to "{1}" because it is malformed.',
        _TRY.format("cast"),
    ),
    "CAST_OVERFLOW": (
        'The value {2} of the type "{0}" cannot be cast to "{1}" due to an overflow.',
        _TRY.format("cast"),
    ),
    "BINARY_ARITHMETIC_OVERFLOW": ("{0} overflow.", None),
    "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING_WITH_NOTICE": (
        'The value {2} of the type "{0}" cannot be cast to "{1}": it has not the form of such an interval.',
        _TRY.format("cast"),
    ),
    "INVALID_ARRAY_INDEX": (
        "The index {0} is out of bounds. The array has {1} elements.",
        "Use `get()` to tolerate an invalid index and return NULL instead.",
    ),
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": (
        "The index {0} is out of bounds. The array has {1} elements.",
        "Use `try_element_at` to tolerate an invalid index and return NULL instead.",
    ),
    "INVALID_INDEX_OF_ZERO": ("The index 0 is invalid. An index shall be either < 0 or > 0.", None),
    "DATETIME_OVERFLOW": ("Datetime operation overflow: {0}.", None),
    "CAST_OVERFLOW_IN_TABLE_INSERT": (
        'Fail to assign a value of "{0}" type to the "{1}" type column `{2}` due to an overflow.',
        "Use `try_cast` on the input value to tolerate overflow and return NULL instead.",
    ),
    "EXCEED_LIMIT_LENGTH": ("Exceeds char/varchar type length limitation: {0}, in column `{1}`.", None),
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED": (
        "NOT NULL constraint violated for column `{0}`.",
        "nothing was written",
    ),
    "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES": (
        "CHECK constraint `{0}` ({1}) is violated by a row with the values:{2}",
        "nothing was written",
    ),
    "DELTA_REPLACE_WHERE_MISMATCH": (
        "a written row does not satisfy the condition of REPLACE WHERE ({0}):{1}",
        "nothing was written",
    ),
    "SCALAR_SUBQUERY_TOO_MANY_ROWS": (
        "More than one row returned by a subquery used as an expression.",
        None,
    ),
}
_OVERFLOW_HINTS = {"+": "add", "-": "subtract", "*": "multiply"}


def marker(condition: str, span: Span | None, *details: str) -> str:
    """The text that, found in an error's message, becomes an error with this condition and position."""
    where = "" if span is None else f"{span[0]}-{span[1]}"
    return OPEN + SEP.join([f"{condition}@{where}", *details]) + CLOSE


def translate(exc: BaseException, path: str | None = None) -> Error:
    """The typed error for whatever running a plan raised; `path` names the file being read, if known."""
    if isinstance(exc, Error):
        return exc
    # Behind the first part polars prints the expression, with the markers of checks that did not fail.
    text = str(exc).split("\n\nThis error occurred in the following expression:", 1)[0]
    found = _MARK.search(text)
    if found:
        return _marked(found)
    raised = _RAISED.search(text)
    if raised:
        return _data_error(
            raised.group(1), raised.group(4).split("|")[1:], (int(raised.group(2)), int(raised.group(3)))
        )
    if isinstance(exc, KeyboardInterrupt):
        return QueryCancelled("cancelled")
    return _environment(exc, text, path) or _native(text) or _bug(exc, text)


def _marked(found: re.Match[str]) -> Error:
    condition, start, end, rest, values = found.groups()
    details = rest.split(SEP)[1:] if rest else []
    if values is not None:
        details.append(_first_value(values))
    return _data_error(condition, details, None if start is None else (int(start), int(end)))


def _data_error(condition: str, details: list[str], span: Span | None) -> Error:
    message, hint = _worded(condition, details)
    if details and details[-1] == str(BEYOND_DECIMAL):
        condition = "NUMERIC_OUT_OF_SUPPORTED_RANGE"
        message, hint = "The value has more than 38 digits before the point.", None
    kind = IntegrityError if condition in _CONSTRAINTS else DataError
    return kind(message, condition=condition, span=span, hint=hint)


_CONSTRAINTS = {
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
    "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
    "DELTA_REPLACE_WHERE_MISMATCH",
}


def _worded(condition: str, details: list[str]) -> tuple[str, str | None]:
    if condition.startswith("NUMERIC_VALUE_OUT_OF_RANGE") and details:
        return _out_of_range(*details)
    template, hint = _MESSAGES.get(condition, (None, None))
    if template is None:
        return (", ".join(details) or condition.replace("_", " ").lower()), None
    if condition.endswith("ARITHMETIC_OVERFLOW") and len(details) > 1 and details[1] in _OVERFLOW_HINTS:
        hint = _TRY.format(_OVERFLOW_HINTS[details[1]])
    return template.format(*details, *[""] * 3), hint


def _out_of_range(target: str, scale: str = "0", value: str | None = None) -> tuple[str, str]:
    """The message for a number with too many digits; `value` is unscaled, or any other number as text."""
    shown = "The result"
    if value is not None:
        shown = (
            f"The value {PyDecimal(value).scaleb(-int(scale)):f}"
            if _WHOLE.fullmatch(value)
            else f"The value {value}"
        )
    return f"{shown} cannot be represented as {target}.", "use a wider decimal or a double, or try_cast"


_WHOLE = re.compile("-?[0-9]+")


def _first_value(values: str) -> str:
    """The first of the values polars lists: text in quotes (which it does not escape), or a number."""
    if not values.startswith('"'):
        return re.split(r"[,\]]", values, maxsplit=1)[0]
    inner = re.split(r'"(?:, "|\]\n|\]$)', values[1:], maxsplit=1)[0]
    return f"'{inner}'"


def _environment(exc: BaseException, text: str, path: str | None) -> Error | None:
    lowered = text.lower()
    number = exc.errno if isinstance(exc, OSError) else None
    if number in {errno.ENOSPC, errno.EDQUOT} or "no space left" in lowered or "os error 28" in lowered:
        return DiskFullError("no space is left on the disk that holds temporary data or results")
    if isinstance(exc, MemoryError) or any(w in lowered for w in _MEMORY_WORDS):
        return OutOfMemoryError("the task ran out of memory")
    if "object-store error" in text:
        return _object_store(text, path)
    file = path or _path_in(exc, text)
    if number == errno.ENOENT or "no such file or directory" in lowered or "os error 2)" in lowered:
        return SourceNotFound(f"the file {file} does not exist" if file else "a file does not exist")
    if isinstance(exc, PermissionError) or "permission denied" in lowered:
        return OperationalError(f"no permission to read {file}" if file else "permission denied")
    if any(w in lowered for w in _CORRUPT_WORDS):
        what = f"the file {file} cannot be read" if file else "an input file cannot be read"
        return CorruptInputError(f"{what}: {_first_line(text)}")
    if isinstance(exc, OSError):
        return OperationalError(_first_line(text))
    return None


def _object_store(text: str, path: str | None) -> Error:
    from sqlshell.storage import objects

    named = re.search(r"\(path: (\w+://[^\s)]+)\)|(\w+://[^\s/]+/\S+)", text)
    return objects.explain(text, path or (named and named[1]) or "s3://?")


_MEMORY_WORDS = ("out of memory", "memory allocation of", "malloc of size", "cannot allocate memory")
_CORRUPT_WORDS = (
    "parquet magic bytes",
    "out of specification",
    "not a parquet file",
    "invalid parquet",
    "thrift",
    "corrupt",
    "couldn't deserialize",
    "could not deserialize",
    "unexpected end of",
    "unexpected eof",
    "failed to fill whole buffer",
    "invalid ipc",
    "parquet: ",
    "snappy",
    "zstd",
    "gzip",
    "invalid utf-8",
    "invalid utf8",
    "could not parse",
    "orc file",
    "page header",
    "json parsing error",
    "error parsing line",
    "csv malformed",
)


def _path_in(exc: BaseException, text: str) -> str | None:
    if isinstance(exc, OSError) and isinstance(exc.filename, str):
        return exc.filename
    found = _PATH.search(text)
    return found.group(1).strip() if found else None


def _native(text: str) -> Error | None:
    if _YEAR.search(text):
        message = "a date outside the years 1 to 9999 cannot be shown as a Python value"
        return DataError(message, condition="DATETIME_OVERFLOW", hint="cast it to string")
    found = _CAST.search(text)
    if found:
        source, target, values = found.groups()
        value = _first_value(values + "]")
        condition = "CAST_INVALID_INPUT" if source == "str" else "CAST_OVERFLOW"
        message, hint = _worded(condition, [source.upper(), target.upper(), value])
        return DataError(message, condition=condition, hint=hint)
    return None


_YEAR = re.compile(r"year -?\d+ is out of range|ordinal must be")


def _bug(exc: BaseException, text: str) -> Error:
    return InternalError(f"{type(exc).__name__}: {_first_line(text)}")


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
