"""PEP 249 connections over a `Session`, with Arrow results.

>>> import sqlshell
>>> con = sqlshell.connect()
>>> con.cursor().execute("SELECT 1 AS x").fetchall()
[(1,)]
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlshell import errors
from sqlshell.connect.adbc import AdbcConnection
from sqlshell.connect.cursor import Cursor
from sqlshell.connect.metadata import Metadata
from sqlshell.connect.url import is_url, parse_url
from sqlshell.errors import InterfaceError, NotSupportedError, ProgrammingError
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlshell.connect.prepared import Prepared
    from sqlshell.parser.parameters import Parameters
    from sqlshell.result import Result

__all__ = ["Connection", "Cursor", "open_connection"]


def open_connection(
    warehouse: str | None = None,
    *,
    dialect: str = "spark",
    workers: int | None = None,
    timeout: float | None = None,
    settings: Mapping[str, object] | None = None,
    safe: bool = False,
    allow: Sequence[str] = (),
    allow_writes: bool = False,
    max_rows: int | None = None,
) -> Connection:
    """Open a connection with its own session and worker processes.

    `dialect` is how statements are read (any sqlglot dialect), `workers` above 1 makes the pool of worker
    processes the default, `timeout` is the longest a statement may take in seconds, `settings` are as in SET,
    `warehouse` is the directory of its tables (default: $SQLSHELL_WAREHOUSE, else below ~/.local/share) or a
    URL (`url.py`) whose options go before the arguments.

    `safe` is for statements of people or programs that are not trusted: they read the paths `allow` (default: the
    working directory) and the warehouse, write there only with `allow_writes`, and nothing turns that off again.
    A result of more than `max_rows` rows is an error.
    """
    options: dict[str, Any] = {
        "warehouse": warehouse, "dialect": dialect, "workers": workers, "timeout": timeout, "safe": safe,
    }  # fmt: skip
    found = dict(settings or {})
    if warehouse is not None and is_url(warehouse):
        given = parse_url(warehouse)
        found |= given.pop("settings", {})
        options |= {"warehouse": None} | given
    limit = options.pop("timeout")
    options["safe"] = safe or options["safe"]  # a URL can add it, not take it away
    session = Session(settings=found, allow=allow, allow_writes=allow_writes, **options)
    session.controls.timeout = limit or session.controls.timeout
    session.controls.max_rows = max_rows or session.controls.max_rows
    return Connection(session)


class Connection(Metadata, AdbcConnection):
    """A session as PEP 249 sees it. Threads may share it; statements of one connection start one at a time."""

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session
        self._registered: dict[str, Callable[[], None]] = {}
        self._names = 0
        self.lock = threading.RLock()
        """Held while a statement starts: reading rows needs it no longer."""

    @property
    def session(self) -> Session:
        """The session behind the connection. Raises InterfaceError once closed."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._session is None

    @property
    def autocommit(self) -> bool:
        """Whether every statement stands by itself: while no transaction is open (BEGIN TRANSACTION)."""
        return self.session.transaction is None

    def cursor(self) -> Cursor:
        """A new cursor."""
        self.session  # noqa: B018 - a closed connection must say so
        return Cursor(self)

    def execute(
        self, sql: str, parameters: Parameters | None = None, *, timeout: float | None = None
    ) -> Cursor:
        """A new cursor with `sql` run on it."""
        return self.cursor().execute(sql, parameters, timeout=timeout)

    def run(self, sql: str, parameters: Parameters | None = None, *, timeout: float | None = None) -> Result:
        """The result of one statement; texts of several are refused."""
        with self.lock:
            session = self.session
            if ";" in sql:
                from sqlshell.parser.script import split

                if len(list(split(sql))) > 1:
                    raise ProgrammingError(
                        "execute takes one statement", hint="connection.session.script(text) runs several"
                    )
            before = session.controls.timeout
            session.controls.timeout = before if timeout is None else timeout
            try:
                return session.execute(sql, parameters)
            finally:
                session.controls.timeout = before

    def prepare(self, sql: str, sample: Parameters | None = None) -> Prepared:
        """The statement, read and bound: its parameters and result columns; see `prepared.py`."""
        from sqlshell.connect.prepared import Prepared

        return Prepared(self, sql, sample)

    def register(self, name: str, data: Any) -> None:
        """Make Arrow data (table, reader, pandas or Polars frame, dict of columns) a temporary view.

        It is copied once, to where workers map it: later changes of the object are not seen.
        """
        from sqlshell.connect.register import store

        with self.lock:
            source, release = store(self.session, name, data)
            self.unregister(name)
            self.session.views[name.lower()] = source
            self._registered[name.lower()] = release

    def unregister(self, name: str) -> bool:
        """Drop a registered view; False when there is none."""
        with self.lock:
            release = self._registered.pop(name.lower(), None)
            if release is None:
                return False
            self.session.views.pop(name.lower(), None)
            release()
            return True

    @contextmanager
    def registered(self, data: Any) -> Iterator[str]:
        """A view over the data under a name of its own, for the time of a block."""
        self._names += 1
        name = f"__data_{self._names}"
        self.register(name, data)
        try:
            yield name
        finally:
            self.unregister(name)

    def create_function(
        self,
        name: str,
        fn: Callable[..., Any] | str,
        parameters: Mapping[str, str] | Sequence[str] | None = None,
        returns: str | None = None,
        *,
        kind: str = "scalar",
        arrow: bool = False,
        null_call: bool = True,
        deterministic: bool = True,
    ) -> None:
        """Make a Python function (or `module:name`) a temporary SQL function, run in the workers.

        Types are DDL texts, or come from the function's annotations. A `scalar` function gives a value per row, an
        `aggregate` takes a list of the group's values per parameter, a `table` function yields rows (`returns` names
        the columns). With `arrow` it takes and gives pyarrow arrays. Without `null_call` a NULL argument gives NULL.
        """
        from sqlshell.connect.functions import python_function

        made = python_function(
            name,
            fn,
            parameters,
            returns,
            kind=kind,
            arrow=arrow,
            null_call=null_call,
            deterministic=deterministic,
        )
        with self.lock:
            self.session.functions[name.lower()] = made

    def drop_function(self, name: str) -> bool:
        """Drop a temporary function; False when there is none."""
        with self.lock:
            return self.session.functions.pop(name.lower(), None) is not None

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
        """End the transaction that BEGIN began; without one there is nothing to do: statements stand by themselves."""
        if self.session.transaction is not None:
            self.session.execute("COMMIT").close()

    def rollback(self) -> None:
        """Forget the transaction that BEGIN began. Without one it is refused: what statements did is committed."""
        if self.session.transaction is None:
            raise NotSupportedError(
                "there is no transaction to roll back", hint="execute BEGIN TRANSACTION to begin one"
            )
        self.session.execute("ROLLBACK").close()

    def close(self) -> None:
        """Stop the workers and drop temporary files. Closing twice is an error, as PEP 249's test suite has it."""
        session, self._session = self.session, None
        session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.closed:
            self.close()
