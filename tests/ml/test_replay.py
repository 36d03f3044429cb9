"""SHOW CREATE MODEL trains the same bits again: elsewhere, with other ranks, after changes, after kills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.exec.task import Fault
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Sql = Callable[[str], list[tuple[Any, ...]]]

LATE = {"logistic_reg": 22, "kmeans": 40, "boosted_tree_classifier": 25}
"""Collective calls before the kill."""

OPTIONS = "OPTIONS(model_type = 'linear_reg', label = 'y', num_workers = 1)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay") / "lake"


@pytest.fixture(scope="module")
def lake(home: Path, data: Path) -> Iterator[Sql]:
    """A warehouse with a table, a view of it, and a session with a temporary view, a function and a variable."""
    with Session(warehouse=str(home)) as s:

        def run(text: str) -> list[tuple[Any, ...]]:
            return list(s.execute(text).rows())

        for text in (
            f"CREATE TABLE rows AS SELECT id, x, z, c, y FROM '{data}'",
            "CREATE TABLE names AS SELECT c, avg(z) AS level FROM rows GROUP BY c",
            "CREATE VIEW plenty (num, x, y, c) AS SELECT id, x, y, c FROM rows WHERE x > -1",
            "CREATE TEMPORARY VIEW mine AS SELECT * FROM plenty WHERE num < 1500",
            "CREATE TEMPORARY FUNCTION twice(a DOUBLE, b DOUBLE DEFAULT 2) RETURNS DOUBLE RETURN a * b + a - a",
            "CREATE TEMPORARY FUNCTION most() RETURNS DOUBLE RETURN (SELECT max(x) FROM rows)",
            "DECLARE VARIABLE low DOUBLE DEFAULT -0.5D",
            "SET TIME ZONE 'Asia/Tokyo'",
        ):
            run(text)
        yield run


QUERIES = {
    "view": "SELECT x, c, y FROM plenty",
    "temporary": "SELECT m.x, m.y FROM mine m JOIN plenty USING (num)",
    "function": "SELECT twice(twice(x, b => 3.0)) AS x, z, y FROM rows r",
    "variable": "SELECT x, z, y FROM rows WHERE x > low AND z < session.low + 100",
    "clock": "SELECT x, datediff(now(), DATE'2020-01-01') + hour(now()) + id % 7 AS day, y FROM rows",
    "zone": "SELECT x, hour(timestamp_seconds(id * 1000)) AS h, y FROM rows",
    "averages": """SELECT r.x, r.z, n.level, s.w, r.y FROM rows r JOIN names n ON r.c = n.c
                   JOIN (SELECT c, id % 10 AS k, avg(x * z) AS w FROM rows GROUP BY c, id % 10) s
                     ON s.c = r.c AND s.k = r.id % 10""",
}


@pytest.fixture(scope="module")
def replays(lake: Sql, home: Path) -> dict[str, tuple[str, str, set[str]]]:
    """By query: whether the model says it replays, its statement, its versions' hashes of parameters."""
    texts = {}
    for name, query in QUERIES.items():
        lake(f"CREATE MODEL m_{name} {OPTIONS} AS {query}")
        said = dict(lake(f"DESCRIBE MODEL m_{name}"))["reproducible"]
        texts[name] = (said, lake(f"SHOW CREATE MODEL m_{name}")[0][0])
    for change in (
        "UPDATE rows SET x = x + 1 WHERE id % 2 = 0",
        "INSERT INTO names VALUES ('red', 17.0)",
        "CREATE OR REPLACE VIEW plenty AS SELECT id AS num, x, y, c FROM rows WHERE x > 0",
    ):
        lake(change)
    found = {}
    with Session(warehouse=str(home)) as s:
        s.execute("SET TIME ZONE 'America/Lima'")
        for name, (said, text) in texts.items():
            for ranks in (1, 2, 4) if name == "averages" else (2,):
                s.execute(text.replace("num_workers = 1", f"num_workers = {ranks}"))
            history = list(s.execute(f"DESCRIBE HISTORY MODEL m_{name}").rows())
            assert len(history) == (4 if name == "averages" else 2)
            found[name] = (said, text, {r[-1] for r in history})
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_a_model_replays_without_its_session(
    replays: dict[str, tuple[str, str, set[str]]], name: str
) -> None:
    said, text, hashes = replays[name]
    assert said == "true", text
    assert len(hashes) == 1, text


def test_what_cannot_be_written_down_is_said(lake: Sql) -> None:
    lake(f"CREATE MODEL vague {OPTIONS} AS SELECT x / most() AS x, y FROM rows")
    assert "most" in dict(lake("DESCRIBE MODEL vague"))["reproducible"]
    lake(f"CREATE OR REPLACE MODEL vague {OPTIONS} AS SELECT x, rand() AS z, y FROM rows")
    assert dict(lake("DESCRIBE MODEL vague"))["reproducible"].startswith("false")


def test_refresh_sees_the_tables_of_today(lake: Sql) -> None:
    lake(f"CREATE MODEL fresh {OPTIONS} AS SELECT x, y FROM mine")
    lake("DELETE FROM rows WHERE id < 200")
    lake("REFRESH MODEL fresh")
    second, first = (r[5] for r in lake("DESCRIBE HISTORY MODEL fresh"))
    assert second < first


@pytest.mark.parametrize("kind", ["logistic_reg", "kmeans", "boosted_tree_classifier"])
def test_a_killed_rank_changes_no_bit(
    session: Session, sql: Sql, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Rank 1 is killed in a collective call of a later iteration, behind checkpoints."""
    classifier = kind != "kmeans"
    label = "label = 'yes', " if classifier else ""
    more = {"kmeans": "num_clusters = 5, tol = 0.0", "logistic_reg": "l1_reg = 0.001, tol = 1e-12"}.get(
        kind, "max_iterations = 10"
    )
    text = f"""CREATE OR REPLACE MODEL killed_{kind} OPTIONS(model_type = '{kind}', {label}{more}, num_workers = 2,
               checkpoint_interval = 1) AS SELECT x, z{", yes" if classifier else ""} FROM t"""
    sql(text)
    run_gang = session.engine.run_gang
    attempts = []

    def struck(plan: Any, body: Any, ranks: int, **options: Any) -> Any:
        faults = (Fault(0, 1, 0, f"inside{LATE[kind]}", "kill"),)
        found = run_gang(plan, body, ranks, **{**options, "faults": faults})
        attempts.append(found.attempts)
        return found

    monkeypatch.setattr(session.engine, "run_gang", struck)
    sql(text)
    assert attempts == [2]
    assert len({r[-1] for r in sql(f"DESCRIBE HISTORY MODEL killed_{kind}")}) == 1
