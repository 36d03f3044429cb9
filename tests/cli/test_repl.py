"""The interactive shell in a real terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path) as t:
        yield t


def test_statement_continues_until_its_semicolon(terminal: Terminal) -> None:
    terminal.type("SELECT 40 + 2\r")
    terminal.wait_for("...>")
    terminal.type("AS answer;\r")
    terminal.wait_for("│     42 │")
    terminal.wait_for(lambda t: t.endswith("sql>"))


def test_errors_do_not_end_the_session(terminal: Terminal) -> None:
    terminal.type("SELECT nosuch;\r")
    terminal.wait_for("UNRESOLVED_COLUMN")
    terminal.type("SELECT 1 AS still_here;\r")
    terminal.wait_for("│ still_here │")


def test_tab_completes_columns_of_an_alias(terminal: Terminal) -> None:
    terminal.type("SELECT 1 AS warm;\r")
    terminal.wait_for("│ warm │")
    terminal.type("SELECT o.categ")
    terminal.type(" FROM 'orders.parquet' o")
    terminal.type("\x1b[D" * len(" FROM 'orders.parquet' o"))
    terminal.type("\t")
    terminal.wait_for("o.category")
    terminal.type("\x1b[F LIMIT 1;\r")
    terminal.wait_for("│ category")


def test_interrupt_cancels_and_the_session_lives(terminal: Terminal) -> None:
    terminal.type("CREATE TEMPORARY VIEW kept AS SELECT 7 AS seven;\r")
    terminal.wait_for(lambda t: t.rstrip().endswith("sql>") and "kept" in t)
    terminal.type("SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id % 7 > b.id % 11;\r")
    terminal.wait_for("partition")  # progress: it runs
    terminal.type("\x03")
    terminal.wait_for("cancelled")
    terminal.type("SELECT seven FROM kept;\r")
    terminal.wait_for("│     7 │")


def test_interrupt_at_the_prompt_clears_the_line(terminal: Terminal) -> None:
    terminal.type("SELECT garbage")
    terminal.wait_for("garbage")
    terminal.type("\x03")
    terminal.type("SELECT 'fresh' AS line;\r")
    terminal.wait_for("│ fresh │")


def test_paste_of_a_megabyte(terminal: Terminal) -> None:
    filler = "-- \tpadding that is only a comment, and long enough to count\n" * 17_000
    assert len(filler) > 1_000_000
    terminal.paste(f"SELECT length('a\tb') AS n,\n{filler}'end' AS e")
    terminal.wait_for("'end' AS e")
    terminal.type(";\r")
    terminal.wait_for("│ 3 │ end │")


def test_wide_characters_keep_the_frame(terminal: Terminal) -> None:
    terminal.type("SELECT '日本語' AS a, 'e\u0301' AS b, '😀' AS c;\r")
    text = terminal.wait_for("1 row")
    lines = [line for line in text.splitlines() if line.startswith(("┌", "│", "└"))]
    assert len(lines) == 4
    rights = {
        terminal.screen.display[y].rstrip()[-1]
        for y in range(30)
        if terminal.screen.display[y].startswith("│")
    }
    assert rights == {"│"}


def test_resize_is_noticed(tmp_path: Path) -> None:
    with Terminal(tmp_path, columns=120) as t:
        t.type("SELECT repeat('x', 90) AS wide;\r")
        t.wait_for("x" * 90)
        t.process.setwinsize(30, 50)
        t.screen.resize(30, 50)
        t.type("\x0cSELECT repeat('y', 90) AS narrow;\r")
        text = t.wait_for("1 row")
        assert "y…" in text


def test_layout_key(terminal: Terminal) -> None:
    terminal.type("select a,b from t where x")
    terminal.type("\x1bOS")
    terminal.wait_for("WHERE x")


def test_history_is_searched_fuzzily_and_stays(tmp_path: Path) -> None:
    with Terminal(tmp_path) as t:
        t.type("SELECT 'needle' AS hay;\r")
        t.wait_for("│ needle │")
        t.type("\x04")
        t.process.expect_exact(pexpect.EOF)
    with Terminal(tmp_path) as t:
        t.type("ndl hay\x12")
        t.wait_for("SELECT 'needle' AS hay;")
        t.type("\x1b[B\r")
        t.type("\r")
        t.wait_for("│ needle │")


def test_last_result_and_commands(terminal: Terminal) -> None:
    terminal.type("SELECT 20 AS n UNION ALL SELECT 22;\r")
    terminal.wait_for("2 rows")
    terminal.type("SELECT sum(n) AS total FROM _;\r")
    terminal.wait_for("│    42 │")
    terminal.type(".mode csv\r")
    terminal.type("\\x\r")
    terminal.type("SELECT 5 AS five;\r")
    terminal.wait_for("five | 5")
    terminal.type("help lenght\r")
    terminal.wait_for("this is length")
    terminal.type(".quit\r")
    terminal.process.expect_exact(pexpect.EOF)
