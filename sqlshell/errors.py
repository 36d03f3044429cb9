"""The one error tree. PEP 249 is the root; each class says whose fault it is and whether a retry can help.

    Error
    ├── InterfaceError            user: the connector was misused (closed cursor, bad argument)
    └── DatabaseError
        ├── ProgrammingError      user: the statement is wrong
        │   ├── ParseError        user: it is not SQL
        │   └── AnalysisError     user: names, types or clauses do not fit
        ├── NotSupportedError     user: valid Spark SQL that we do not run (yet)
        ├── DataError             data: a value broke the statement (ANSI errors, malformed rows)
        │   └── CorruptInputError data: a file cannot be read
        ├── IntegrityError        data: a constraint was violated
        ├── OperationalError      environment: files, disk, memory, processes
        │   ├── SourceNotFound    environment: a path that does not exist
        │   ├── DiskFullError     environment
        │   ├── OutOfMemoryError  environment
        │   ├── QueryCancelled    the user asked for it
        │   ├── QueryTimeout      environment
    │   ├── ConcurrentModificationError environment, retryable: another writer committed first
        │   ├── WorkerLostError   environment, retryable: a process died
        │   ├── FetchFailedError  environment, retryable: an exchange file is missing
        │   └── BarrierError      user or environment: the ranks of a barrier stage did not come together
        └── InternalError         bug: ours

Every SQL error has a stable `condition` (Spark's name where Spark has one), and, where the text is known, a
`span` (start, end) of character offsets into the statement. Rendering (caret, colours) is `render_error`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable

Span = tuple[int, int]
"""Character offsets (start, end-exclusive) into the text of one statement."""


class Error(Exception):
    """Root of everything sqlshell raises on purpose (PEP 249)."""

    fault = "user"
    retryable = False
    default_condition = "ERROR"

    def __init__(
        self,
        message: str,
        *,
        condition: str | None = None,
        span: Span | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.condition = condition or self.default_condition
        self.span = span
        self.hint = hint
        self.statement: str | None = None
        """The statement's text, set by the session; `span` counts from its start."""

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.condition, self.span, self.hint))


def _rebuild(cls: type[Error], message: str, condition: str, span: Span | None, hint: str | None) -> Error:
    return cls(message, condition=condition, span=span, hint=hint)


class Warning(Exception):  # noqa: A001 - PEP 249's name
    """Important notes (PEP 249); nothing raises it, `Cursor.messages` names it."""


class InterfaceError(Error):
    """The connector was used wrongly."""

    default_condition = "INTERFACE_ERROR"


class DatabaseError(Error):
    """Anything that goes wrong with a statement."""


class ProgrammingError(DatabaseError):
    """The statement is wrong; running it again will not help."""

    default_condition = "INVALID_STATEMENT"


class ParseError(ProgrammingError):
    """The text is not SQL."""

    default_condition = "PARSE_SYNTAX_ERROR"


class AnalysisError(ProgrammingError):
    """Names, types or clauses do not fit together."""

    default_condition = "ANALYSIS_ERROR"


class SafeModeError(ProgrammingError):
    """Safe mode does not allow it."""

    default_condition = "SAFE_MODE"


class NotSupportedError(DatabaseError):
    """Understood, and refused: we do not run this."""

    default_condition = "UNSUPPORTED_FEATURE"


class DataError(DatabaseError):
    """A value broke the statement."""

    fault = "data"
    default_condition = "INVALID_DATA"


class CorruptInputError(DataError):
    """A file is not what its name or its footer says."""

    default_condition = "CORRUPT_INPUT"


class IntegrityError(DatabaseError):
    """A constraint was violated."""

    fault = "data"
    default_condition = "CONSTRAINT_VIOLATION"


class OperationalError(DatabaseError):
    """The environment (files, disk, memory, processes) failed."""

    fault = "environment"
    default_condition = "OPERATIONAL_ERROR"


class SourceNotFound(OperationalError):
    """A path that names nothing."""

    default_condition = "PATH_NOT_FOUND"


class DiskFullError(OperationalError):
    """No space left where results or exchanges are written."""

    default_condition = "DISK_FULL"


class OutOfMemoryError(OperationalError):
    """A task did not fit its memory share, even alone."""

    default_condition = "OUT_OF_MEMORY"


class QueryCancelled(OperationalError):
    """Ctrl-C or `cancel()`."""

    default_condition = "QUERY_CANCELLED"


class QueryTimeout(OperationalError):
    """The statement ran past its time limit."""

    default_condition = "QUERY_TIMEOUT"


class ConcurrentModificationError(OperationalError):
    """Another writer changed the table first, in a way that this statement cannot go on top of."""

    retryable = True
    default_condition = "DELTA_CONCURRENT_WRITE"


class WorkerLostError(OperationalError):
    """A worker process died under a task."""

    retryable = True
    default_condition = "WORKER_LOST"


class FetchFailedError(OperationalError):
    """An exchange file is missing or short; its producer must run again."""

    retryable = True
    default_condition = "FETCH_FAILED"


class BarrierError(OperationalError):
    """The ranks of a barrier stage did not come together, or one failed for good."""

    default_condition = "BARRIER_STAGE_FAILED"


class InternalError(DatabaseError):
    """A bug in sqlshell."""

    fault = "bug"
    default_condition = "INTERNAL_ERROR"


def did_you_mean(name: str, candidates: Iterable[str], count: int = 3) -> str | None:
    """A hint naming the closest candidates, or None when nothing is close."""
    by_lower = {c.lower(): c for c in candidates}
    close = get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    if not close:
        return None
    return "did you mean " + " or ".join(f"`{by_lower[c]}`" for c in close) + "?"


@dataclass(frozen=True)
class Location:
    """Where a span lies: 1-based line and column, the line's text, and how many characters to underline."""

    line: int
    column: int
    text: str
    width: int = field(default=1)


def locate(sql: str, span: Span) -> Location:
    """Turn offsets into a line and column of `sql` (clamped to the text)."""
    start = max(0, min(span[0], len(sql)))
    end = max(start + 1, min(span[1], len(sql)))
    line_start = sql.rfind("\n", 0, start) + 1
    line_end = sql.find("\n", start)
    if line_end < 0:
        line_end = len(sql)
    width = max(1, min(end, line_end) - start)
    return Location(sql.count("\n", 0, start) + 1, start - line_start + 1, sql[line_start:line_end], width)


def render_error(error: Error, sql: str | None = None) -> str:
    """Plain text of an error: `[CONDITION] message`, the line with a caret, the hint."""
    lines = [f"[{error.condition}] {error.message}"]
    if sql is not None and error.span is not None:
        at = locate(sql, error.span)
        prefix = f"  {at.line}:{at.column} | "
        lines.append(prefix + at.text)
        pad = "".join("\t" if c == "\t" else " " for c in at.text[: at.column - 1])
        lines.append(" " * (len(prefix) - 2) + "| " + pad + "^" * at.width)
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return "\n".join(lines)
