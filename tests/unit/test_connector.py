"""The connector beyond PEP 249: URLs, metadata, prepared statements, registered data, ADBC, asyncio, libraries."""

from __future__ import annotations

import asyncio
import threading
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import adbc_driver_sqlshell.dbapi as adbc
import sqlshell
import sqlshell.aio
from sqlshell.connect.dbapi import Connection
from sqlshell.connect.url import parse_url
from sqlshell.errors import InterfaceError, NotSupportedError, ProgrammingError, QueryCancelled, QueryTimeout

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session

SLOW = "SELECT count(*) FROM range(400000) a JOIN range(400000) b ON a.id % 7 > b.id % 11"


@pytest.fixture
def con(session: Session) -> Connection:
    return Connection(session)


def test_urls() -> None:
    assert parse_url("sqlshell://") == {}
    assert parse_url("sqlshell:///house?workers=8") == {"warehouse": "house", "workers": 8}
    assert parse_url("jdbc:sqlshell:////a/b%20c?dialect=duckdb&sqlshell.partitions=3") == {
        "warehouse": "/a/b c", "dialect": "duckdb", "settings": {"sqlshell.partitions": "3"},
    }  # fmt: skip
    with pytest.raises(InterfaceError) as wrong:
        parse_url("sqlshell:///x?worker=8")
    assert "workers" in (wrong.value.hint or "")
    for bad in ("sqlshell://host/x", "sqlshell:///x?workers=many"):
        with pytest.raises(InterfaceError):
            parse_url(bad)


def test_connect_by_url(tmp_path: Path) -> None:
    with sqlshell.connect(f"sqlshell:///{tmp_path}?timeout=30") as connection:
        connection.execute("CREATE TABLE t (a INT)")
        assert (tmp_path / "default" / "t" / "_delta_log").is_dir()
        assert connection.session.controls.timeout == 30


def test_metadata(con: Connection) -> None:
    con.execute("CREATE TABLE people (name STRING NOT NULL COMMENT 'who', born DATE, pay DECIMAL(10,2))")
    con.execute("CREATE VIEW adults AS SELECT name FROM people")
    con.execute("CREATE TEMPORARY VIEW passing AS SELECT 1 AS x")
    assert con.catalogs().to_pydict() == {"TABLE_CAT": ["sqlshell"]}
    assert "default" in con.schemas(schema_pattern="DEF%")["TABLE_SCHEM"].to_pylist()
    listed = con.tables(table_pattern="%")
    kinds = dict(zip(listed["TABLE_NAME"].to_pylist(), listed["TABLE_TYPE"].to_pylist(), strict=True))
    assert kinds["people"] == "TABLE"
    assert (kinds["adults"], kinds["passing"], kinds["columns"]) == ("VIEW", "TEMPORARY VIEW", "SYSTEM VIEW")
    assert con.tables(table_pattern="PEO%", types=["VIEW"]).num_rows == 0
    columns = con.columns(table_pattern="peo_le").to_pylist()
    assert [(c["COLUMN_NAME"], c["TYPE_NAME"], c["DATA_TYPE"], c["IS_NULLABLE"]) for c in columns] == [
        ("name", "string", 12, "NO"), ("born", "date", 91, "YES"), ("pay", "decimal(10,2)", 3, "YES"),
    ]  # fmt: skip
    assert (columns[2]["COLUMN_SIZE"], columns[2]["DECIMAL_DIGITS"], columns[0]["REMARKS"]) == (10, 2, "who")
    assert con.columns(table_pattern="passing")["COLUMN_NAME"].to_pylist() == ["x"]
    assert {"bigint", "decimal", "map"} <= set(con.type_info()["TYPE_NAME"].to_pylist())
    assert con.functions(function_pattern="abs")["FUNCTION_NAME"].to_pylist() == ["abs"]
    con.execute("INSERT INTO people VALUES ('Ada', DATE '1815-12-10', 1)")
    assert con.versions("people")["version"].to_pylist() == [1, 0]
    assert con.models().num_rows == 0
    nested = con.adbc_get_objects(depth="columns", table_name_filter="people").read_all().to_pylist()
    schema = next(s for s in nested[0]["catalog_db_schemas"] if s["db_schema_name"] == "default")
    assert [c["column_name"] for c in schema["db_schema_tables"][0]["table_columns"]] == [
        "name",
        "born",
        "pay",
    ]
    assert con.adbc_get_objects(depth="catalogs").read_all().to_pylist() == [
        {"catalog_name": "sqlshell", "catalog_db_schemas": None}
    ]
    assert con.adbc_get_table_schema("people").names == ["name", "born", "pay"]
    assert con.adbc_get_info()["vendor_name"] == "sqlshell"


