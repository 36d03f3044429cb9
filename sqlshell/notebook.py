"""`%load_ext sqlshell`: the `%sql` and `%%sql` magics of IPython and Jupyter (extra `notebook`).

    %sql --connect sqlshell:///warehouse?workers=4     (or a connection: %sql --connect con)
    %sql SELECT count(*) FROM 'orders.parquet' WHERE price > :least
    %%sql orders << --polars
    SELECT ...

`:name` is the value of the Python variable. A frame or Arrow table in a Python variable is a relation of that name,
where no other has the name. The last statement's rows come back as `Rows`, or with `--arrow`, `--pandas`, `--polars`.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class

import sqlshell
from sqlshell.errors import Error, render_error
from sqlshell.result import Result
from sqlshell.shell.output import Style, write_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sqlshell.connect.dbapi import Connection

_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*<<\s*")
_FLAG = re.compile(r"\s*--(arrow|pandas|polars|connect)(?:\s+|$)")
_RELATION = re.compile(r"(?:\b(?:FROM|JOIN|USING)\s|,)\s*([^\W\d]\w*)", re.IGNORECASE)
_SHOWN = 50
"""A notebook shows so many rows of a result, and says how many there are."""


class Rows:
    """The rows of a statement, kept as an Arrow table. Libraries that read Arrow take it as it is."""

    def __init__(self, table: pa.Table, result: Result, zone: str) -> None:
        self._table = table
        self._fields = result.fields
        self._zone = zone

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow table."""
        return self._table

    def pandas(self) -> Any:
        """The rows as a pandas frame."""
        return self._table.to_pandas()

    def polars(self) -> Any:
        """The rows as a Polars frame."""
        from importlib import import_module

        return import_module("polars").from_arrow(self._table)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._result().rows())

    def __repr__(self) -> str:
        return self._written("box", Style(zone=self._zone, max_rows=_SHOWN, width=100)).rstrip("\n")

    def _repr_html_(self) -> str:
        shown = self._written("html", Style(zone=self._zone, limit=_SHOWN))
        return f"{shown}<p>{len(self)} row{'' if len(self) == 1 else 's'}</p>"

    def _result(self) -> Result:
        return _Kept(self._fields, self._table)

    def _written(self, format: str, style: Style) -> str:
        out = io.StringIO()
        write_result(self._result(), out, format, style)
        return out.getvalue()


class _Kept(Result):
    """A result whose rows are an Arrow table already."""

    def __init__(self, fields: Any, table: pa.Table) -> None:
        super().__init__(fields, row_count=lambda: table.num_rows)
        self._table = table

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._table.to_batches(max_chunksize=8192))


@magics_class
class SqlMagics(Magics):
    """The magics; their connection opens with the first statement."""

    connection: Connection | None = None

    @line_cell_magic
    def sql(self, line: str, cell: str | None = None) -> Any:
        """Run SQL. Line: `%sql [NAME <<] [--arrow|--pandas|--polars] STATEMENT`; cell: any number of statements.

        `%sql --connect URL` (or a Python variable that holds a connection) says where.
        """
        name, form, text = self._options(line)
        if cell is not None:
            text = f"{text}\n{cell}" if text else cell
        if form == "connect":
            return self._connect(text)
        try:
            found = self._run(text, form)
        except Error as e:
            raise UsageError(render_error(e, e.statement or text)) from None
        if name is None:
            return found
        self._variables[name] = found
        return None

    @property
    def _variables(self) -> dict[str, Any]:
        assert self.shell is not None
        found: dict[str, Any] = self.shell.user_ns
        return found

    def _options(self, line: str) -> tuple[str | None, str, str]:
        """What is assigned to, the form of the rows, and the rest of the line."""
        name, form, rest = None, "", line
        while True:
            named, flag = _NAMED.match(rest), _FLAG.match(rest)
            if named is not None and name is None:
                name, rest = named[1], rest[named.end() :]
            elif flag is not None:
                form, rest = flag[1], rest[flag.end() :]
            else:
                return name, form, rest.strip()

    def _connect(self, text: str) -> None:
        given = self._variables.get(text)
        if self.connection is not None and given is None:
            with contextlib.suppress(Error):
                self.connection.close()
        self.connection = given if given is not None else sqlshell.connect(text or None)

    def _run(self, text: str, form: str) -> Any:
        from sqlshell.parser.script import split

        if self.connection is None or self.connection.closed:
            self.connection = sqlshell.connect()
        found: Any = None
        for statement in split(text):
            found = self._statement(self.connection, statement.text, form)
        return found

    def _statement(self, connection: Connection, text: str, form: str) -> Any:
        values = {k: v for k, v in self._variables.items() if not k.startswith("_")}
        with self._frames(connection, text, values):
            parameters = values if ":" in text else None
            try:
                result = connection.run(text, parameters)
            except KeyboardInterrupt:
                connection.cancel()
                raise
            try:
                if not result.is_query:
                    print(result.message or "done")  # noqa: T201 - a cell's output
                    return None
                rows = Rows(result.arrow(), result, connection.session.settings.get("sqlshell.timeZone"))
            finally:
                result.close()
        return getattr(rows, form)() if form else rows

    @contextlib.contextmanager
    def _frames(self, connection: Connection, text: str, values: dict[str, Any]) -> Iterator[None]:
        """The variables that hold rows and that the statement names, as views while it runs."""
        from sqlshell.relations import find

        session = connection.session
        words = dict.fromkeys(_RELATION.findall(text))
        named = [n for n in words if hasattr(type(values.get(n)), "__arrow_c_stream__")]
        named = [n for n in named if n.lower() not in session.views and find(session, (n,)) is None]
        for name in named:
            connection.register(name, values[name])
        try:
            yield
        finally:
            for name in named:
                connection.unregister(name)


def load(shell: Any) -> None:
    """Add the magics to an IPython shell."""
    shell.register_magics(SqlMagics(shell))
