"""Completion: a kept corpus, and what it costs with ten thousand columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.shell.completion import Completer
from sqlshell.shell.completion.scope import Column
from sqlshell.shell.completion.tokens import WINDOW, locate
from tests.conftest import SAMPLES
from tests.support.completion import HELD_OUT, TPC_DS, VIEWS, corpus, is_right

if TYPE_CHECKING:
    from sqlshell.session import Session


@pytest.fixture
def completer(session: Session) -> Completer:
    for view in VIEWS:
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {view}").close()
    return Completer(session)


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
