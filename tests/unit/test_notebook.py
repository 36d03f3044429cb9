"""`%sql` and `%%sql` in an IPython shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from sqlshell.connect.dbapi import Connection
from sqlshell.notebook import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session


@pytest.fixture
def shell(session: Session) -> Iterator[Any]:
    shell = InteractiveShell(user_ns={"con": Connection(session)})
    try:
        shell.run_line_magic("load_ext", "sqlshell")
        shell.run_line_magic("sql", "--connect con")
        yield shell
    finally:
        shell.history_manager.end_session()
        shell.restore_sys_module_state()


def test_forms(shell: Any) -> None:
    rows = shell.run_line_magic("sql", "SELECT id, id * 2 AS twice FROM range(3)")
    assert isinstance(rows, Rows)
    assert list(rows) == [(0, 0), (1, 2), (2, 4)]
    assert "│ id │ twice │" in repr(rows)
    assert '<td class="number">4</td>' in rows._repr_html_()
    assert pl.DataFrame(rows)["twice"].sum() == 6
    assert shell.run_line_magic("sql", "--arrow SELECT 1 AS x").equals(pa.table({"x": pa.array([1], pa.int32())}).cast(
        pa.schema([pa.field("x", pa.int32(), nullable=False)])))  # fmt: skip
    shell.run_cell_magic(
        "sql", "many << --pandas", "CREATE TEMPORARY VIEW v AS SELECT 1 AS a;\nSELECT a FROM v;"
    )
    assert isinstance(shell.user_ns["many"], pd.DataFrame)
    assert shell.run_cell_magic("sql", "--polars", "SELECT a FROM v")["a"].to_list() == [1]


def test_python_variables(shell: Any) -> None:
    shell.user_ns |= {"least": 2, "people": pl.DataFrame({"name": ["Ada", "Bob"], "age": [36, 1]})}
    assert list(shell.run_line_magic("sql", "SELECT name FROM people WHERE age > :least")) == [("Ada",)]
    with pytest.raises(UsageError):
        shell.run_line_magic("sql", "SELECT 1 FROM nobody WHERE 1 > :nothing")
    shell.run_line_magic("sql", "CREATE TEMPORARY VIEW people AS SELECT 'v' AS name")
    assert list(shell.run_line_magic("sql", "SELECT name FROM people")) == [
        ("v",)
    ]  # the view hides the variable


def test_errors_are_not_tracebacks(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = shell.run_cell("%sql SELECT nam FROM VALUES ('x') t(name)")
    assert not done.success
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "^" in text
    assert "name" in text
    assert "Traceback" not in text
