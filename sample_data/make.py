"""Makes everything in this folder but the scripts, from one seed: `python sample_data/make.py`.

Needs the test extra. The same seed gives the same values on every machine.
"""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
SEED = 20_260_101

CITIES = ["Berlin", "Paris", "Zürich", "Ljubljana", "Oslo", "Kraków", "Porto", "Ghent"]
FIRST = ["Ada", "Béla", "Chloé", "Dora", "Emil", "Finn", "Greta", "Hugo", "Iris", "Jan", "Kaja", "Luka"]
LAST = ["Novak", "Meyer", "Rossi", "Silva", "Larsen", "Kowalski", "Martin", "Horvat", "Weber", "Dupont"]
PRODUCTS = [
    ("keyboard", "computing", "79.90"),
    ("monitor", "computing", "249.00"),
    ("mouse", "computing", "24.50"),
    ("desk lamp", "home", "39.95"),
    ("kettle", "kitchen", "44.00"),
    ("espresso machine", "kitchen", "329.00"),
    ("chair", "home", "189.00"),
    ("notebook", "stationery", "3.20"),
    ("fountain pen", "stationery", "28.75"),
    ("backpack", "travel", "65.00"),
]


def customers(rng: random.Random) -> list[dict[str, Any]]:
    """200 people; some without an e-mail address."""
    rows = []
    for i in range(1, 201):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        rows.append(
            {
                "customer_id": i,
                "name": f"{first} {last}",
                "city": rng.choice(CITIES),
                "email": None if rng.random() < 0.1 else f"{first}.{last}{i}@example.com".lower(),
                "joined": date(2023, 1, 1) + timedelta(days=rng.randrange(900)),
            }
        )
    return rows


