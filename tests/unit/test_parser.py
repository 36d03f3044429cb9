"""Queries: the nodes the binder relies on, positions, errors, depth, speed of long statements."""

from __future__ import annotations

from typing import Any

import pytest
from sqlglot import exp

from sqlshell.errors import InterfaceError, NotSupportedError, ParseError
from sqlshell.parser.dialect import words
from sqlshell.parser.parse import parse_statement, span_of, split_number, type_ddl
from sqlshell.parser.statement import Query


def query(text: str) -> Any:
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    return statement.ast


def item(text: str) -> Any:
    """The first select item of `select <text>`."""
    return query(f"select {text} from t").expressions[0]


CALLS = words("""
    left right replace filter exists if date timestamp map array struct any some first last nvl coalesce
    abs date_add transform position trim substring overlay now current_date user like ilike rlike div
    mod cast_x count sum int string range values_of window grouping decode char format interval_x ceil
    floor log uniform
""")


@pytest.mark.parametrize(
    "name", sorted(CALLS | {c.upper() for c in ("left", "replace", "any", "if", "exists", "map")})
)
def test_functions_are_never_normalised(name: str) -> None:
    call = item(f"{name}(a, 1)")
    assert isinstance(call, exp.Anonymous)
    assert call.this == name
    assert [type(arg) for arg in call.expressions] == [exp.Column, exp.Literal]
    assert (call.meta["start"], call.meta["end"]) == (7, 7 + len(name) - 1)


def test_no_mark_is_left_in_the_tree() -> None:
    ast = query(
        "with c (x, y) as (select 1, date '2020-01-01') select f(g(x)) as z, `q r`(1), db.h(2) from c "
        "as d (p, q) join lateral explode(array(1)) as e (v) lateral view inline(a) w as m, n "
        "window w as (order by x)"
    )
    for node in ast.walk():
        for value in node.args.values():
            assert not (isinstance(value, str) and value[:1] in "\x01\x02")
    assert {i.name for i in ast.find_all(exp.Identifier)} >= {"c", "d", "e", "w", "x", "y"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("case when a then b end", exp.Case),
        ("cast(a as decimal(10, 2))", exp.Cast),
        ("try_cast(a as int)", exp.TryCast),
        ("a::array<int>", exp.Cast),
        ("extract(year from a)", exp.Extract),
        ("trim(both 'x' from a)", exp.Trim),
        ("exists (select 1)", exp.Exists),
        ("not exists (select 1)", exp.Not),
        ("a in (select 1)", exp.In),
        ("a[0]", exp.Bracket),
        ("(a, b)", exp.Tuple),
        ("(select 1)", exp.Subquery),
        ("interval 1 day", exp.Interval),
        ("a <=> b", exp.NullSafeEQ),
        ("a is not distinct from b", exp.NullSafeEQ),
        ("a is distinct from b", exp.NullSafeNEQ),
        ("a div b", exp.IntDiv),
        ("a || b", exp.DPipe),
        ("a rlike 'x'", exp.RegexpLike),
        ("x'1F'", exp.HexString),
        ("count(a) filter (where b)", exp.Filter),
        ("count(a) over (order by b)", exp.Window),
        ("percentile_cont(0.5) within group (order by a)", exp.WithinGroup),
        ("first(a) ignore nulls", exp.IgnoreNulls),
        ("posexplode(a) as (x, y)", exp.Aliases),
        ("current_date", exp.Column),
        ("date", exp.Column),
        ("timestamp", exp.Column),
        ("first", exp.Column),
        ("if", exp.Column),
        ("t.left", exp.Column),
        ("a.b.c.d.e", exp.Dot),
    ],
)
def test_special_syntax_has_its_node(text: str, kind: type[exp.Expr]) -> None:
    assert type(item(text)) is kind


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("substring(s from 2 for 3)", 3),
        ("substring(s from 2)", 2),
        ("position('a' in s)", 2),
        ("overlay(s placing 'x' from 3 for 2)", 4),
        ("overlay(s placing 'x' from 3)", 3),
    ],
)
def test_keyword_arguments_become_commas(text: str, args: int) -> None:
    call = item(text)
    assert isinstance(call, exp.Anonymous)
    assert len(call.expressions) == args


def test_arguments() -> None:
    assert isinstance(item("count(*)").expressions[0], exp.Star)
    assert len(item("count(distinct a, b)").expressions[0].expressions) == 2
    assert isinstance(item("f(a => 1)").expressions[0], exp.Kwarg)
    assert isinstance(item("first(a ignore nulls)").expressions[0], exp.IgnoreNulls)
    two = item("transform(m, (k, v) -> k.a + v)").expressions[1]
    assert [p.name for p in two.expressions] == ["k", "v"]
    assert [a.alias for a in item("struct(a as x, b y, c)").expressions] == ["x", "y", ""]


