"""Functions in Python: from SQL text and from the user's process, solo and on the pool."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import sqlshell
from sqlshell import safe_mode
from sqlshell.errors import Error, InterfaceError, OperationalError
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


def python(session: Session, head: str, source: str, words: str = "") -> None:
    session.execute(f"CREATE OR REPLACE {head} LANGUAGE PYTHON {words} AS $$\n{source}\n$$")


@pytest.fixture(params=["solo", "pool"])
def any_session(request: pytest.FixtureRequest) -> Session:
    found: Session = request.getfixturevalue("session" if request.param == "solo" else "pool_session")
    return found


def test_scalar_function(any_session: Session) -> None:
    s = any_session
    python(
        s,
        "TEMPORARY FUNCTION half(x INT, by INT DEFAULT 2) RETURNS DOUBLE",
        "  if x is None:\n    return -1.0\n  return x / by",
    )
    assert rows(s, "SELECT half(id) FROM range(3) ORDER BY id") == [(0.0,), (0.5,), (1.0,)]
    assert rows(s, "SELECT half(NULL), half(9, 3), half(by => 4, x => 2), half('8')") == [
        (-1.0, 3.0, 0.5, 4.0)
    ]
    assert rows(s, "SELECT id % 2, sum(half(id)) FROM range(6) GROUP BY 1 ORDER BY 1") == [(0, 3.0), (1, 4.5)]
    assert rows(s, "SELECT half(half(CAST(id AS INT))) FROM range(1)") == [(0.0,)]
    assert rows(s, "SELECT id FROM range(5) WHERE half(id) > 1 ORDER BY half(id) DESC") == [(4,), (3,)]


def test_null_input_is_skipped_when_asked(any_session: Session) -> None:
    python(
        any_session, "TEMPORARY FUNCTION inc(x INT) RETURNS INT", "return x + 1", "RETURNS NULL ON NULL INPUT"
    )
    assert rows(any_session, "SELECT inc(x) FROM VALUES (1), (NULL), (3) AS t(x)") == [(2,), (None,), (4,)]


def test_values_of_every_kind_go_in_and_out(session: Session) -> None:
    kinds = {
        "BOOLEAN": "true", "TINYINT": "1Y", "BIGINT": "9223372036854775807", "FLOAT": "1.5F", "DOUBLE": "double('NaN')",
        "DECIMAL(10,3)": "1.250", "DECIMAL(38,0)": "99999999999999999999999999999999999999", "STRING": "'é😀'",
        "BINARY": "x'00FF'", "DATE": "DATE'2024-02-29'", "TIMESTAMP": "TIMESTAMP'2024-02-29 01:02:03.000004'",
        "TIMESTAMP_NTZ": "TIMESTAMP_NTZ'2024-02-29 01:02:03'",
        "INTERVAL DAY TO SECOND": "INTERVAL '1 02:03:04' DAY TO SECOND",
        "ARRAY<DECIMAL(5,2)>": "array(1.25, NULL)", "MAP<STRING,INT>": "map('a', 1, 'b', NULL)",
        "STRUCT<a: INT, b: ARRAY<DATE>>": "named_struct('a', 1, 'b', array(DATE'2024-01-01'))",
    }  # fmt: skip
    for kind, value in kinds.items():
        python(session, f"TEMPORARY FUNCTION same(x {kind}) RETURNS {kind}", "return x")
        found = rows(
            session,
            f"SELECT CAST(same({value}) AS STRING) <=> CAST(CAST({value} AS {kind}) AS STRING), same(NULL)",
        )
        assert found == [(True, None)], kind
    python(
        session,
        "TEMPORARY FUNCTION told(x DATE, y DECIMAL(5,2), z TIMESTAMP) RETURNS STRING",
        "return repr((x, y, z.tzinfo is not None))",
    )
    want = repr((dt.date(2024, 2, 29), Decimal("1.50"), True))
    assert rows(session, "SELECT told(DATE'2024-02-29', 1.5, TIMESTAMP'2024-02-29 00:00:00')") == [(want,)]


@pytest.mark.parametrize(
    ("returns", "value"),
    [("INT", "'x'"), ("INT", "1.5"), ("INT", "True"), ("INT", "2 ** 40"), ("STRING", "3"), ("BOOLEAN", "1"),
     ("DECIMAL(3,1)", "Decimal('123.4')"), ("DATE", "'2024-01-01'"), ("ARRAY<INT>", "5"),
     ("STRUCT<a: INT>", "{'b': 1}")],
)  # fmt: skip
def test_a_value_of_another_type_is_an_error(session: Session, returns: str, value: str) -> None:
    python(
        session, f"TEMPORARY FUNCTION bad() RETURNS {returns}", f"from decimal import Decimal\nreturn {value}"
    )
    with pytest.raises(Error, match=r"bad\(\) returns") as e:
        rows(session, "SELECT bad()")
    assert e.value.condition == "UDF_RETURN_TYPE_MISMATCH"
    assert e.value.span == (7, 10)


def test_errors_name_the_line_and_point_into_the_sql(any_session: Session) -> None:
    python(any_session, "TEMPORARY FUNCTION inverse(x INT) RETURNS DOUBLE", "  y = x\n  return 1 / y")
    with pytest.raises(Error) as e:
        rows(any_session, "SELECT id, inverse(id) FROM range(3)")
    assert e.value.condition == "UDF_USER_CODE_ERROR"
    assert e.value.message.startswith("inverse() failed in line 3, `return 1 / y`: ZeroDivisionError")
    assert e.value.span == (11, 18)
    python(any_session, "TEMPORARY FUNCTION leave() RETURNS INT", "import sys\nsys.exit(1)")
    with pytest.raises(Error, match=r"line 3, `sys\.exit"):
        rows(any_session, "SELECT leave()")


def test_rows_of_untaken_branches_are_not_shown(any_session: Session) -> None:
    python(any_session, "TEMPORARY FUNCTION inverse(x INT) RETURNS DOUBLE", "return 1 / x")
    assert rows(any_session, "SELECT CASE WHEN id > 0 THEN inverse(id) END FROM range(3) ORDER BY id") == [
        (None,), (1.0,), (0.5,),
    ]  # fmt: skip
    assert rows(any_session, "SELECT count(*) FROM range(9) WHERE inverse(id) < 0.3 AND id > 0") == [(5,)]
    assert rows(any_session, "SELECT sum(inverse(id)) FILTER (WHERE id > 1) FROM range(3)") == [(0.5,)]


def test_cheap_filters_stay_below(session: Session) -> None:
    python(session, "TEMPORARY FUNCTION slow(x BIGINT) RETURNS BIGINT", "return x")
    plan = "\n".join(
        r[0]
        for r in rows(session, "EXPLAIN SELECT y FROM (SELECT id, slow(id) AS y FROM range(9)) WHERE id < 3")
    )
    assert plan.index("slow") < plan.index("<")


def test_vectorised_function(any_session: Session) -> None:
    source = (
        "import pyarrow.compute as pc\ndef twice(x, y):\n    assert x.type == 'double'\n"
        "    return pc.add(pc.multiply(x, 2), y)"
    )
    python(
        any_session,
        "TEMPORARY FUNCTION v(x DOUBLE, y DOUBLE) RETURNS DOUBLE",
        source,
        "PARAMETER STYLE ARROW HANDLER 'twice'",
    )
    assert rows(any_session, "SELECT sum(v(id, 1)) FROM range(10000)") == [(100000000.0,)]
    python(
        any_session,
        "TEMPORARY FUNCTION few(x DOUBLE) RETURNS DOUBLE",
        "return x.slice(1)",
        "PARAMETER STYLE ARROW",
    )
    with pytest.raises(Error, match="values for"):
        rows(any_session, "SELECT few(id) FROM range(4)")


def test_aggregate_function(any_session: Session) -> None:
    python(any_session, "TEMPORARY AGGREGATE FUNCTION middle(x BIGINT) RETURNS DOUBLE",
           "import statistics\nknown = [v for v in x if v is not None]\n"
           "return float(statistics.median(known)) if known else None")  # fmt: skip
    s = any_session
    assert rows(s, "SELECT id % 2, middle(id), count(*) FROM range(9) GROUP BY 1 ORDER BY 1") == [
        (0, 4.0, 5),
        (1, 4.0, 4),
    ]
    assert rows(s, "SELECT middle(x), middle(DISTINCT x), middle(x) FILTER (WHERE x > 1), middle(x) + 1 "
        "FROM VALUES (1), (1), (NULL), (3) AS t(x)") == [
        (1.0, 2.0, 3.0, 2.0)
    ]  # fmt: skip
    assert rows(s, "SELECT middle(id) FROM range(5) WHERE id > 9") == [(None,)]
    python(s, "TEMPORARY AGGREGATE FUNCTION weighted(x DOUBLE, w DOUBLE) RETURNS DOUBLE",
           "import pyarrow.compute as pc\nreturn pc.sum(pc.multiply(x, w)).as_py() / pc.sum(w).as_py()",
           "PARAMETER STYLE ARROW")  # fmt: skip
    assert rows(s, "SELECT weighted(x, w) FROM VALUES (1, 1), (4, 3) AS t(x, w)") == [(3.25,)]


def test_table_function(any_session: Session) -> None:
    python(any_session, "TEMPORARY FUNCTION words(t STRING) RETURNS TABLE (word STRING, size INT)",
           "for w in (t or '').split():\n    yield w, len(w)")  # fmt: skip
    s = any_session
    assert sorted(rows(s, "SELECT * FROM words('a bc')")) == [("a", 1), ("bc", 2)]
    given = "VALUES (1, 'a bc'), (2, NULL), (3, 'd') AS t(id, text)"
    want = [(1, "a"), (1, "bc"), (3, "d")]
    assert sorted(rows(s, f"SELECT id, word FROM {given}, LATERAL words(text)")) == want
    assert sorted(rows(s, f"SELECT id, v.word FROM {given} LATERAL VIEW words(text) v AS word, size")) == want
    python(
        s, "TEMPORARY FUNCTION two() RETURNS TABLE (a INT, b INT)", "return [{'b': 2, 'a': 1}, (3, 4), (5,)]"
    )
    with pytest.raises(Error, match="a row has 1 values, not 2"):
        rows(s, "SELECT * FROM two()")


def test_a_source_that_does_not_compile_is_refused(session: Session) -> None:
    sql = "CREATE FUNCTION bad(x INT) RETURNS INT LANGUAGE PYTHON AS $$\nreturn x +\n$$"
    with pytest.raises(Error, match="line 2 of the Python source") as e:
        session.execute(sql)
    assert e.value.span is not None
    assert sql[slice(*e.value.span)] == "return x +"
    for text, said in (("AGGREGATE FUNCTION f() RETURNS INT", "has parameters"), ("FUNCTION f(x INT)", "RETURNS"),
                       ("FUNCTION f(`from` INT) RETURNS INT", "no name in Python")):  # fmt: skip
        with pytest.raises(Error) as refused:
            session.execute(f"CREATE {text} LANGUAGE PYTHON AS $$ return 1 $$")
        assert said in f"{refused.value.message} {refused.value.hint}"


def test_stored_functions_outlive_the_session(session: Session) -> None:
    session.execute("CREATE SCHEMA tools")
    python(session, "FUNCTION tools.inc(x INT) RETURNS INT", "return x + 1", "COMMENT 'one more'")
    session.execute("CREATE FUNCTION tools.twice(x INT) RETURNS INT RETURN tools.inc(tools.inc(x)) - x + x")
    with Session(warehouse=session.catalog.warehouse) as other:
        assert rows(other, "SELECT tools.inc(1), tools.twice(1)") == [(2, 3)]
        other.execute("USE tools")
        assert rows(other, "SELECT inc(1)") == [(2,)]
        assert rows(other, "SHOW USER FUNCTIONS IN tools") == [("tools.inc",), ("tools.twice",)]
        told = "\n".join(r[0] for r in rows(other, "DESCRIBE FUNCTION EXTENDED inc"))
        assert "PYTHON" in told
        assert "one more" in told
        other.execute("DROP FUNCTION inc")
    with pytest.raises(Error) as e:
        rows(session, "SELECT tools.inc(1)")
    assert e.value.condition == "UNRESOLVED_ROUTINE"


@pytest.fixture
def connection() -> Iterator[sqlshell.Connection]:
    with sqlshell.connect() as found:
        yield found


def test_functions_of_the_users_process(connection: sqlshell.Connection) -> None:
    factor = 3

    def scale(x: int, by: float | None) -> float | None:
        return None if by is None else x * by * factor

    connection.create_function("scale", scale)
    connection.create_function("shout", lambda t: t.upper(), ["STRING"], "STRING", null_call=False)
    connection.create_function(
        "longest", lambda t: max(t, key=len, default=None), {"t": "STRING"}, "STRING", kind="aggregate"
    )
    connection.create_function(
        "pairs", lambda n: ((i, i * i) for i in range(n)), ["INT"], "i INT, square INT", kind="table"
    )
    connection.create_function("root", "math:sqrt", {"x": "DOUBLE"}, "DOUBLE")
    cursor = connection.cursor()

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return cursor.execute(sql).fetchall()

    assert ask("SELECT scale(2, 1.5), scale(2, NULL), root(9)") == [(9.0, None, 3.0)]
    assert ask("SELECT shout(t), t FROM VALUES ('a'), (NULL) AS v(t)") == [("A", "a"), (None, None)]
    assert ask("SELECT longest(t) FROM VALUES ('a'), ('bbb') AS v(t)") == [("bbb",)]
    assert ask("SELECT sum(square) FROM pairs(4)") == [(14,)]
    assert connection.drop_function("scale")
    assert not connection.drop_function("scale")
    with pytest.raises(InterfaceError, match="the SQL type of `x`"):
        connection.create_function("plain", lambda x: x)


def test_a_looping_function_is_stopped(connection: sqlshell.Connection) -> None:
    def forever(x: int) -> int:
        while True:
            x += 1

    connection.create_function("forever", forever)
    with pytest.raises(OperationalError):
        connection.cursor().execute("SELECT forever(id) FROM range(3)", timeout=1).fetchall()
    assert connection.cursor().execute("SELECT 1").fetchall() == [(1,)]


def test_safe_mode_lets_no_python_in(session: Session) -> None:
    python(session, "FUNCTION stored(x INT) RETURNS INT", "return x")
    with Session(warehouse=session.catalog.warehouse) as safe:
        safe_mode.enter(safe)
        for sql in ("SELECT stored(1)", "SELECT * FROM range(3) WHERE stored(id) > 1",
                    "CREATE TEMPORARY FUNCTION f() RETURNS INT LANGUAGE PYTHON AS $$ return 1 $$",
                    "CREATE FUNCTION f() RETURNS INT RETURN 1"):  # fmt: skip
            with pytest.raises(Error) as e:
                rows(safe, sql)
            assert e.value.condition == "SAFE_MODE", sql
