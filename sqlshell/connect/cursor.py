"""PEP 249 cursors: rows one by one, as Arrow, or as a stream that other libraries read directly."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from sqlshell.connect.adbc import AdbcCursor
from sqlshell.connect.bulk import bulk_insert
from sqlshell.errors import InterfaceError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from sqlshell.connect.dbapi import Connection
    from sqlshell.parser.parameters import Parameters
    from sqlshell.result import Result


class Cursor(AdbcCursor):
    """Runs statements and fetches rows, one by one or as Arrow.

    `polars.DataFrame(cursor)`, `pyarrow.table(cursor)`, DuckDB and others read it through `__arrow_c_stream__`.
    Rows arrive while the query still runs; `fetchall`, `fetch_arrow_table` and `rowcount` wait for its end.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self._result: Result | None = None
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self._fetched = 0
        self._affected = -1
        self._closed = False

    # -- PEP 249

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """PEP 249's seven items per column (name, type, None ..., null_ok), or None when there are no rows."""
        if self._result is None or not self._has_rows:
            return None
        return tuple(_described(f.name, str(f.type), f.nullable) for f in self._result.fields)

    @property
    def rowcount(self) -> int:
        """Rows of the last query, or those that the last statement changed; -1 where there is no such number."""
        if self._result is None or not self._has_rows:
            return self._affected
        return self._result.row_count

    @property
    def rownumber(self) -> int | None:
        """How many rows were fetched one by one; None without a row set."""
        return self._fetched if self._has_rows else None

    @property
    def lastrowid(self) -> None:
        """Rows have no ids."""
        return

    @property
    def messages(self) -> list[tuple[type[Exception], str]]:
        """The last statement's warnings."""
        from sqlshell.errors import Warning as SqlWarning

        return [(SqlWarning, w) for w in (self._result.warnings if self._result is not None else ())]

    def execute(
        self, sql: str, parameters: Parameters | None = None, *, timeout: float | None = None
    ) -> Self:
        """Run one statement: a sequence of values for its `?` markers, or a dict for its `:name` markers.

        Past `timeout` seconds (default: the connection's) it raises QueryTimeout.
        """
        self._check_open()
        self._drop()
        self._result = self.connection.run(sql, parameters, timeout=timeout)
        self._affected = -1 if self._result.affected is None else self._result.affected
        self._rows = self._result.rows() if self._has_rows else iter(())
        return self

    def executemany(self, sql: str, seq_of_parameters: Iterable[Parameters] | Any) -> Self:
        """Run one statement for each set of values; the rows it changed are counted over all of them.

        A plain `INSERT ... VALUES (?, ...)` is run once with all rows: one commit, all of them or none. Arrow data
        (anything with `__arrow_c_stream__`) gives one set of values a row.
        """
        if hasattr(seq_of_parameters, "__arrow_c_stream__"):
            from sqlshell.connect.register import reader_of

            table = reader_of(seq_of_parameters).read_all()
            seq_of_parameters = list(zip(*(c.to_pylist() for c in table.columns), strict=True))
        total = 0
        self._check_open()
        self._drop()
        seq_of_parameters = list(seq_of_parameters)
        found = bulk_insert(sql, seq_of_parameters)
        if found is not None:
            head, rows = found
            with self.connection.registered(rows) as view:
                return self.execute(f"{head} SELECT * FROM {view}")
        for parameters in seq_of_parameters:
            self.execute(sql, parameters)
            if self._has_rows:
                raise ProgrammingError("executemany does not take queries", hint="use execute for each")
            total += max(self._affected, 0)
        self._affected = total if self._result is not None and self._affected >= 0 else -1
        return self

    def callproc(self, name: str, parameters: Sequence[Any] = ()) -> Sequence[Any]:
        """Call a function; its value is fetched as a row of one column."""
        from sqlshell.types import quote_name

        called = ".".join(quote_name(p) for p in name.split("."))
        self.execute(f"SELECT {called}({', '.join('?' * len(parameters))})", list(parameters) or None)
        return parameters

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        self._need_rows()
        row = next(self._rows, None)
        self._fetched += row is not None
        return row

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next `size` rows (default: `arraysize`)."""
        self._need_rows()
        rows = list(islice(self._rows, self.arraysize if size is None else size))
        self._fetched += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows not fetched yet."""
        self._need_rows().row_count  # noqa: B018 - the query's end first: see Result.arrow
        rows = list(self._rows)
        self._fetched += len(rows)
        return rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        self._need_rows()
        return self

    def __next__(self) -> tuple[Any, ...]:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Nothing to do (PEP 249 allows it)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing to do (PEP 249 allows it)."""

    def cancel(self) -> None:
        """Stop the connection's running statement, from any thread."""
        self.connection.cancel()

    def close(self) -> None:
        """Drop the result and its files; the number of changed rows can still be asked for."""
        self._closed = True
        affected = self._affected
        self._drop()
        self._affected = affected

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- Arrow (the names of ADBC are in `adbc.py`)

    def fetch_record_batches(self) -> Iterator[pa.RecordBatch]:
        """The result as Arrow record batches, read as they are asked for."""
        return self._need_rows().batches()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.fetch_record_batch().__arrow_c_stream__(requested_schema)

    # --

    @property
    def _has_rows(self) -> bool:
        return self._result is not None and self._result.is_query and self._result.affected is None

    def _check_open(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self.connection.session  # noqa: B018 - a closed connection must say so

    def _need_rows(self) -> Result:
        self._check_open()
        if self._result is None or not self._has_rows:
            raise InterfaceError("there are no rows to fetch: run a query first")
        return self._result

    def _drop(self) -> None:
        if self._result is not None:
            self._result.close()
            self._result = None
        self._rows, self._fetched, self._affected = iter(()), 0, -1


def _described(name: str, kind: str, nullable: bool) -> tuple[Any, ...]:
    """Decimals tell precision and scale; other sizes are unknown."""
    precision = scale = None
    if kind.startswith("decimal("):
        precision, scale = (int(n) for n in kind[8:-1].split(","))
    return (name, kind, None, None, precision, scale, nullable)