def test_prepared_statements_know_their_columns(con: Connection) -> None:
    prepared = con.prepare(
        "SELECT order_id, price * 2 AS twice FROM 'orders.parquet' WHERE price > ? LIMIT ?"
    )
    assert prepared.parameters.names == ["?1", "?2"]
    assert prepared.schema == pa.schema(
        [pa.field("order_id", pa.int64()), pa.field("twice", pa.decimal128(12, 2))]
    )
    cursor = prepared.execute([Decimal(1), 2])
    assert cursor.fetch_arrow_table().schema == prepared.schema
    assert cursor.rowcount == 2
    assert con.prepare("SELECT :a AS x", {"a": date(2026, 1, 1)}).schema == pa.schema(
        [pa.field("x", pa.date32(), False)]
    )
    assert con.prepare("CREATE TABLE later (a INT)").schema is None
    assert con.tables(table_pattern="later").num_rows == 0  # nothing ran
    with pytest.raises(ProgrammingError) as wrong:
        con.prepare("SELECT nothing FROM 'orders.parquet' WHERE price > :p")
    assert wrong.value.condition == "UNRESOLVED_COLUMN.WITH_SUGGESTION"


def test_registered_data(con: Connection) -> None:
    table = pa.table({
        "n": pa.array([1, None, 3], pa.int32()),
        "d": pa.array([Decimal("1.50"), None, Decimal("-2.25")]),
        "s": pa.array(["a", None, "ä"]).dictionary_encode(),
        "l": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
        "t": pa.array([date(2026, 1, 1), None, date(1900, 1, 1)]),
    })  # fmt: skip
    con.register("given", table)
    assert con.execute("SELECT * FROM given").fetchall() == [tuple(r.values()) for r in table.to_pylist()]
    con.register("given", pl.DataFrame({"x": [1, 2], "y": ["p", "q"]}))  # replaces the first
    assert con.execute("SELECT sum(x), max(y) FROM given").fetchall() == [(3, "q")]
    con.register("frame", pd.DataFrame({"k": [1.5, 2.5], "w": ["u", None]}, index=[7, 8]))
    assert con.execute("SELECT * FROM frame ORDER BY k").fetchall() == [(1.5, "u"), (2.5, None)]
    con.register("parts", {"a": [1, 2, 3]})
    assert con.execute("SELECT count(*) FROM parts JOIN given ON a = x").fetchall() == [(2,)]
    con.register("stream", con.execute("SELECT id FROM range(300000)").fetch_record_batch())
    assert con.execute("SELECT count(*), sum(id) FROM stream").fetchall() == [(300_000, 44_999_850_000)]
    assert con.unregister("given")
    assert not con.unregister("given")
    with pytest.raises(ProgrammingError):
        con.execute("SELECT * FROM given")
    with pytest.raises(InterfaceError):
        con.register("bad", 5)
    for name in ("frame", "parts", "stream"):
        con.unregister(name)


def test_ingest(con: Connection) -> None:
    cursor = con.cursor()
    assert cursor.adbc_ingest("t", pa.table({"a": [1, 2]})) == 2
    assert cursor.adbc_ingest("t", pa.table({"a": [3]}), mode="append") == 1
    assert cursor.adbc_ingest("t", pl.DataFrame({"a": [4]}), mode="create_append") == 1
    with pytest.raises(ProgrammingError):
        cursor.adbc_ingest("t", pa.table({"a": [9]}), mode="create")
    assert sorted(cursor.execute("SELECT a FROM t").fetchall()) == [(1,), (2,), (3,), (4,)]
    assert cursor.adbc_ingest("t", pa.table({"b": ["x"]}), mode="replace") == 1
    assert cursor.execute("SELECT * FROM t").fetchall() == [("x",)]
    with pytest.raises(NotSupportedError):
        cursor.adbc_ingest("t", pa.table({"b": ["x"]}), temporary=True)


