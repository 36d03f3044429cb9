"""The completion's kept cases: texts with a cursor, and what must be among the first offers there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.shell.completion import Completer

CORPUS = Path(__file__).parents[1] / "unit" / "completion_corpus.txt"
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


def is_right(completer: Completer, text: str, wanted: list[str]) -> bool:
    """Whether all wanted texts are among the first five offers (`*none`: whether there is none)."""
    cursor = text.index("▮")
    offers = completer.offers(text.replace("▮", ""), cursor)
    if wanted == ["*none"]:
        return not offers
    first = [o.text.lower() if o.kind == "keyword" else o.text for o in offers[:5]]
    return all((w.lower() if w.isupper() else w) in first or w in first for w in wanted)
