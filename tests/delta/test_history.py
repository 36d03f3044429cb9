"""A table's past as relations: every version at once, DIFF; beside one query per version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error

if TYPE_CHECKING:
    from sqlshell.session import Session

LAST = 10


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows()) if result.is_query else []
    finally:
        result.close()


def condition(session: Session, sql: str) -> str:
    with pytest.raises(Error) as caught:
        rows(session, sql)
    return caught.value.condition


@pytest.fixture(params=["", "PARTITIONED BY (p)"])
def past(session: Session, request: pytest.FixtureRequest) -> Session:
    """`t` with appends, deletion vectors, an update, a column more, OPTIMIZE and RESTORE."""
    rows(session, f"CREATE TABLE t (id INT, v DOUBLE, d DECIMAL(10,2), p STRING) {request.param}")
    for i in range(3):
        rows(session, f"INSERT INTO t SELECT id + {i}, id / 4, id * 1.5, id % 2 FROM range(20)")
    rows(session, "DELETE FROM t WHERE id = 3")
    rows(session, "DELETE FROM t WHERE id = 4")
    rows(session, "UPDATE t SET v = NULL WHERE id = 5")
    rows(session, "ALTER TABLE t ADD COLUMN more INT")
    rows(session, "INSERT INTO t VALUES (99, 1, 1, 'x', 7)")
    rows(session, "OPTIMIZE t")
    rows(session, "RESTORE TABLE t TO VERSION AS OF 4")
    return session


QUERIES = [
    ("count(*), count(v), sum(v), min(id), max(d)", ""),
    ("avg(id), avg(d), avg(v), sum(d), sum(id + 1)", ""),
    ("sum(v) FILTER (WHERE id > 5), count(*) FILTER (WHERE v IS NULL)", ""),
    ("bool_or(id = 5), bit_xor(id), count(*)", "WHERE id < 9"),
    ("count(DISTINCT id), round(stddev(id), 9), sort_array(collect_list(id))", ""),
    ("round(sum(10 / (id + 1)), 9)", ""),
]


@pytest.mark.parametrize(("select", "where"), QUERIES)
def test_all_versions_at_once(past: Session, select: str, where: str) -> None:
    found = rows(
        past,
        f"SELECT _version, p, {select} FROM t VERSIONS BETWEEN 1 AND {LAST} {where} GROUP BY ALL ORDER BY 1, 2",
    )
    expected = []
    for v in range(1, LAST + 1):
        expected += rows(
            past, f"SELECT {v}, p, {select} FROM t VERSION AS OF {v} {where} GROUP BY p ORDER BY 2"
        )
    assert found == expected


def test_rows_of_versions(past: Session) -> None:
    found = rows(past, "SELECT id, v, d, p, _version FROM t VERSIONS BETWEEN 3 AND 7 ORDER BY ALL")
    expected = [
        (*r, v) for v in range(3, 8) for r in rows(past, f"SELECT id, v, d, p FROM t VERSION AS OF {v}")
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_where_and_joins_see_versions(past: Session) -> None:
    assert rows(past, "SELECT id, min(_version), max(_version), count(DISTINCT _version) FROM t VERSIONS BETWEEN 1 "
                      f"AND {LAST} WHERE id IN (0, 3, 99) GROUP BY id ORDER BY id") == [
        (0, 1, 10, 10), (3, 1, 3, 3), (99, 8, 9, 2),
    ]  # fmt: skip
    assert rows(past, "SELECT count(*) FROM t VERSIONS BETWEEN 1 AND 9 h WHERE h._version = 4") == [(57,)]
    assert rows(past, "SELECT max(_version) FROM t TIMESTAMPS BETWEEN '2001-01-01' AND now()") == [(LAST,)]


def test_grouping_happens_before_the_join_with_versions(past: Session) -> None:
    plan = rows(past, "EXPLAIN SELECT _version, sum(v) FROM t VERSIONS BETWEEN 1 AND 9 GROUP BY _version")[0][
        0
    ]
    assert plan.count("Aggregate") == 2
    plan = rows(past, "EXPLAIN SELECT _version, stddev(v) FROM t VERSIONS BETWEEN 1 AND 9 GROUP BY _version")[
        0
    ][0]
    assert plan.count("Aggregate") == 1


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT * FROM t VERSIONS BETWEEN 5 AND 2", "DELTA_INVALID_VERSION_RANGE"),
        ("SELECT * FROM t VERSIONS BETWEEN 0 AND 99", "DELTA_VERSION_NOT_FOUND"),
        ("SELECT * FROM nope VERSIONS BETWEEN 0 AND 1", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT * FROM t VERSIONS BETWEEN 1", "PARSE_SYNTAX_ERROR"),
        ("DIFF t VERSION AS OF 1 ON nope", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("DIFF t VERSION AS OF 99", "DELTA_VERSION_NOT_FOUND"),
        ("DIFF t", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_errors(past: Session, sql: str, name: str) -> None:
    assert condition(past, sql) == name


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 5), (4, 6), (2, 8), (8, 9), (9, 10), (10, 2), (4, 10)])
def test_diff(past: Session, old: int, new: int) -> None:
    at = [f"SELECT id, v, d, p FROM t VERSION AS OF {n}" for n in (old, new)]
    diff = f"SELECT id, v, d, p FROM DIFF t VERSION AS OF {old} WITH VERSION AS OF {new} WHERE _change_type ="
    for kind, one, other in (("delete", *at), ("insert", at[1], at[0])):
        expected = rows(past, f"({one} EXCEPT ALL {other}) ORDER BY ALL")
        assert rows(past, f"{diff} '{kind}' ORDER BY ALL") == expected


def test_diff_by_key(past: Session) -> None:
    found = rows(past, "DIFF t VERSION AS OF 4 WITH VERSION AS OF 6 ON (id, d) ORDER BY id, d, _change_type")
    assert {r[0] for r in found} == {"delete", "update_preimage", "update_postimage"}
    assert [r[:3] for r in found if r[0].startswith("update")][:2] == [
        ("update_postimage", 5, None), ("update_preimage", 5, 0.75),
    ]  # fmt: skip
    assert rows(past, "SELECT count(*) FROM DIFF t VERSION AS OF 8") == rows(
        past, "SELECT count(*) FROM DIFF t VERSION AS OF 8 WITH VERSION AS OF 10"
    )


def test_words_stay_names(session: Session) -> None:
    rows(session, "CREATE TABLE diff (versions INT, timestamps INT)")
    rows(session, "INSERT INTO diff VALUES (1, 2)")
    assert rows(session, "SELECT versions BETWEEN 1 AND 2 FROM diff d WHERE d.versions BETWEEN 0 AND 3") == [
        (True,)
    ]
    assert rows(session, "SELECT timestamps FROM diff WHERE versions BETWEEN 0 AND 3") == [(2,)]
