"""table_changes(): beside deltalake's change data feed where the table keeps one, and without one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
import pytest

from sqlshell.errors import Error

if TYPE_CHECKING:
    from sqlshell.session import Session

COLUMNS = "id, v, p, _change_type, _commit_version"


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows()) if result.is_query else []
    finally:
        result.close()


@pytest.fixture(params=["", "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"])
def changed(session: Session, request: pytest.FixtureRequest) -> bool:
    """`t` of seven versions; whether it keeps a feed."""
    rows(session, f"CREATE TABLE t (id INT, v DOUBLE, p STRING) PARTITIONED BY (p) {request.param}")
    rows(session, "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'a'), (4, 4, 'a')")
    rows(session, "DELETE FROM t WHERE id = 1")
    rows(session, "UPDATE t SET v = 9 WHERE id = 3")
    rows(session, "OPTIMIZE t")
    rows(session, "INSERT INTO t VALUES (7, 7, NULL)")
    rows(session, "MERGE INTO t USING (SELECT 2 AS k UNION ALL SELECT 8) s ON t.id = s.k "
                  "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, v, p) VALUES (k, 0, 'c')")  # fmt: skip
    rows(session, "DELETE FROM t")
    return bool(request.param)


def test_changes(session: Session, changed: bool) -> None:
    found = rows(session, f"SELECT {COLUMNS} FROM table_changes('t', 0) ORDER BY 5, 1, 4")
    update = ("update_postimage", "update_preimage") if changed else ("insert", "delete")
    assert [r for r in found if r[4] == 3] == sorted(
        [(3, 9.0, "a", update[0], 3), (3, 3.0, "a", update[1], 3)], key=lambda r: r[3]
    )
    assert [r[:1] + r[3:] for r in found if r[4] == 6] == [(2, "delete", 6), (8, "insert", 6)]
    assert {r[0] for r in found if r[4] == 7} == {3, 4, 7, 8}
    if changed:
        place = os.path.join(session.catalog.warehouse, "default", "t")
        theirs = pa.table(deltalake.DeltaTable(place).load_cdf(0)).to_pylist()
        names = COLUMNS.split(", ")
        assert sorted(map(repr, found)) == sorted(repr(tuple(r[n] for n in names)) for r in theirs)


def test_ranges(session: Session, changed: bool) -> None:
    assert rows(session, "SELECT count(*) FROM table_changes('default.t', 1, 2)") == [(5,)]
    assert rows(
        session, "SELECT count(DISTINCT _commit_timestamp) FROM table_changes('t', '2001-01-01') c"
    ) == [(6,)]
    for arguments, name in [
        ("'t', 3, 2", "DELTA_INVALID_CDC_RANGE"),
        ("'t', 1, 99", "DELTA_VERSION_NOT_FOUND"),
        ("'nope', 1", "TABLE_OR_VIEW_NOT_FOUND"),
        ("'t'", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"),
    ]:
        with pytest.raises(Error) as caught:
            rows(session, f"SELECT * FROM table_changes({arguments})")
        assert caught.value.condition == name
