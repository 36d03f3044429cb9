"""The connector: PEP 249 basics, Arrow results, errors, cancel."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

import sqlshell
from sqlshell.connect.dbapi import Connection
from sqlshell.errors import QueryCancelled

if TYPE_CHECKING:
    from sqlshell.session import Session


@pytest.fixture
def connection(session: Session) -> Connection:
    return Connection(session)


def test_package_is_callable_and_a_room() -> None:
    import sqlshell.connect.dbapi

    assert callable(sqlshell.connect)
    assert sqlshell.connect.dbapi.Connection is Connection


def test_rows_and_description(connection: Connection) -> None:
    cursor = connection.execute("SELECT order_id, price FROM 'orders.parquet' ORDER BY order_id LIMIT 3")
    assert cursor.description is not None
    assert [(d[0], d[1]) for d in cursor.description] == [("order_id", "bigint"), ("price", "decimal(10,2)")]
    assert cursor.rowcount == 3
    first = cursor.fetchone()
    assert first is not None
    assert isinstance(first[1], Decimal)
    assert len(cursor.fetchmany(1)) == 1
    assert len(cursor.fetchall()) == 1
    assert cursor.fetchone() is None


def test_arrow_types(connection: Connection) -> None:
    table = connection.execute(
        "SELECT cast(1.5 AS decimal(10,2)) AS d, array(1.5BD) AS a, map('k', 2) AS m, "
        "named_struct('x', 1.25BD) AS s, TIMESTAMP '2025-01-02 03:04:05' AS t, DATE '2025-01-02' AS day, "
        "id FROM range(3)"
    ).fetch_arrow_table()
    assert table.schema.field("d").type == pa.decimal128(10, 2)
    assert table.schema.field("m").type == pa.map_(pa.string(), pa.int32()) or pa.types.is_map(
        table.schema.field("m").type
    )
    row = table.to_pylist()[0]
    assert row["d"] == Decimal("1.50")
    assert row["a"] == [Decimal("1.5")]
    assert row["m"] == [("k", 2)]
    assert row["s"] == {"x": Decimal("1.25")}
    assert row["t"] == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert row["day"] == date(2025, 1, 2)
    assert table.num_rows == 3


def test_large_results_come_in_batches(connection: Connection) -> None:
    cursor = connection.execute("SELECT id, id * 2 AS double FROM range(600000)")
    total = 0
    for batch in cursor.fetch_record_batches():
        total += batch.num_rows
    assert total == 600_000


def test_errors_follow_pep_249(connection: Connection) -> None:
    with pytest.raises(sqlshell.ProgrammingError) as syntax:
        connection.execute("SELEC 1")
    assert syntax.value.condition == "PARSE_SYNTAX_ERROR"
    with pytest.raises(sqlshell.DataError) as division:
        connection.execute("SELECT 1 / id FROM range(1)")
    assert division.value.condition == "DIVIDE_BY_ZERO"
    with pytest.raises(sqlshell.InterfaceError):
        connection.cursor().fetchall()


def test_closed_connection_says_so() -> None:
    connection = sqlshell.connect()
    connection.close()
    with pytest.raises(sqlshell.InterfaceError):  # as the PEP's test suite has it
        connection.close()
    with pytest.raises(sqlshell.InterfaceError):
        connection.execute("SELECT 1")


def test_cancel_from_another_thread_and_go_on(connection: Connection) -> None:
    def stop() -> None:
        time.sleep(1.0)
        connection.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(QueryCancelled):
        connection.execute(
            "SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id % 7 > b.id % 11"
        )
    thread.join()
    assert connection.execute("SELECT count(*) FROM range(10)").fetchall() == [(10,)]


def test_empty_result_has_a_schema(connection: Connection) -> None:
    table = connection.execute(
        "SELECT product, price FROM 'orders.parquet' WHERE price < 0"
    ).fetch_arrow_table()
    assert table.num_rows == 0
    assert table.column_names == ["product", "price"]


def test_duplicate_column_names(connection: Connection) -> None:
    assert connection.execute("SELECT 1 AS a, 2 AS a").fetchall() == [(1, 2)]
