"""EXPLAIN ANALYZE counts what the operators really gave; `.profile` draws it as a page that cannot do anything."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from sqlshell.plan.explain import normalize_ids
from sqlshell.shell.runner import Options, Runner

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.commands.profile import Profile
    from sqlshell.session import Session

GOLDEN = """
== Optimized plan ==
TopN 2 [n#1 DESC]
└─ Aggregate keys=[category#2] aggs=[count(1) AS count#1]
   └─ Scan parquet.`orders.parquet` [order_id#3, category#2] where (order_id#3 > 1500)

== Run ==
2 rows in TIME: bind TIME, optimize TIME, plan TIME, run TIME
memory SIZE, spilled 0 B

Stage 0: 1 task, solo, writes result: TIME
         rows      estimate       time
            2             2 TIME  TopN 2 [n#1 DESC]
            5            10 TIME  └─ Aggregate keys=[category#2] aggs=[count(1) AS count#1]
          500           500 TIME     └─ Scan parquet.`orders.parquet` [order_id#3, category#2] where (order_id#3 > 1500)
                                                 files 1 of 1, row groups 1 of 4, leaves 2 of 9, 1.6 kB of 40.3 kB
"""


def analyzed(session: Session, query: str) -> Profile:
    result = session.execute(f"EXPLAIN ANALYZE {query}")
    list(result.rows())
    result.close()
    assert session.last_profile is not None
    return session.last_profile


def test_the_text(session: Session) -> None:
    query = (
        "SELECT category, count(*) AS n FROM 'orders.parquet' WHERE order_id > 1500"
        " GROUP BY ALL ORDER BY n DESC LIMIT 2"
    )
    [(text,)] = session.execute(f"EXPLAIN ANALYZE {query}").rows()
    text = re.sub(r" *[\d.]+ m?s\b", " TIME", text)
    text = re.sub(r"memory [\d.]+ [kMG]?B", "memory SIZE", text)
    assert normalize_ids(text) == GOLDEN.strip()


ORDERS = "'orders.parquet'"
SUMS = f"SELECT category, product, sum(price) AS s FROM {ORDERS} GROUP BY ALL"
PAIRS = f"SELECT o.price FROM {ORDERS} o JOIN {ORDERS} p ON o.category = p.category AND p.order_id < 20"
QUERIES = {
    f"SELECT * FROM {ORDERS} WHERE quantity > 3": {"Scan": f"SELECT 1 FROM {ORDERS} WHERE quantity > 3"},
    PAIRS: {"Join": PAIRS},
    f"{SUMS} HAVING s > 900": {"Aggregate": SUMS, "Filter": f"{SUMS} HAVING s > 900"},
    f"SELECT explode(sequence(1, quantity)) FROM {ORDERS}": {
        "Generate": f"SELECT 1 FROM {ORDERS} LATERAL VIEW explode(sequence(1, quantity)) v AS x"
    },
}
"""A query, and for kinds of operators queries with as many rows as they give."""


@pytest.mark.parametrize("query", QUERIES)
def test_rows_are_counted_in_one_process_and_on_the_pool(
    session: Session, pool_session: Session, query: str
) -> None:
    for where in (session, pool_session):
        profile = analyzed(where, query)
        assert profile.rows == where.execute(query).row_count
        operators = [o for s in profile.stages for o in s.operators]
        for kind, equal in QUERIES[query].items():
            rows = [o.rows for o in operators if o.text.startswith((kind, f"Final{kind}"))]
            assert where.execute(equal).row_count in rows
        assert all(o.seconds is None or o.seconds >= 0 for o in operators)
        assert all(t.seconds > 0 and t.memory > 0 for s in profile.stages for t in s.tasks)


def test_skew(pool_session: Session) -> None:
    keyed = f"SELECT *, if(order_id < 1900, 0, order_id) AS k FROM {ORDERS}"
    query = f"SELECT *, sum(price) OVER (PARTITION BY k) FROM ({keyed})"
    profile = analyzed(pool_session, query)
    assert max(s.skew for s in profile.stages) > 1.5
    assert len(profile.stages) > 1
    [(text,)] = pool_session.execute(f"EXPLAIN ANALYZE {query}").rows()
    assert "largest partition" in text
    heads = re.findall(r"^Stage \d+: [^\n]*writes (?:result|whole|hash|range)", text, re.M)
    [(stages,)] = pool_session.execute(f"EXPLAIN STAGES {query}").rows()
    assert heads[0] in stages  # both call stages by the same words


def test_no_filter_moves_past_a_counter(session: Session) -> None:
    """Rows of the scan are those before the filter above the window."""
    query = "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY order_id) AS n FROM 'orders.parquet') WHERE n <= 3"
    profile = analyzed(session, query)
    counted = {o.text.split()[0]: o.rows for o in profile.stages[-1].operators}
    assert (counted["Filter"], counted["Window"], counted["Scan"]) == (3, 2000, 2000)


def test_what_a_scan_reads(session: Session, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    session.execute("SET sqlshell.write.rowGroupRows = 1000")
    session.execute(
        f"COPY (SELECT id, id % 10 AS d, repeat('x', 20) AS pad, DATE'2024-01-01' + CAST(id DIV 1000 AS INT) AS day,"
        f" named_struct('a', id, 'b', pad) AS s FROM (SELECT id, repeat('y', 30) AS pad FROM range(10000)))"
        f" TO '{tmp_path}/t.parquet'"
    )
    session.execute("RESET sqlshell.write.rowGroupRows")
    footer = pq.read_metadata(tmp_path / "t.parquet")

    def size(groups: list[int], *names: str) -> int:
        chunks = [footer.row_group(g).column(j) for g in groups for j in range(footer.num_columns)]
        return sum(c.total_compressed_size for c in chunks if c.path_in_schema in names)

    every = list(range(10))
    for query, groups, names in (
        ("SELECT max(id) FROM t", every, ["id"]),
        ("SELECT max(d) FROM t WHERE id >= 9500", [9], ["id", "d"]),
        ("SELECT max(d) FROM t WHERE id IN (5, 1500, NULL)", [0, 1], ["id", "d"]),
        ("SELECT max(d) FROM t WHERE day = DATE'2024-01-04'", [3], ["day", "d"]),
        ("SELECT max(s.a) FROM t WHERE s.a < 1000", [0], ["s.a"]),
        ("SELECT max(d) FROM t WHERE d = 3", every, ["d"]),
        ("SELECT count(*) FROM t WHERE day > DATE'2030-01-01'", [], ["day"]),
    ):
        [facts] = analyzed(session, query.replace("FROM t", f"FROM '{tmp_path}/t.parquet'")).scans
        assert (facts.groups, facts.all_groups, facts.bytes) == (len(groups), 10, size(groups, *names)), query
        assert (facts.leaves, facts.all_leaves) == (len(names), 6)


def test_files_of_delta_tables(session: Session) -> None:
    session.execute("CREATE TABLE t (id BIGINT, p INT) PARTITIONED BY (p)")
    session.execute("INSERT INTO t SELECT id, id % 4 FROM range(100)")
    session.execute("ALTER TABLE t SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    session.execute("ALTER TABLE t RENAME COLUMN id TO number")
    [facts] = analyzed(session, "SELECT sum(number) FROM t WHERE p = 1").scans
    assert (facts.files, facts.all_files, facts.leaves) == (1, 4, 1)
    assert 0 < facts.bytes < facts.all_bytes


class _Page(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_the_page(pool_session: Session, tmp_path: Path) -> None:
    runner = Runner(pool_session, Options(), io.StringIO())
    runner.options.variables["evil"] = EVIL
    query = (
        f"SELECT category AS `{EVIL}` FROM 'orders.parquet' WHERE product <> '{EVIL}' AND product <> :evil"
    )
    script = f"{query} GROUP BY ALL;\n.profile {tmp_path}/out.html"
    assert runner.run_script(script) == 0
    text = (tmp_path / "out.html").read_text()
    page = _Page()
    page.feed(text)
    [policy] = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    [style] = [d for t, d in page.texts if t == "style" and d.strip()]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "pre", "div", "span", "table",
               "tr", "th", "td", "svg", "text", "rect", "line"}  # fmt: skip
    assert {t for t, _ in page.tags} <= allowed
    names = {n for _, a in page.tags for n in a}
    assert not names & {"style", "src", "href", "srcset", "action", "data", "xlink:href"}
    assert not any(n.startswith("on") for n in names)
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in text.replace("http-equiv", "")
    assert any(t == "pre" and EVIL in d for t, d in page.texts)
    assert sum(d.startswith("Stage ") for t, d in page.texts if t == "h3") >= 3
    assert any("partition" in d for t, d in page.texts if t == "text")


def test_profile_of_a_given_query(session: Session, tmp_path: Path) -> None:
    for script, code in (
        (f".profile {tmp_path}/a.html", 2),  # nothing has run
        (f".profile '{tmp_path}/a b.html' SELECT 1 AS a", 0),
        (f".profile {tmp_path}/c.html SELECT nosuch", 1),
        (f".profile {tmp_path}/c.html DROP TABLE x", 1),
    ):
        assert Runner(session, Options(), io.StringIO()).run_script(script) == code
    assert "SELECT 1 AS a" in (tmp_path / "a b.html").read_text()
    assert not (tmp_path / "c.html").exists()
