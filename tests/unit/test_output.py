"""Output formats: what is written can be read back, the same from workers and from here, and fits the terminal."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import duckdb
import pytest

from sqlshell.exec import engine
from sqlshell.shell.output import FORMATS, Style, write_result
from sqlshell.shell.output.files import replacing
from sqlshell.shell.output.values import float32, shortest
from sqlshell.shell.output.width import cut, one_line, pad, width

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.result import Result
    from sqlshell.session import Session

PLAIN = """
    SELECT id, CASE WHEN id % 3 = 0 THEN NULL ELSE double(id) / 7 END AS d, double(id * 1e15) AS big,
        double(id) * 1e-6 AS small, float(id) / 3 AS f, cast(id * 1.5 AS decimal(12,3)) AS dec,
        CASE id % 8 WHEN 0 THEN '' WHEN 1 THEN 'a,b' WHEN 2 THEN 'q"x' WHEN 3 THEN 'l\\nn' WHEN 4 THEN NULL
            WHEN 5 THEN 'tab\\tx' WHEN 6 THEN ' ž😀\\\\' ELSE 'cr\\rx' END AS s,
        id % 2 = 0 AS b, date '2020-01-01' + int(id) AS dt,
        timestamp '2020-03-29 00:30:00' + make_dt_interval(0, int(id), 0, id / 4) AS ts,
        timestamp_ntz '1900-01-01 00:00:00.123456' AS n, double('NaN') AS nan, double('-Infinity') AS inf, id
    FROM range(40)
