"""Statements of other dialects: transpiled to Databricks text, then parsed like any other.

Our own commands (SET, SHOW, EXPLAIN ...) are the same in every dialect and pass as they are.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialects
from sqlglot.errors import ErrorLevel, TokenError, UnsupportedError
from sqlglot.errors import ParseError as SqlglotParseError

from sqlshell.errors import InterfaceError, NotSupportedError, ParseError, did_you_mean

_OWN = re.compile(r"\s*(SHOW|SET|RESET|CACHE|UNCACHE|CLEAR|USE|DESCRIBE|DESC|DROP)\b", re.IGNORECASE)
_EXPLAIN = re.compile(
    r"\s*EXPLAIN\b(?:\s+(?:EXTENDED|FORMATTED|CODEGEN|COST|ANALYZE|OPTIMIZER|STAGES)\b)?", re.IGNORECASE
)


def dialects() -> list[str]:
    """The names of all dialects, ours first."""
    return ["spark", *sorted(d.value for d in Dialects if d.value and d.value != "spark")]


def to_dialect(text: str, read: str, write: str) -> str:
    """A statement of dialect `read` in dialect `write`, laid out; refuses what has no counterpart."""
    for name in (read, write):
        if name.lower() not in dialects():
            raise InterfaceError(f"unknown dialect {name!r}", hint=did_you_mean(name, dialects()))
    source = "databricks" if read.lower() == "spark" else read.lower()
    try:
        found = sqlglot.transpile(
            text, read=source, write=write.lower(), pretty=True, unsupported_level=ErrorLevel.RAISE
        )
    except UnsupportedError as error:
        raise NotSupportedError(
            f"the statement has no counterpart in {write}: {str(error).splitlines()[0]}", span=(0, len(text))
        ) from None
    except SqlglotParseError as error:
        details = error.errors[0] if error.errors else {}
        near = str(details.get("highlight") or "").strip()
        raise ParseError(
            f"Syntax error at or near '{near}' (read as {read})", span=_span(text, details, 0, near)
        ) from None
    except TokenError:
        raise ParseError(f"Syntax error: a literal cannot be read (as {read})", span=(0, len(text))) from None
    return ";\n\n".join(found)


def transpile(text: str, dialect: str) -> str:
    """`text`, read in `dialect`, as Databricks SQL; refuses what has no counterpart, naming it."""
    names = {d.value for d in Dialects if d.value}
    if dialect.lower() not in names:
        raise InterfaceError(f"unknown dialect {dialect!r}", hint=did_you_mean(dialect, names))
    if _OWN.match(text):
        return text
    explain = _EXPLAIN.match(text)
    head = explain[0] if explain else ""
    try:
        parsed = [e for e in sqlglot.parse(text[len(head) :], read=dialect.lower()) if e is not None]
        found = [
            _typed(e).sql(dialect="databricks", unsupported_level=ErrorLevel.RAISE, comments=False)
            for e in parsed
        ]
    except UnsupportedError as error:
        what = str(error).splitlines()[0]
        raise NotSupportedError(
            f"the {dialect} statement has no Spark counterpart: {what}", span=(0, len(text))
        ) from None
    except SqlglotParseError as error:
        details = error.errors[0] if error.errors else {}
        near = str(details.get("highlight") or "").strip()
        raise ParseError(
            f"Syntax error at or near '{near}' (read as {dialect})",
            span=_span(text, details, len(head), near),
        ) from None
    except TokenError:
        raise ParseError(
            f"Syntax error: a literal cannot be read (as {dialect})", span=(0, len(text))
        ) from None
    except Exception as error:  # sqlglot's generators fail in many ways on trees they do not know
        raise NotSupportedError(
            f"the {dialect} statement has no Spark counterpart ({error})", span=(0, len(text))
        ) from None
    if len(found) != 1:
        raise ParseError("Syntax error: one statement at a time", span=(0, len(text)))
    ours = _DATE_ADD.sub(r"sqlshell_date_add(\1,", found[0])
    return f"{head} {ours}" if head else ours


_DATE_ADD = re.compile(
    r"\b(?:DATE_ADD|DATEADD)\(\s*(DAY|WEEK|MONTH|QUARTER|YEAR)\s*,(?=(?:[^']*'[^']*')*[^']*\Z)", re.IGNORECASE
)
"""Outside strings: the sum of a date and such a unit is a date everywhere but in Spark."""


def _typed(tree: exp.Expr) -> exp.Expr:
    """`/` that divides integers to an integer becomes a call, which the binder settles by the types."""

    def swap(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Div) and node.args.get("typed") and not node.args.get("safe"):
            return exp.Anonymous(this="sqlshell_divide", expressions=[node.this, node.expression])
        return node

    return tree.transform(swap)


def _span(text: str, details: dict[str, object], offset: int, near: str) -> tuple[int, int]:
    """sqlglot's line and column (of a token's end) as offsets into the whole text."""
    line, col = details.get("line"), details.get("col")
    if not isinstance(line, int) or not isinstance(col, int):
        return 0, len(text)
    start = offset
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    end = min(start + col, len(text))
    return max(0, end - max(1, len(near))), end