@pytest.mark.parametrize(
    ("text", "digits", "suffix"),
    [("1", "1", ""), ("1L", "1", "L"), ("2s", "2", "S"), ("3Y", "3", "Y"), ("1.5BD", "1.5", "BD"),
     ("1e3", "1e3", ""), (".5D", "0.5", "D"), ("1.5f", "1.5", "F"), ("5.", "5.", ""),
     ("1e-3BD", "1e-3", "BD")],
)  # fmt: skip
def test_numbers_keep_their_suffix(text: str, digits: str, suffix: str) -> None:
    literal = item(text)
    assert isinstance(literal, exp.Literal)
    assert not literal.is_string
    assert split_number(literal.this) == (digits, suffix)


def test_smallest_integers_are_literals() -> None:
    assert item("-128Y").this.this == "128Y"
    with pytest.raises(ParseError) as caught:
        item("128Y")
    assert caught.value.condition == "INVALID_NUMERIC_LITERAL_RANGE"


def test_typed_literals_are_told_from_casts() -> None:
    assert item("date '2020-01-01'").meta["typed_literal"]
    assert item("date '2020-01-01'").this.this == "2020-01-01"
    assert "typed_literal" not in item("cast('2020-01-01' as date)").meta


@pytest.mark.parametrize(
    "ddl",
    ["INT", "DECIMAL(10, 2)", "ARRAY<STRING>", "MAP<STRING, BIGINT>", "STRUCT<a: INT, b: ARRAY<DATE>>",
     "BINARY", "TIMESTAMP", "TIMESTAMP_NTZ",
     "INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH", "VOID", "VARIANT"],
)  # fmt: skip
def test_types_come_back_as_ddl(ddl: str) -> None:
    assert type_ddl(item(f"cast(a as {ddl})").to) == ddl


@pytest.mark.parametrize(
    ("ddl", "condition"),
    [("foo", "UNSUPPORTED_DATATYPE"), ("text", "UNSUPPORTED_DATATYPE"), ("int4", "UNSUPPORTED_DATATYPE"),
     ("varchar", "DATATYPE_MISSING_SIZE"), ("array", "INCOMPLETE_TYPE_DEFINITION.ARRAY"),
     ("decimal(1, 2, 3)", "UNSUPPORTED_DATATYPE"), ("map<int>", "PARSE_SYNTAX_ERROR"),
     ("int array", "PARSE_SYNTAX_ERROR"), ("timestamp with time zone", "PARSE_SYNTAX_ERROR")],
)  # fmt: skip
def test_types_of_other_dialects_are_refused(ddl: str, condition: str) -> None:
    with pytest.raises(ParseError) as caught:
        item(f"cast(a as {ddl})")
    assert caught.value.condition == condition


def relation(text: str) -> Any:
    return query(f"select * from {text}").args["from_"].this


def test_relations() -> None:
    assert relation("'a/b c.csv' x").this.name == "a/b c.csv"
    assert relation("'a/b c.csv' x").this.meta["path"]
    assert "path" not in relation("`a`").this.meta
    assert relation("parquet.`/a/b`").db == "parquet"
    assert isinstance(relation("range(10) as r(i)").this, exp.Anonymous)
    assert isinstance(relation("read_files('p', format => 'csv')").this.expressions[1], exp.Kwarg)
    assert isinstance(relation("values (1, 2), (3, 4) as t(a, b)"), exp.Values)
    assert isinstance(relation("(values (1))"), exp.Subquery)
    assert isinstance(relation("t tablesample (10 percent)").args["sample"], exp.TableSample)
    assert [len(row.expressions) for row in query("values 1, 2").args["from_"].this.expressions] == [1, 1]
    assert query("table a.b order by 1").args["from_"].this.db == "a"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("t@v3", "VERSION", "3"),
        ("a.t@v12 x", "VERSION", "12"),
        ("t@20240131120001234", "TIMESTAMP", "2024-01-31 12:00:01.234"),
        ("t@20240131", "TIMESTAMP", "2024-01-31 00:00:00.000"),
        ("t version as of 3", "VERSION", "3"),
        ("delta.`/p`@v1", "VERSION", "1"),
    ],
)
def test_time_travel(text: str, kind: str, value: str) -> None:
    version = relation(text).args["version"]
    assert (version.name, version.expression.this) == (kind, value)


def test_joins() -> None:
    joins = query(
        "select * from a, b join c left join d using (x) natural join e left semi join f on true cross join g"
    ).args["joins"]
    shapes = [(j.args.get("method"), j.side, j.kind, j.args.get("on") is not None) for j in joins]
    assert shapes == [
        (None, "", "CROSS", False),
        (None, "", "", True),
        (None, "LEFT", "", False),
        ("NATURAL", "", "", False),
        (None, "LEFT", "SEMI", True),
        (None, "", "CROSS", False),
    ]


def test_grouping() -> None:
    group = query("select 1 from t group by a, rollup(b), cube((a, b), c), grouping sets ((a), ())").args[
        "group"
    ]
    assert [type(g).__name__ for g in group.expressions] == ["Column", "Rollup", "Cube", "GroupingSets"]
    assert query("select 1 from t group by all").args["group"].args["all"]
    assert query("select 1 from t group by a with cube").args["group"].args["cube"]


