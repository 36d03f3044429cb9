"""Completion: a kept corpus, and what it costs with ten thousand columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sqlshell.shell.completion import Completer
from sqlshell.shell.completion.scope import Column
from sqlshell.shell.completion.tokens import WINDOW, locate
from tests.conftest import SAMPLES

if TYPE_CHECKING:
    from sqlshell.session import Session

CORPUS = Path(__file__).with_name("completion_corpus.txt")
VIEWS = (
    (
        "people AS SELECT 'a' AS first_name, 'b' AS last_name, 1 AS person_id, current_date() AS born,"
        " named_struct('city', 'x', 'zip', '1', 'geo', named_struct('lat', 1D, 'lon', 2D)) AS address"
    ),
    (
        "orders AS SELECT 1 AS order_id, 2 AS person_id, 3.5 AS total, now() AS placed_at,"
        " array(named_struct('sku', 'a', 'qty', 1, 'price', 2.5)) AS items"
    ),
    (
        "events AS SELECT 1 AS event_id, 'k' AS kind,"
        " named_struct('user', named_struct('id', 1, 'name', 'n'), 'tags', array('t')) AS payload,"
        " map('x', named_struct('a', 1, 'b', 2)) AS attrs"
    ),
    "`odd names` AS SELECT 1 AS `first col`, 2 AS plain",
)


HELD_OUT = CORPUS.with_name("completion_held_out.txt")
TPC_DS = {
    "store_sales": "ss_sold_date_sk ss_item_sk ss_customer_sk ss_store_sk ss_quantity ss_list_price ss_sales_price"
    " ss_ext_sales_price ss_net_profit",
    "item": "i_item_sk i_item_id i_category i_class i_brand i_manufact_id i_current_price",
    "date_dim": "d_date_sk d_date d_year d_moy d_month_seq",
    "customer": "c_customer_sk c_first_name c_last_name c_current_addr_sk c_birth_country",
    "customer_address": "ca_address_sk ca_state ca_zip",
    "store": "s_store_sk s_store_id s_store_name s_state",
    "web_sales": "ws_sold_date_sk ws_item_sk ws_ext_sales_price",
}


def corpus(path: Path = CORPUS) -> list[tuple[str, list[str]]]:
    """(text with ▮, texts that must be offered) of every case."""
    lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
    cases = [x.rpartition(" => ") for x in lines]
    return [(text.replace("\\n", "\n"), [w.strip() for w in wanted.split(", ")]) for text, _, wanted in cases]


@pytest.fixture
def completer(session: Session) -> Completer:
    for view in VIEWS:
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {view}").close()
    return Completer(session)


def is_right(completer: Completer, text: str, wanted: list[str]) -> bool:
    """Whether all wanted texts are among the first five offers (`*none`: whether there is none)."""
    cursor = text.index("▮")
    offers = completer.offers(text.replace("▮", ""), cursor)
    if wanted == ["*none"]:
        return not offers
    first = [o.text.lower() if o.kind == "keyword" else o.text for o in offers[:5]]
    return all((w.lower() if w.isupper() else w) in first or w in first for w in wanted)


def test_corpus(completer: Completer) -> None:
    cases = corpus()
    assert len(cases) >= 200
    assert len({text for text, _ in cases}) == len(cases)
    wrong = [text for text, wanted in cases if not is_right(completer, text, wanted)]
    assert len(wrong) <= len(cases) * 0.05, "\n".join(wrong)


def test_held_out_corpus(session: Session) -> None:
    for table, names in TPC_DS.items():
        items = ", ".join(f"1 AS {c}" for c in names.split())
        session.execute(f"CREATE TEMPORARY VIEW {table} AS SELECT {items}").close()
    session.execute("CREATE TABLE readings (id INT, value INT, day DATE)").close()
    for n in range(2):
        session.execute(f"INSERT INTO readings VALUES ({n}, 1, DATE'2026-01-01')").close()
    session.execute(
        "CREATE MODEL churn TRANSFORM (a + 1 AS b) OPTIONS (model_type = 'transform_only') AS SELECT 1 AS a"
    ).close()
    completer = Completer(session)
    cases = corpus(HELD_OUT)
    wrong = [text for text, wanted in cases if not is_right(completer, text, wanted)]
    assert len(wrong) <= len(cases) * 0.02, "\n".join(wrong)


def test_case_follows_what_was_typed(completer: Completer) -> None:
    assert completer.offers("SEL", 3)[0].text == "SELECT"
    assert completer.offers("sel", 3)[0].text == "select"


def test_offers_replace_the_typed_word_only(completer: Completer) -> None:
    text = "SELECT 1; SELECT p.fir FROM people p"
    (offer, *_) = completer.offers(text, text.index("fir") + 3)
    assert text[: offer.start] == "SELECT 1; SELECT p."


def test_relations_are_looked_up_once(completer: Completer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    bind = completer.session.bind_text
    monkeypatch.setattr(completer.session, "bind_text", lambda t: asked.append(t) or bind(t))
    for _ in range(3):
        completer.offers("SELECT f FROM people", 8)
    assert asked == ["SELECT * FROM people"]
    completer.forget()
    completer.offers("SELECT f FROM people", 8)
    assert len(asked) == 2


def test_a_view_that_cannot_be_read_has_no_columns(completer: Completer) -> None:
    assert completer.offers("SELECT zzz FROM 'nosuchfile.parquet'", 10) == []
    assert completer.offers("SELECT x. FROM nosuch x", 9) == []


def test_ten_thousand_columns(completer: Completer, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [Column(f"column_{i}_measure") for i in range(10_000)]
    monkeypatch.setattr(completer.names, "columns", lambda _: wide)
    offers = completer.offers("SELECT column_9999 FROM wide", 18)
    assert offers[0].text == "column_9999_measure"
    assert len(completer.offers("SELECT  FROM wide", 7)) <= 200


def test_huge_texts_are_cut_around_the_cursor() -> None:
    text = "SELECT 1;\n" * 50_000 + "SELECT fir FROM people"
    place = locate(text, len(text) - 12)
    assert len(place.tokens) < WINDOW
    assert place.prefix == "fir"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "(",
        ")",
        "'",
        '"',
        "`",
        "--",
        "/*",
        ".",
        "\\",
        ";",
        "WITH",
        "WITH a AS (",
        "SELECT (",
        "a.b.",
        "FROM ((",
    ],
)
def test_unfinished_texts_are_no_error(completer: Completer, text: str) -> None:
    for cursor in range(len(text) + 1):
        completer.offers(text, cursor)


def test_every_prefix_of_a_script_is_no_error(completer: Completer) -> None:
    text = (SAMPLES / "tour.sql").read_text()[:1500]
    for cursor in range(0, len(text), 7):
        completer.offers(text[:cursor], cursor)
        completer.offers(text, cursor)
