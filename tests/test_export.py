"""COPY ... TO, INSERT OVERWRITE DIRECTORY and COPY INTO: files that others read, each file loaded once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from sqlshell.errors import AnalysisError, Error, NotSupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session

QUERY = (
    "SELECT id, id % 3 AS k, CAST(id AS decimal(10,2)) AS d, concat('a,\"', id, '\\n') AS s, if(id = 2, '', NULL) AS e,"
    " DATE'2024-02-29' AS day, TIMESTAMP'2020-01-01 00:00:00.5' AS t, named_struct('x', id) AS st FROM range(7)"
)
FLAT = f"SELECT id, d, s, e, day, t FROM ({QUERY})"


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


@pytest.fixture(params=["solo", "pool"])
def either(request: pytest.FixtureRequest) -> Session:
    """A session of each kind."""
    found: Session = request.getfixturevalue("session" if request.param == "solo" else "pool_session")
    return found


def test_one_file_of_each_format(either: Session, tmp_path: Path) -> None:
    expected = rows(either, f"{QUERY} ORDER BY id")
    for name in ("a.parquet", "a.arrow"):
        path = tmp_path / name
        assert rows(either, f"COPY ({QUERY} ORDER BY id) TO '{path}'") == [(7,)]
        assert rows(either, f"SELECT * FROM '{path}' ORDER BY id") == expected
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == 7
    assert pyarrow.feather.read_table(tmp_path / "a.arrow").column_names[0] == "id"
    assert rows(either, f"COPY ({QUERY}) TO '{tmp_path / 'a.jsonl'}'") == [(7,)]
    lines = [json.loads(x) for x in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sorted(x["id"] for x in lines) == list(range(7))
    assert lines[0]["st"] == {"x": lines[0]["id"]}
    assert rows(either, f"COPY ({FLAT} ORDER BY id) TO '{tmp_path / 'a.csv'}'") == [(7,)]
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    theirs = pyarrow.csv.read_csv(tmp_path / "a.csv", parse_options=options)
    assert theirs["s"].to_pylist() == [f'a,"{i}\n' for i in range(7)]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "warehouse") == [
        "a.arrow", "a.csv", "a.jsonl", "a.parquet",
    ]  # fmt: skip


def test_directories_and_partitions(either: Session, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert rows(
        either, f"COPY ({QUERY}) TO '{out}' (FORMAT parquet, PARTITION_BY (k), COMPRESSION snappy)"
    ) == [(7,)]
    assert sorted(p.name for p in out.iterdir()) == ["k=0", "k=1", "k=2"]
    assert sorted(rows(either, f"SELECT id, k FROM '{out}'")) == [(i, i % 3) for i in range(7)]
    with pytest.raises(AnalysisError) as e:
        either.execute(f"COPY (SELECT 1 AS a) TO '{out}'")
    assert e.value.condition == "PATH_ALREADY_EXISTS"
    either.execute(f"INSERT OVERWRITE DIRECTORY '{out}' USING json SELECT id FROM range(3)")
    assert sorted(rows(either, f"SELECT * FROM '{out}'")) == [(0,), (1,), (2,)]
    directory = f"INSERT OVERWRITE DIRECTORY '{out}' USING csv OPTIONS (header 'true')"
    either.execute(f"WITH q AS (SELECT 5 AS a) {directory} SELECT * FROM q")
    assert rows(either, f"SELECT * FROM read_files('{out}', header => true)") == [(5,)]


def test_failures_leave_nothing(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Error, match="zero"):
        session.execute(f"COPY (SELECT 1 / (id - 5) AS a FROM range(10)) TO '{path}'")
    with pytest.raises(NotSupportedError, match="heder"):
        session.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path / 'x.csv'}' (HEDER true)")
    with pytest.raises(AnalysisError, match="cannot hold"):
        session.execute(f"COPY (SELECT array(1) AS a) TO '{tmp_path / 'x.csv'}'")
    with pytest.raises(Error):
        session.execute(f"COPY (SELECT 1 AS a, 2 AS a) TO '{path}'")
    assert sorted(tmp_path.rglob("*")) == before
    session.execute(f"COPY (SELECT 1 AS a) TO '{path}'")
    with pytest.raises(Error, match="zero"):
        session.execute(f"COPY (SELECT 1 / (id - 5) AS a FROM range(10)) TO '{path}' (OVERWRITE)")
    assert rows(session, f"SELECT * FROM '{path}'") == [(1,)]


@pytest.mark.parametrize("value", ["parse_json('{}')", "array(make_interval(1))"])
def test_types_without_a_form_in_files_are_refused(session: Session, tmp_path: Path, value: str) -> None:
    with pytest.raises(AnalysisError) as caught:
        session.execute(f"COPY (SELECT {value} AS v) TO '{tmp_path}/x.parquet'")
    assert caught.value.condition == "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE"
    assert list(tmp_path.iterdir()) == []


def test_empty_results_are_files(session: Session, tmp_path: Path) -> None:
    session.execute(f"COPY (SELECT 1 AS a WHERE false) TO '{tmp_path / 'e.parquet'}'")
    session.execute(f"COPY (SELECT 1 AS a WHERE false) TO '{tmp_path / 'e.csv'}'")
    assert pyarrow.parquet.read_table(tmp_path / "e.parquet").schema.names == ["a"]
    assert (tmp_path / "e.csv").read_text() == "a\n"


def test_copy_into_takes_each_file_once(either: Session, tmp_path: Path) -> None:
    files = tmp_path / "in"
    files.mkdir()
    (files / "a.csv").write_text("id,name\n1,x\n2,y\n")
    (files / "b.csv").write_text("id,name\n3,z\n")
    either.execute("CREATE TABLE t (id bigint, name string, extra int)")
    load = f"COPY INTO t FROM '{files}' FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')"
    assert rows(either, f"{load} COPY_OPTIONS ('force' = 'false')") == [(3, 3, 2)]
    assert rows(either, load) == [(0, 0, 0)]
    (files / "c.csv").write_text("id,name\n4,w\n")
    assert rows(either, f"{load[:-1]})") == [(1, 1, 1)]
    selected = f"COPY INTO t FROM (SELECT id * 10 AS id FROM '{files}') FILEFORMAT = CSV"
    again = f"{selected} PATTERN = 'a*' FORMAT_OPTIONS ('header' = 'true') COPY_OPTIONS ('force' = 'true')"
    assert rows(either, again) == [(2, 2, 1)]
    assert rows(either, "SELECT id, name FROM t ORDER BY id") == [
        (1, "x"), (2, "y"), (3, "z"), (4, "w"), (10, None), (20, None),
    ]  # fmt: skip
