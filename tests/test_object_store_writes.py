"""Writes to s3:// (moto's server): each script gives on a store what it gives on the local disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error
from sqlshell.session import Session
from tests.test_object_stores import KEY, SECRET, bucket, create_secret, endpoint, obstore, refused, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["bucket", "endpoint"]  # fixtures

SCRIPT = """
CREATE TABLE w (a INT, p STRING) PARTITIONED BY (p) LOCATION '{}/w' TBLPROPERTIES (delta.enableDeletionVectors = true)
INSERT INTO w SELECT CAST(id AS INT), IF(id % 2 = 0, 'a b', '100%') FROM range(100)
UPDATE w SET a = -a WHERE a < 10
CREATE OR REPLACE TEMPORARY VIEW new_rows AS SELECT * FROM VALUES (5, 'new'), (11, '100%') AS n(a, p)
DELETE FROM w WHERE a % 7 = 0
MERGE INTO w USING new_rows s ON w.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT *
OPTIMIZE w
CREATE TABLE c LOCATION '{}/c' AS SELECT a, p AS b FROM w WHERE a > 0
INSERT OVERWRITE c SELECT a + 1, b FROM c VERSION AS OF 0
RESTORE TABLE w TO VERSION AS OF 2
CREATE TABLE d DEEP CLONE w LOCATION '{}/d'
CREATE TAG kept FOR TABLE w
ALTER TABLE w ADD COLUMN z DOUBLE
INSERT INTO w VALUES (1, 'q', 2.5)
""".strip().splitlines()

ASKED = [
    "SELECT p, count(*), sum(a) FROM w GROUP BY p ORDER BY p",
    "SELECT p, count(*), sum(a) FROM w VERSION AS OF 4 GROUP BY p ORDER BY p",
    "SELECT count(*), sum(z) FROM w",
    "SELECT count(*), sum(a) FROM c",
    "SELECT count(*), sum(a) FROM d",
    "SELECT count(*) FROM w VERSION AS OF 'kept'",
]


@pytest.fixture(scope="module")
def store(endpoint: str, bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("warehouse"))) as s:
        s.execute(create_secret(endpoint))
        yield s


def keys(bucket: Any, prefix: str) -> list[str]:
    return sorted(m["path"] for batch in obstore.list(bucket, prefix) for m in batch)


def outcome(session: Session, root: str) -> list[Any]:
    """What the script leaves, in a schema of its own."""
    name = "here" if root.startswith("/") else "there"
    session.execute(f"CREATE SCHEMA {name}")
    session.execute(f"USE {name}")
    for statement in SCRIPT:
        session.execute(statement.replace("{}", root))
    return [rows(session, query) for query in ASKED]


def test_tables_are_written_as_on_disk(store: Session, bucket: Any, tmp_path: Path) -> None:
    assert outcome(store, "s3://lake/written") == outcome(store, str(tmp_path))
    store.execute("USE there")
    store.execute("SET spark.databricks.delta.retentionDurationCheck.enabled = false")
    unneeded = [rows(store, f"VACUUM {name}.w RETAIN 0 HOURS DRY RUN") for name in ("here", "there")]
    assert len(unneeded[1]) == len(unneeded[0]) > 0
    before = keys(bucket, "written/w")
    store.execute("VACUUM w RETAIN 0 HOURS")
    gone = {f"s3://lake/{key}" for key in set(before) - set(keys(bucket, "written/w"))}
    assert gone == {path for path, _ in unneeded[1]}
    assert rows(store, ASKED[2]) == rows(store, ASKED[2].replace("w", "here.w"))


def test_others_read_what_is_written(store: Session, endpoint: str) -> None:
    deltalake = pytest.importorskip("deltalake")
    store.execute(
        "CREATE TABLE others (a INT, s STRING) LOCATION 's3://lake/others'"
        " TBLPROPERTIES (delta.enableDeletionVectors = false)"
    )
    store.execute("INSERT INTO others SELECT CAST(id AS INT), 'x' || id FROM range(1000)")
    store.execute("DELETE FROM others WHERE a < 10")
    options = {
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_endpoint_url": endpoint,
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    table = deltalake.DeltaTable("s3://lake/others", storage_options=options)
    assert table.version() == 2
    assert table.count() == rows(store, "SELECT count(*) FROM others")[0][0]


def test_a_failed_write_leaves_nothing(store: Session, bucket: Any) -> None:
    store.execute("CREATE TABLE checked (a INT, CHECK (a < 500)) LOCATION 's3://lake/checked'")
    before = keys(bucket, "checked")
    refused(store, "INSERT INTO checked SELECT CAST(id AS INT) FROM range(1000)")
    refused(store, "INSERT INTO checked SELECT CAST(1000 / (id - 900) AS INT) FROM range(1000)")
    assert keys(bucket, "checked") == before


def test_exports(store: Session, bucket: Any) -> None:
    query = "SELECT id, id % 3 AS k FROM range(100)"
    for name in ("one.parquet", "one.csv", "one.json", "one.arrow"):
        store.execute(f"COPY ({query}) TO 's3://lake/out/{name}'")
    assert keys(bucket, "out") == ["out/one.arrow", "out/one.csv", "out/one.json", "out/one.parquet"]
    assert rows(store, "SELECT count(*), sum(id) FROM 's3://lake/out/one.parquet'") == [(100, 4950)]
    assert refused(store, f"COPY ({query}) TO 's3://lake/out/one.csv'").condition == "PATH_ALREADY_EXISTS"
    store.execute("COPY (SELECT 1 AS id) TO 's3://lake/out/one.parquet' (OVERWRITE)")
    assert rows(store, "SELECT count(*), sum(id) FROM 's3://lake/out/one.parquet'") == [(1, 1)]
    for wanted in (4950, 10):
        rest = "" if wanted > 10 else " WHERE id < 5"
        store.execute(f"COPY ({query}{rest}) TO 's3://lake/out/parts' (PARTITION_BY (k), OVERWRITE)")
        assert rows(store, "SELECT sum(id) FROM 's3://lake/out/parts'") == [(wanted,)]
    refused(store, "COPY (SELECT 1 / (id - 50) FROM range(100)) TO 's3://lake/out/never.parquet'")
    assert not [k for k in keys(bucket, "out") if "never" in k or ".tmp" in k]


def test_a_warehouse(endpoint: str, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", SECRET), ("ENDPOINT_URL", endpoint)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with Session(warehouse="s3://lake/house") as first, Session(warehouse="s3://lake/house") as second:
        first.execute("CREATE SCHEMA sales")
        first.execute("CREATE TABLE sales.orders AS SELECT id, id * 2 AS v FROM range(10)")
        first.execute("CREATE VIEW big AS SELECT * FROM sales.orders WHERE v > 10")
        assert rows(second, "SELECT count(*), sum(v) FROM big") == [(4, 60)]
        second.execute("INSERT INTO sales.orders VALUES (10, 20)")
        assert rows(first, "SELECT count(*) FROM sales.orders") == [(11,)]
        with pytest.raises(Error, match="exists"):
            second.execute("CREATE TABLE sales.orders (a INT)")
        second.execute("DROP TABLE sales.orders")
        assert refused(first, "SELECT * FROM sales.orders").condition == "TABLE_OR_VIEW_NOT_FOUND"
        first.execute("UNDROP TABLE sales.orders")
        assert rows(second, "SELECT count(*) FROM sales.orders") == [(11,)]
    assert "house/sales/orders/_delta_log/00000000000000000000.json" in keys(bucket, "house")
