"""EXPLAIN of statements that write: the plan is shown, nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import NotSupportedError
from sqlshell.plan.explain import normalize_ids
from tests.delta.test_scan import rows

if TYPE_CHECKING:
    from sqlshell.session import Session

PLANS = {
    "INSERT INTO t (id, n) SELECT n, id FROM t WHERE id < 2": """
Insert into default.t [append]
└─ Assert [(id#1 IS NOT NULL), (n#2 > 0)]
   └─ Project [n#3 AS id#1, NULL AS p#4, id#5 AS n#2]
      └─ Scan default.t [id#5, n#3] where (id#5 < 2) files 1 of 2""",
    "DELETE FROM t WHERE p = 'a'": """
Delete from default.t [file_path, row_index]
└─ Project [file_path#1, row_index#2]
   └─ Scan default.t [p#3, file_path#1, row_index#2] where (p#3 = 'a') files 1 of 2""",
    "UPDATE t SET n = 5 WHERE id = 2": """
Update default.t [file_path, row_index, new row]
└─ Assert [(id#1 IS NOT NULL), (n#2 > 0)]
   └─ Project [file_path#3, row_index#4, id#5 AS id#1, p#6 AS p#7, 5 AS n#2]
      └─ Scan default.t [id#5, p#6, file_path#3, row_index#4] where (id#5 = 2) files 1 of 2""",
    "CREATE TABLE u AS SELECT p, sum(n) AS s FROM t GROUP BY p": """
Create table u
└─ Aggregate keys=[p#1] aggs=[sum(n#2) AS sum#3]
   └─ Scan default.t [p#1, n#2]""",
}


@pytest.fixture
def lake(session: Session) -> Session:
    session.execute("CREATE TABLE t (id int NOT NULL, p string, n int, CHECK (n > 0)) PARTITIONED BY (p)")
    session.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    return session


def test_plans_of_writes(lake: Session) -> None:
    for sql, plan in PLANS.items():
        [(text,)] = rows(lake, f"EXPLAIN {sql}")
        assert normalize_ids(text) == plan.strip(), sql
    merge = "MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN DELETE"
    for mode, part in (
        ("", "Join"),
        ("EXTENDED", "== Bound plan =="),
        ("OPTIMIZER", "Initial"),
        ("STAGES", "Stage 0"),
    ):
        [(text,)] = rows(lake, f"EXPLAIN {mode} {merge}")
        assert part in text
    assert rows(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert rows(lake, "SHOW TABLES LIKE 'u'") == []


@pytest.mark.parametrize("sql", ["EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN DROP TABLE t"])
def test_what_is_not_explained(lake: Session, sql: str) -> None:
    with pytest.raises(NotSupportedError):
        lake.execute(sql)
    assert rows(lake, "SELECT count(*) FROM t") == [(2,)]
