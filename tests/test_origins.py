"""Errors of views and SQL functions know the text they stand in; scripts stop when they are told to."""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import AnalysisError, Error, QueryCancelled
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def broken(session: Session) -> Iterator[Session]:
    """Views and functions that fail when they are used."""
    for statement in (
        "CREATE TEMPORARY VIEW ratios AS SELECT 6 / (id - 3) AS ratio FROM range(5)",
        "CREATE TEMPORARY VIEW outer_view AS SELECT ratio + 1 AS more FROM ratios",
        "CREATE TABLE numbers AS SELECT id, id * 2 AS twice FROM range(5)",
        "CREATE VIEW stored AS SELECT id, 10 div (id - 2) AS part FROM numbers",
        "CREATE VIEW doubled AS SELECT id, twice FROM numbers",
        "CREATE OR REPLACE TEMPORARY FUNCTION inverse(a INT) RETURNS DOUBLE RETURN 1 / a",
        "CREATE OR REPLACE TEMPORARY FUNCTION inverses() RETURNS TABLE RETURN SELECT 1 / (id - 1) AS i FROM range(3)",
    ):
        session.execute(statement).close()
    yield session
    for name in ("inverse", "inverses"):
        session.execute(f"DROP TEMPORARY FUNCTION {name}").close()


@pytest.mark.parametrize(
    ("sql", "owner", "place"),
    [
        ("SELECT                     sum(ratio) FROM ratios", "view ratios", "6 / (id"),
        ("SELECT                     sum(more) FROM outer_view", "view ratios", "6 / (id"),
        ("SELECT * FROM (SELECT part FROM stored)", "view default.stored", "10 div (id"),
        ("SELECT inverse(CAST(id AS INT)) FROM range(2)", "function inverse", "1 / a"),
        ("SELECT * FROM                     inverses()", "function inverses", "1 / (id"),
    ],
)
def test_a_failing_value_points_into_the_text_of_its_owner(
    broken: Session, sql: str, owner: str, place: str
) -> None:
    with pytest.raises(Error) as caught:
        list(broken.execute(sql).rows())
    error = caught.value
    assert error.condition == "DIVIDE_BY_ZERO"
    assert error.message.startswith(f"in {owner}: ")
    assert error.statement is not None
    assert error.span is not None
    assert error.statement != sql
    assert error.statement[slice(*error.span)].startswith(place)


def test_an_argument_of_a_function_points_into_the_statement(broken: Session) -> None:
    sql = "SELECT inverse(1 div (id - 1)) FROM range(2)"
    with pytest.raises(Error) as caught:
        list(broken.execute(sql).rows())
    assert caught.value.statement == sql


def test_a_view_over_a_changed_table_points_into_its_text(broken: Session) -> None:
    broken.execute("CREATE OR REPLACE TABLE numbers AS SELECT id FROM range(5)").close()
    with pytest.raises(AnalysisError) as caught:
        broken.execute("SELECT             count(*) FROM doubled")
    error = caught.value
    assert error.message.startswith("in view default.doubled: ")
    assert error.statement == "SELECT id, twice FROM numbers"
    assert error.span is not None
    assert error.statement[slice(*error.span)] == "twice"


def test_columns_of_views_are_named_by_their_own_text(broken: Session) -> None:
    broken.execute("CREATE TEMPORARY VIEW n AS SELECT extract(Year FROM DATE'2020-01-02'), 1 + 1").close()
    assert broken.execute("SELECT * FROM n").names == ("extract(Year FROM DATE '2020-01-02')", "(1 + 1)")


@pytest.mark.parametrize(
    "hint", ["COALESCE(3)", "REPARTITION(2, id)", "REBALANCE", "repartition_by_range(id), coalesce(1)"]
)
def test_hints_of_partitioning_are_accepted(session: Session, hint: str) -> None:
    assert len(list(session.execute(f"SELECT /*+ {hint} */ * FROM range(4)").rows())) == 4


def test_a_hint_with_a_wrong_parameter_is_refused(session: Session) -> None:
    with pytest.raises(Error, match="COALESCE"):
        session.execute("SELECT /*+ COALESCE(id) */ * FROM range(4)")


def test_rules_to_disable_are_checked_when_a_session_starts() -> None:
    with pytest.raises(AnalysisError, match="no_such_rule"):
        Session(settings={"sqlshell.optimizer.disabled": "no_such_rule"}, warm=False)
    with Session(settings={"sqlshell.optimizer.disabled": "prune_columns"}, warm=False) as fine:
        assert fine.settings.get("sqlshell.optimizer.disabled") == ("prune_columns",)


def test_cancel_stops_a_loop_that_runs_no_query(session: Session) -> None:
    timer = Timer(0.2, session.cancel)
    timer.start()
    with pytest.raises(QueryCancelled):
        session.execute("BEGIN again: LOOP ITERATE again; END LOOP again; END")
    timer.join()
    assert list(session.execute("SELECT 1").rows()) == [(1,)]