"""
NESTED = """
    SELECT * FROM VALUES
        (1, '日本語', NULL, array('a', NULL), named_struct('x', 1.5, 'y', ''), map('k', date '2020-01-01'), 1.0f,
            X'CAFE', interval '1-2' year to month, interval '-1 2:3:4.5' day to second, timestamp '2020-01-01'),
        (2, 'é|<b>&_', 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
        AS t(a, `b c`, c, d, e, f, g, h, i, j, k)
"""


def text_of(result: Result, format: str, style: Style | None = None) -> str:
    out = io.StringIO()
    write_result(result, out, format, style)
    result.close()
    return out.getvalue()


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl"])
def test_workers_write_the_same_bytes(session: Session, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session.settings.set("sqlshell.timeZone", "Europe/Berlin")
    style = Style("Europe/Berlin")
    here = text_of(session.execute(PLAIN), format, style)
    monkeypatch.setattr(session.controls, "export", format)
    run = engine.Engine.run
    monkeypatch.setattr(engine.Engine, "run", lambda *a, **k: run(*a, **{**k, "inline_cells": 0}))
    result = session.execute(PLAIN)
    assert result.is_text
    assert text_of(result, format, style) == here
    session.settings.reset()


def test_nested_results_are_not_exported(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.controls, "export", "csv")
    assert not session.execute("SELECT array(id) AS a FROM range(5000)").is_text


def test_csv_is_read_back_by_others(session: Session, tmp_path: Path) -> None:
    rows = [(r[0], r[6]) for r in session.execute(PLAIN).rows()]
    text = text_of(session.execute(PLAIN), "csv")
    python = [(int(r[0]), r[6]) for r in list(csv.reader(io.StringIO(text, newline="")))[1:]]
    assert python == [(a, b or "") for a, b in rows]
    path = tmp_path / "x.csv"
    path.write_text(text, newline="")
    read = f"SELECT id, s FROM read_csv('{path}', nullstr='', allow_quoted_nulls=false, new_line='\\n') ORDER BY id"
    assert duckdb.sql(read).fetchall() == rows  # NULL and the empty text stay apart


def test_json_is_valid_everywhere(session: Session) -> None:
    array = json.loads(text_of(session.execute(NESTED), "json"))
    lines = [json.loads(x) for x in text_of(session.execute(NESTED), "jsonl").splitlines()]
    assert array == lines
    assert lines[0]["e"] == {"x": 1.5, "y": ""}
    assert lines[0]["d"] == ["a", None]
    assert lines[0]["f"] == {"k": "2020-01-01"}
    values = json.loads(text_of(session.execute(PLAIN), "jsonl").splitlines()[1])
    assert values["nan"] is None
    assert values["id_2"] == values["id"] == 1
    assert text_of(session.execute("SELECT 1 AS a WHERE false"), "json") == "[]\n"


def test_insert_gives_the_same_values_back(session: Session) -> None:
    text = text_of(session.execute(NESTED), "insert")
    head, _, values = text.partition(" VALUES\n")
    assert head == "INSERT INTO result (a, `b c`, c, d, e, f, g, h, i, j, k)"
    again = session.execute(f"SELECT * FROM VALUES {values.rstrip().rstrip(';')}")
    assert list(again.rows()) == list(session.execute(NESTED).rows())


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_files_hold_the_same_table(session: Session, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"x.{format}"
    with replacing(str(path)) as out:
        write_result(session.execute(NESTED), out, format)
    wanted = session.execute(NESTED).arrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.read_table(path) if format == "parquet" else pa.ipc.open_stream(path).read_all()
    assert found.to_pylist() == wanted.to_pylist()


def test_html_is_escaped(session: Session) -> None:
    cells: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            cells.append(data)

        def handle_starttag(self, tag: str, attrs: object) -> None:
            assert tag in {"table", "thead", "tbody", "tr", "th", "td"}

    Reader().feed(text_of(session.execute("SELECT '<script>alert(1)</script>&' AS x, NULL AS y"), "html"))
    assert "<script>alert(1)</script>&" in cells


def test_markdown_and_latex_keep_their_columns(session: Session) -> None:
    sql = "SELECT 'a|b' AS `x|y`, 'l\\nm' AS l, '50% & _' AS t"
    markdown = text_of(session.execute(sql), "markdown").splitlines()
    assert {line.replace("\\|", "").count("|") for line in markdown} == {4}
    latex = text_of(session.execute(sql), "latex")
    assert r"50\% \& \_" in latex


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_boxes_fit_the_terminal(session: Session, columns: int) -> None:
    text = text_of(session.execute(NESTED), "box", Style(width=columns))
    lines = [line for line in text.splitlines() if line[0] in "┌│├└"]
    assert len({width(line) for line in lines}) == 1
    assert width(lines[0]) <= max(columns, 40)


def test_boxes_say_what_they_leave_out(session: Session) -> None:
    text = text_of(session.execute("FROM range(1500)"), "box")
    assert text.endswith("1500 rows, 500 not shown (--format csv gives all)\n")
    text = text_of(session.execute(NESTED), "box", Style(width=60))
    assert "of 11 columns not shown" in text


def test_null_is_unlike_empty_and_the_word(session: Session) -> None:
    row = text_of(
        session.execute("SELECT NULL AS a, '' AS b, 'NULL' AS c"), "box", Style(colour=True)
    ).splitlines()[3]
    assert row == "│ \x1b[2mNULL\x1b[0m │   │ NULL │"


def test_control_characters_cannot_reach_the_terminal(session: Session) -> None:
    sql = "SELECT concat('a', char(27), '[2J', char(7), char(13), 'b') AS x"
    for name in ("box", "table", "vertical", "markdown"):
        text = text_of(session.execute(sql), name)
        assert not {c for c in text if c < " " and c != "\n"}


def test_limits_hold_in_every_format(session: Session) -> None:
    for name in set(FORMATS) - {"none", "parquet", "arrow"}:
        limited = text_of(session.execute("FROM range(100)"), name, Style(limit=3))
        assert "2" in limited
        assert "7" not in limited.replace("97 not shown", "")


def test_widths() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert width("a\u200bb") == 2
    assert cut("日本語", 4) == "日…"
    assert pad("日", 4) == "日  "
    assert one_line("a\nb\x1b") == "a⏎b␛"


def test_floats_are_short() -> None:
    assert float32(0.10000000149011612) == "0.1"
    assert float32(1e20) == "1e+20"
    assert shortest(repr(1e-5)) == "0.00001"
    assert shortest(repr(-1.5e-5)) == "-0.000015"
    assert shortest(repr(1.5e-7)) == "1.5e-7"


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(str(path)) as out:
        out.write("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
    with replacing(str(path)) as out:
        out.write("new")
    assert path.read_text() == "new"
