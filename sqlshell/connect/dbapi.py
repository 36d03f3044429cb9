"""PEP 249 connections and cursors over a `Session`, with Arrow results.

>>> import sqlshell
>>> con = sqlshell.connect()
>>> con.cursor().execute("SELECT 1 AS x").fetchall()
[(1,)]
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from sqlshell.errors import InterfaceError, NotSupportedError
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from sqlshell.parser.parameters import Parameters
    from sqlshell.result import Result


def open_connection(
    warehouse: str | None = None,
    *,
    dialect: str = "spark",
    workers: int | None = None,
    settings: Mapping[str, object] | None = None,
) -> Connection:
    """Open a connection with its own session and worker processes.

    `dialect` is how statements are read (any sqlglot dialect), `workers` above 1 makes the pool of worker
    processes the default, `settings` are as in SET, `warehouse` is the directory of its tables (default:
    $SQLSHELL_WAREHOUSE, else below ~/.local/share).
    """
    return Connection(Session(dialect=dialect, workers=workers, settings=settings, warehouse=warehouse))


class Connection:
    """A session as PEP 249 sees it. Threads may share it; statements of one connection run one at a time."""

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session

    @property
    def session(self) -> Session:
        """The session behind the connection. Raises InterfaceError once closed."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    def execute(self, sql: str, parameters: Parameters | None = None) -> Cursor:
        """A new cursor with `sql` run on it."""
        return self.cursor().execute(sql, parameters)

    def barrier_map(
        self,
        query: str,
        fn: Callable[..., Any] | str,
        ranks: int | None = None,
        *,
        args: tuple[Any, ...] = (),
        partitions: int | None = None,
        **options: Any,
    ) -> list[Any]:
        """Run `fn(ctx, partitions, *args)` in `ranks` processes at once; what each returns, by rank.

        The processes start together and talk through `ctx` (barrier, all_gather, all_reduce, broadcast,
        checkpoint, open_port ...). Each gets its share of the query's rows as a list of partitions
        (`p.arrow()`, `p.frame()`, `p.matrix()`), dealt out alike however many ranks there are. When a process
        dies, hangs or raises, all start again, up to `max_failures` times. Further options: `barrier_timeout`,
        `timeout`, `on_event`, `deterministic`. `docs/barrier.md` has examples.
        """
        found = self.session.barrier_map(query, fn, ranks, args=args, partitions=partitions, **options)
        return found.values

    def cancel(self) -> None:
        """Stop the running statement, from any thread; it raises QueryCancelled there."""
        self.session.cancel()

    def commit(self) -> None:
        """Nothing to do: every statement stands by itself."""
        self.session  # noqa: B018 - a closed connection must say so

    def rollback(self) -> None:
        """Refused: there are no transactions yet."""
        raise NotSupportedError("there are no transactions to roll back")

    def close(self) -> None:
        """Stop the workers and drop temporary files; closing twice is fine."""
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Cursor:
    """Runs statements and fetches rows, one by one or as Arrow."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self._result: Result | None = None
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self._closed = False

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """PEP 249's seven items per column (name, type, None ..., null_ok), or None when there are no rows."""
        if self._result is None or not self._result.is_query:
            return None
        return tuple((f.name, str(f.type), None, None, None, None, f.nullable) for f in self._result.fields)

    @property
    def rowcount(self) -> int:
        """Rows of the last query; -1 before one has run."""
        return -1 if self._result is None or not self._result.is_query else self._result.row_count

    def execute(self, sql: str, parameters: Parameters | None = None) -> Self:
        """Run one statement: a sequence of values for its `?` markers, or a dict for its `:name` markers."""
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self._drop()
        self._result = self.connection.session.execute(sql, parameters)
        self._rows = self._result.rows()
        return self

    def executemany(self, sql: str, seq_of_parameters: Iterable[Parameters]) -> Self:
        """Run one statement for each set of values; the cursor keeps the last result."""
        for parameters in seq_of_parameters:
            self.execute(sql, parameters)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        self._need_rows()
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next `size` rows (default: `arraysize`)."""
        self._need_rows()
        return list(islice(self._rows, self.arraysize if size is None else size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows not fetched yet."""
        self._need_rows().row_count  # noqa: B018 - the query's end first: see Result.arrow
        return list(self._rows)

    def fetch_arrow_table(self) -> pa.Table:
        """All rows of the result as an Arrow table."""
        return self._need_rows().arrow()

    def fetch_record_batches(self) -> Iterator[pa.RecordBatch]:
        """The result as Arrow record batches, read as they are asked for."""
        return self._need_rows().batches()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        self._need_rows()
        return self._rows

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Nothing to do (PEP 249 allows it)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing to do (PEP 249 allows it)."""

    def close(self) -> None:
        """Drop the result and its files."""
        self._closed = True
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _need_rows(self) -> Result:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if self._result is None or not self._result.is_query:
            raise InterfaceError("there are no rows to fetch: run a query first")
        return self._result

    def _drop(self) -> None:
        if self._result is not None:
            self._result.close()
            self._result = None
        self._rows = iter(())