def test_rows_changed_are_counted(con: Connection) -> None:
    cursor = con.execute("CREATE TABLE t (a INT, b STRING)")
    assert (cursor.description, cursor.rowcount) == (None, -1)
    cursor.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, "y")])
    assert (cursor.description, cursor.rowcount) == (None, 2)
    cursor.executemany("INSERT INTO t VALUES (?, ?)", pa.table({"a": [3], "b": ["z"]}))
    assert cursor.execute("DELETE FROM t WHERE a > 1").rowcount == 2
    with pytest.raises(InterfaceError):
        cursor.fetchone()
    assert cursor.execute("SELECT a FROM t").rowcount == 1


def test_other_libraries_read_the_stream(con: Connection) -> None:
    cursor = con.execute("SELECT id, id % 3 AS m FROM range(10)")
    assert pl.DataFrame(cursor).shape == (10, 2)
    assert pa.table(cursor).num_rows == 10
    assert pd.DataFrame.from_arrow(cursor).shape == (10, 2)
    assert cursor.fetch_df().shape == cursor.fetch_polars().shape == (10, 2)


def test_pandas_and_polars_take_the_arrow_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with adbc.connect(str(tmp_path)) as connection:
        monkeypatch.setattr(adbc.Cursor, "fetchall", _must_not_be_used)
        monkeypatch.setattr(adbc.Cursor, "fetchmany", _must_not_be_used)
        query = "SELECT id, CAST(id AS STRING) AS s FROM range(5)"
        assert pl.read_database(query, connection).shape == (5, 2)
        assert (
            sum(f.height for f in pl.read_database(query, connection, iter_batches=True, batch_size=2)) == 5
        )
        assert pd.read_sql(query, connection).shape == (5, 2)
        frame = pd.DataFrame({"k": [1, 2]})
        assert frame.to_sql("written", connection, index=False) == 2
        assert pd.read_sql("SELECT sum(k) AS k FROM written", connection)["k"].tolist() == [3]


def _must_not_be_used(*_: Any) -> Any:
    raise AssertionError("rows were fetched one by one")


def test_cursors_do_not_block_each_other(con: Connection) -> None:
    first = con.execute("SELECT id FROM range(600000)")
    rows = [first.fetchone()]
    second = con.execute("SELECT id FROM range(600000)")
    rows.append(second.fetchone())
    rows.append(first.fetchone())
    assert rows == [(0,), (0,), (1,)]
    assert len(second.fetchall()) == len(first.fetchall()) + 1


def test_threads_share_a_connection(con: Connection) -> None:
    found: list[Any] = []

    def work(n: int) -> None:
        found.append(con.execute("SELECT sum(id) FROM range(?)", [n]).fetchall()[0][0])

    threads = [threading.Thread(target=work, args=(n,)) for n in (10, 100, 1000, 10000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [45, 4950, 499500, 49995000]


def test_one_statement_a_call(con: Connection) -> None:
    with pytest.raises(ProgrammingError):
        con.execute("SELECT 1; SELECT 2")
    assert con.execute("SELECT ';' AS x;").fetchall() == [(";",)]


def test_timeouts(con: Connection) -> None:
    with pytest.raises(QueryTimeout):
        con.execute(SLOW, timeout=0.5)
    assert con.session.controls.timeout is None
    assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with await sqlshell.aio.connect(str(tmp_path)) as connection:
            cursor = await connection.execute("SELECT id FROM range(?)", [5])
            assert [row async for row in cursor] == [(i,) for i in range(5)]
            assert await cursor.rowcount() == 5
            cursor = await connection.execute("SELECT id FROM range(300000)")
            assert sum([b.num_rows async for b in cursor.batches()]) == 300_000
            slow = asyncio.create_task(connection.execute(SLOW))
            await asyncio.sleep(0.3)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            cursor = await connection.execute("SELECT 1")
            assert await cursor.fetchone() == (1,)
            waiting = asyncio.create_task(connection.execute(SLOW))
            while not waiting.done():
                await asyncio.sleep(0.1)
                connection.cancel()
            with pytest.raises(QueryCancelled):
                await waiting

    asyncio.run(main())
