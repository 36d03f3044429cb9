"""Large text files read by byte ranges: any number of them gives the rows of the whole file."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import CorruptInputError
from sqlshell.exec.splits import assign, useful_tasks
from sqlshell.storage import records
from sqlshell.storage.describe import describe_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlshell.session import Session

ROWS = 6000


def cells(i: int) -> tuple[str, str]:
    """A text that CSV has to quote now and then, and one of several bytes a character."""
    kinds = ("plain", 'with "quotes"', "two\nlines, one cell", '"\n"', "semi;colon, comma", "", "tab\there")
    return kinds[i % len(kinds)], "äöü→漢字😀" * (i % 8)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n\r;') else text


def table(end: str, *, header: bool, last: bool, bad: tuple[int, ...] = ()) -> bytes:
    rows = ["id,text,word,amount"] if header else []
    for i in range(ROWS):
        text, word = cells(i)
        value = "oops" if i in bad else f"{i}.5"
        rows.append(
            f"{i},{quoted(text)},{word},{value},7" if i in bad[1:] else f"{i},{quoted(text)},{word},{value}"
        )
    return (end.join(rows) + (end if last else "")).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("block", [64, 1000, 1 << 20])
def test_ranges_hold_every_record_once(tmp_path: Path, end: str, last: bool, block: int) -> None:
    content = table(end, header=True, last=last)
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    starts = set()
    for tasks in range(1, 8):
        cuts = [len(content) * i // tasks for i in range(tasks)] + [None]
        found = [list(records.blocks(str(path), cuts[i] or 0, cuts[i + 1], '"', block)) for i in range(tasks)]
        assert b"".join(b for parts in found for b in parts) == content
        starts |= {parts[0][:6] for parts in found[1:] if parts}
    assert all(start[:1].isdigit() for start in starts)


@pytest.fixture(params=range(1, 8))
def ranges(request: pytest.FixtureRequest, pool_session: Session) -> Iterator[Session]:
    """A session that reads by 1 to 7 ranges."""
    pool_session.settings.set("sqlshell.partitions", str(request.param))
    yield pool_session
    pool_session.settings.set("sqlshell.partitions", "3")


def rows(session: Session, sql: str) -> list[Any]:
    return list(session.execute(sql).rows())


@pytest.mark.parametrize(
    ("end", "header", "last"), [("\n", True, True), ("\r\n", True, False), ("\n", False, False)]
)
def test_csv_is_the_same_by_any_ranges(
    ranges: Session, tmp_path: Path, end: str, header: bool, last: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(table(end, header=header, last=last))
    schema = "id INT, text STRING, word STRING, amount DOUBLE"
    sql = f"FROM read_files('{path}', format => 'csv', schema => '{schema}', header => {str(header).lower()})"
    partitions = ranges.settings.get("sqlshell.partitions")
    source = describe_source(str(path), "csv", {})
    assert len(assign(source, useful_tasks(source, partitions))) == partitions
    expected = [(i, cells(i)[0] or None, cells(i)[1] or None, i + 0.5) for i in range(ROWS)]
    assert sorted(rows(ranges, sql)) == sorted(expected)
    assert rows(ranges, f"SELECT count(*), sum(id) {sql} WHERE id % 2 = 0") == [
        (ROWS // 2, sum(range(0, ROWS, 2)))
    ]
    assert len(rows(ranges, f"SELECT word {sql} LIMIT 5")) == 5


def test_malformed_csv_by_ranges(ranges: Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    bad = (2500, 2700)
    content = table("\n", header=True, last=True, bad=bad)
    path.write_bytes(content)
    schema = "id INT, text STRING, word STRING, amount DOUBLE"
    sql = f"FROM read_files('{path}', format => 'csv', schema => '{schema}', header => true, mode => '{{}}')"
    with pytest.raises(CorruptInputError) as caught:
        rows(ranges, "SELECT sum(id) " + sql.format("FAILFAST"))
    lines = content.decode().split("\n")
    places = [n for n, line in enumerate(lines, 1) if line.startswith(tuple(f"{i}," for i in bad))]
    assert any(f"{path}, line {n}" in caught.value.message for n in places)
    tolerant = rows(ranges, "SELECT count(*), count(amount), sum(id) " + sql.format("PERMISSIVE"))
    assert tolerant == [(ROWS, ROWS - len(bad), sum(range(ROWS)))]
    dropped = rows(ranges, "SELECT count(*), sum(id) " + sql.format("DROPMALFORMED"))
    assert dropped == [(ROWS - len(bad), sum(range(ROWS)) - sum(bad))]


def test_csv_with_comments_is_not_cut(tmp_path: Path, pool_session: Session) -> None:
    path = tmp_path / "t.csv"
    body = "".join(f'# "{i}\n{i},x\n' for i in range(20_000))
    path.write_text(f"id,word\n{body}")
    source = describe_source(str(path), "csv", {"comment": "#"})
    assert useful_tasks(source, 4) == 1
    assert useful_tasks(describe_source(str(path), "csv", {}), 4) > 1
    sql = f"SELECT count(*), sum(id) FROM read_files('{path}', format => 'csv', comment => '#')"
    assert rows(pool_session, sql) == [(20_000, sum(range(20_000)))]


def test_compressed_files_are_not_cut(tmp_path: Path) -> None:
    import random

    text = "".join(f"{random.random()},{i}\n" for i in range(20_000)).encode()
    for name in ("t.csv.gz", "hidden.csv"):
        (tmp_path / name).write_bytes(gzip.compress(text))
        assert (
            useful_tasks(describe_source(str(tmp_path / name), "csv", {"schema": "a DOUBLE, b INT"}), 4) == 1
        )


@pytest.mark.parametrize(("mode", "last"), [("FAILFAST", ""), ("FAILFAST", "\r\n"), ("PERMISSIVE", "\n")])
def test_json_lines_are_the_same_by_any_ranges(ranges: Session, tmp_path: Path, mode: str, last: str) -> None:
    path = tmp_path / "t.jsonl"
    records_ = [
        {"id": i, "text": cells(i)[0], "word": cells(i)[1], "nest": {"a": [i, i + 1]}} for i in range(ROWS)
    ]
    end = last or "\n"
    path.write_bytes((end.join(json.dumps(r, ensure_ascii=False) for r in records_) + last).encode())
    assert useful_tasks(describe_source(str(path), None, {}), 7) == 7
    sql = f"SELECT id, text, word, nest.a[1] FROM read_files('{path}', mode => '{mode}')"
    assert sorted(rows(ranges, sql)) == [
        (r["id"], r["text"], r["word"], i + 1) for i, r in enumerate(records_)
    ]


def test_malformed_json_by_ranges(ranges: Session, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [json.dumps({"id": i, "word": "x" * 40}) for i in range(ROWS)]
    lines[2500] = '{"id": 2500, "word'
    path.write_text("\n".join(lines))
    read = f"FROM read_files('{path}', schema => 'id BIGINT, word STRING', mode => '{{}}')"
    with pytest.raises(CorruptInputError, match=r"t\.jsonl, line 2501, column "):
        rows(ranges, "SELECT sum(id) " + read.format("FAILFAST"))
    good = sum(range(ROWS)) - 2500
    assert rows(ranges, "SELECT count(*), sum(id) " + read.format("PERMISSIVE")) == [(ROWS, good)]
    assert rows(ranges, "SELECT count(*), sum(id) " + read.format("DROPMALFORMED")) == [(ROWS - 1, good)]