def orders(rng: random.Random) -> pa.Table:
    """2,000 flat orders with exact prices; the newest have no shipping date yet."""
    rows = []
    for i in range(1, 2001):
        product, category, price = rng.choice(PRODUCTS)
        ordered = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(525_600))
        shipped = ordered + timedelta(days=rng.randrange(1, 9))
        rows.append(
            {
                "order_id": i,
                "customer_id": rng.randrange(1, 201),
                "product": product,
                "category": category,
                "quantity": rng.choice([1, 1, 1, 2, 2, 3, 5]),
                "price": Decimal(price),
                "discount": rng.choice([None, Decimal("0.05"), Decimal("0.10")]),
                "ordered_at": ordered,
                "shipped_on": None if shipped.date() > date(2025, 12, 28) else shipped.date(),
            }
        )
    schema = pa.schema(
        [
            ("order_id", pa.int64()),
            ("customer_id", pa.int64()),
            ("product", pa.string()),
            ("category", pa.string()),
            ("quantity", pa.int32()),
            ("price", pa.decimal128(10, 2)),
            ("discount", pa.decimal128(3, 2)),
            ("ordered_at", pa.timestamp("us", tz="UTC")),
            ("shipped_on", pa.date32()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def events(rng: random.Random) -> list[dict[str, Any]]:
    """1,500 nested page events: a struct, a list of structs and a map."""
    rows = []
    for i in range(1, 1501):
        items = [
            {
                "sku": rng.choice(PRODUCTS)[0],
                "qty": rng.randrange(1, 4),
                "tags": rng.sample(["new", "sale", "gift"], k=rng.randrange(3)),
            }
            for _ in range(rng.randrange(4))
        ]
        rows.append(
            {
                "event_id": i,
                "kind": rng.choice(["view", "view", "view", "cart", "purchase"]),
                "at": datetime(2025, 6, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(2_592_000)),
                "user": {
                    "id": rng.randrange(1, 201),
                    "device": {
                        "os": rng.choice(["linux", "macos", "android", "ios"]),
                        "mobile": rng.random() < 0.5,
                    },
                },
                "items": items,
                "attributes": {
                    k: rng.choice(["a", "b", "c"])
                    for k in rng.sample(["campaign", "variant", "theme"], k=rng.randrange(1, 4))
                },
            }
        )
    return rows


EVENT_SCHEMA = pa.schema(
    [
        ("event_id", pa.int64()),
        ("kind", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        (
            "user",
            pa.struct(
                [("id", pa.int64()), ("device", pa.struct([("os", pa.string()), ("mobile", pa.bool_())]))]
            ),
        ),
        (
            "items",
            pa.list_(pa.struct([("sku", pa.string()), ("qty", pa.int32()), ("tags", pa.list_(pa.string()))])),
        ),
        ("attributes", pa.map_(pa.string(), pa.string())),
    ]
)

GOOD = ["works perfectly", "lovely colour", "arrived early", "great value", "would buy again", "feels solid"]
BAD = ["broke after a week", "arrived late", "too loud", "wrong colour", "sent it back", "feels cheap"]


def write_reviews(rng: random.Random) -> None:
    """A labelled text set: one line a review, `label=...` directories."""
    for label, phrases in (("good", GOOD), ("bad", BAD)):
        folder = HERE / "reviews" / f"label={label}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"The {rng.choice(PRODUCTS)[0]} {rng.choice(phrases)}, {rng.choice(phrases)}." for _ in range(150)
        ]
        (folder / "part-0.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_dirty(rng: random.Random) -> None:
    """Sensor readings with what real files have: blanks, quotes, a bad number, short and long records."""
    with (HERE / "readings_dirty.csv").open("w", encoding="utf-8", newline="") as f:
        f.write("sensor;taken_on;value;note\n")
        for i in range(1, 301):
            taken = date(2025, 3, 1) + timedelta(days=i % 30)
            value = f"{rng.gauss(20, 4):.2f}"
            note = rng.choice(["", '"ok; checked"', "calm"])
            if i == 120:
                value = "n/a"
            if i == 200:
                f.write(f"s{i % 7};{taken}\n")
                continue
            if i == 250:
                note = "calm;too;many"
            f.write(f"s{i % 7};{taken};{value};{note}\n")


SECTIONS = {
    "astronomy": "telescope orbit comet eclipse nebula lens",
    "chess": "opening gambit endgame knight clock tournament",
    "sailing": "harbour keel regatta wind anchor tide",
    "gardening": "compost seedling pruning tulip soil greenhouse",
    "opera": "soprano aria stage premiere orchestra libretto",
    "cycling": "gear climb peloton helmet saddle sprint",
}
TASTES = {"F": ("astronomy", "chess", "sailing"), "M": ("gardening", "opera", "cycling")}
"""Made up, so that there is something to find: readers of one gender prefer three sections, of the other the rest."""


def readers(rng: random.Random) -> list[dict[str, Any]]:
    """400 readers and the articles each has read; the gender of the last 100 is not known."""
    rows = []
    for i in range(1, 401):
        gender = rng.choice("FM")
        articles = []
        for _ in range(rng.randrange(3, 9)):
            liked = TASTES[gender] if rng.random() < 0.85 else TASTES["M" if gender == "F" else "F"]
            words = SECTIONS[rng.choice(liked)].split()
            articles.append(
                f"The {rng.choice(words)} and the {rng.choice(words)}: notes on a {rng.choice(words)} in "
                f"{rng.choice(CITIES)}"
            )
        rows.append(
            {"reader_id": i, "gender": gender if i <= 300 else None, "truth": gender, "articles": articles}
        )
    return rows


PRICES = (
    (
        "2025-01-01",
        """CREATE TABLE delta.`prices` (
             product STRING NOT NULL, category STRING, price DECIMAL(10,2), CONSTRAINT positive CHECK (price > 0)
           ) COMMENT 'what things cost'
           TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')""",
    ),
    (
        "2025-01-01",
        "INSERT INTO delta.`prices` SELECT DISTINCT product, category, price FROM 'orders.parquet'",
    ),
    ("2025-04-01", "UPDATE delta.`prices` SET price = round(price * 1.1, 2) WHERE category = 'computing'"),
    ("2025-06-15", "DELETE FROM delta.`prices` WHERE product = 'fountain pen'"),
    ("2025-09-01", "ALTER TABLE delta.`prices` ADD COLUMN supplier STRING"),
    (
        "2025-09-02",
        """MERGE INTO delta.`prices` AS p
           USING (VALUES ('kettle', 39.00, 'Larsen'), ('teapot', 21.50, 'Larsen')) AS n(product, price, supplier)
           ON p.product = n.product
           WHEN MATCHED THEN UPDATE SET price = n.price, supplier = n.supplier
           WHEN NOT MATCHED THEN INSERT (product, category, price, supplier)
             VALUES (n.product, 'kitchen', n.price, n.supplier)""",
    ),
)
"""What happened to the table of prices, and when."""


def prices() -> None:
    """A Delta table with six versions, made by sqlshell, whose commits carry the days above as their times."""
    import os
    import shutil
    from itertools import repeat

    from sqlshell.session import Session
    from sqlshell.storage.delta import commit

    shutil.rmtree(HERE / "prices", ignore_errors=True)
    os.chdir(HERE)
    commit._user = lambda: "ada"
    with Session(warm=False) as session:
        for n, (day, statement) in enumerate(PRICES):
            moment = datetime.fromisoformat(f"{day}T09:{n:02}:00+00:00")
            commit._now = repeat(int(moment.timestamp() * 1000)).__next__
            session.execute(statement).close()


def main() -> None:
    rng = random.Random(SEED)
    people = customers(rng)
    with (HERE / "customers.csv").open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(people[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(people)
    pq.write_table(orders(rng), HERE / "orders.parquet", compression="zstd", row_group_size=500)
    rows = events(rng)
    pq.write_table(
        pa.Table.from_pylist(rows, schema=EVENT_SCHEMA), HERE / "events.parquet", compression="zstd"
    )
    with (HERE / "events.jsonl").open("w", encoding="utf-8") as f:
        for row in rows[:500]:
            f.write(json.dumps(row, default=lambda v: v.isoformat(), ensure_ascii=False) + "\n")
    write_reviews(rng)
    write_dirty(rng)
    with (HERE / "readers.jsonl").open("w", encoding="utf-8") as f:
        for row in readers(rng):
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
    prices()


if __name__ == "__main__":
    main()