def test_default_null_order_is_sparks() -> None:
    ordered = (
        query("select a from t order by a, b desc, c nulls last, d desc nulls first")
        .args["order"]
        .expressions
    )
    assert [o.args["nulls_first"] for o in ordered] == [True, False, False, True]


def test_spans_count_in_the_whole_text() -> None:
    text = "create view v as select a + f(b) as c from t"
    statement: Any = parse_statement(text)
    assert statement.query.sql == "select a + f(b) as c from t"
    start, end = span_of(statement.query.ast.expressions[0].this) or (0, 0)
    assert text[start:end] == "a + f(b"


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("select a from t where a = = b", "=", "Syntax error at or near '='"),
        ("select a,, b", ",", "Syntax error at or near ','"),
        ("select a b c from t", "c", "Syntax error at or near 'c'"),
        ("select a from t limit 1 where b", "where", "Syntax error at or near 'where'"),
        ("selec 1", "selec", "Syntax error at or near 'selec'"),
        ("select 1 +", "", "Syntax error at or near end of input"),
        ("select (1", "", "Syntax error at or near end of input"),
        ("select 1)", ")", "Syntax error at or near ')'"),
        ("select 1; select 2", ";", "Syntax error at or near ';'"),
        ("select\n  a ~~ b\nfrom t", "~", "Syntax error at or near '~'"),
    ],
)
def test_syntax_errors_point_at_the_token(text: str, at: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_statement(text)
    error = caught.value
    assert error.condition == "PARSE_SYNTAX_ERROR"
    assert error.message == message
    assert error.span is not None
    assert text[error.span[0] : error.span[1]] == at


@pytest.mark.parametrize(
    ("text", "start"), [("select 'abc", 7), ("select `a", 7), ("select 1 /* x", 9), ('x = "', 4)]
)
def test_what_does_not_end_is_shown_from_its_start(text: str, start: int) -> None:
    with pytest.raises(ParseError, match="does not end") as caught:
        parse_statement(text)
    assert caught.value.span == (start, len(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("select a from t for update", "FOR UPDATE"),
        ("select a at time zone 'utc'", "AT TIME ZONE"),
        ("select [1, 2]", "array literal"),
        ("select a[1:2]", "slice"),
        ("select a from t limit 5 with ties", "ties"),
        ("select sum(a) over (order by a rows 1 preceding exclude ties) from t", "EXCLUDE"),
    ],
)
def test_foreign_clauses_are_refused_by_name(text: str, name: str) -> None:
    with pytest.raises((NotSupportedError, ParseError), match=f"(?i){name}"):
        parse_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "select " + "(" * 3000 + "1" + ")" * 3000,
        "select " + "not " * 20_000 + "a",
        "select " + "- " * 20_000 + "a",
        "select " + "case when a then " * 5000 + "1" + " end" * 5000,
    ],
    ids=["parentheses", "not", "minus", "case"],
)
def test_too_deep_is_an_error(text: str) -> None:
    with pytest.raises(NotSupportedError, match=r"nested"):
        parse_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "select " + "(" * 150 + "1" + ")" * 150,
        "select " + " and ".join(["a = 1"] * 2000),
        "select " + "+".join(["a"] * 2000),
        "select a in (" + ",".join(map(str, range(5000))) + ")",
        "select * from a" + " join a" * 300,
        "select * from a" + " left join a b" * 300,
        " union all ".join(["select 1"] * 500),
    ],
    ids=["parentheses", "and", "plus", "in", "join", "alias", "union"],
)
def test_long_statements_parse(text: str) -> None:
    parse_statement(text)


@pytest.mark.parametrize(
    ("dialect", "text", "ours"),
    [
        ("duckdb", "select a[1] from t", "SELECT a[0] FROM t"),
        ("duckdb", "from t", "SELECT * FROM t"),
        ("tsql", "select top 5 [a b] from t", "SELECT `a b` FROM t LIMIT 5"),
        ("postgres", "select a::text from t", "SELECT CAST(a AS STRING) FROM t"),
        ("mysql", "select `a` from t limit 1, 2", "SELECT `a` FROM t LIMIT 2 OFFSET 1"),
        ("duckdb", "explain stages select 1", "explain stages SELECT 1"),
        ("duckdb", "show tables", "show tables"),
    ],
)
def test_other_dialects(dialect: str, text: str, ours: str) -> None:
    assert parse_statement(text, dialect).text == ours


def test_other_dialects_errors() -> None:
    with pytest.raises(ParseError, match=r"near 'where' \(read as postgres\)") as caught:
        parse_statement("select 'a' where", "postgres")
    assert caught.value.span == (11, 16)
    with pytest.raises(NotSupportedError, match="clickhouse"):
        parse_statement("select a from t final prewhere x", "clickhouse")
    with pytest.raises(NotSupportedError) as second:
        parse_statement("select x[1:2] from t", "duckdb")
    assert second.value.span is None
    with pytest.raises(InterfaceError, match="duckbd") as unknown:
        parse_statement("select 1", "duckbd")
    assert unknown.value.hint == "did you mean `duckdb`?"
