"""The documented pattern of scoring what is new, against scoring everything."""

from __future__ import annotations

from pathlib import Path

from sqlshell.session import Session

ROOT = Path(__file__).resolve().parents[2]


def test_scores_of_new_rows_equal_scores_of_all(tmp_path: Path) -> None:
    section = (ROOT / "docs/models.md").read_text().split("## Scoring what is new")[1]
    text = section.split("```sql\n")[1].split("```")[0]
    text = text.replace("'orders.parquet'", f"'{ROOT / 'sample_data/orders.parquet'}'")
    statements = [s for s in text.split(";") if s.strip()]
    with Session(warehouse=str(tmp_path / "lake")) as session:
        for statement in statements:
            session.execute(statement)
        session.execute("INSERT INTO basket VALUES (7, 'toys', 1)")
        for statement in statements[-2:]:
            session.execute(statement)
        rows = list(session.execute("SELECT seen, count(*) FROM scored GROUP BY seen ORDER BY seen").rows())
        assert rows == [(0, 50), (1, 2), (2, 1)]
        difference = """SELECT quantity, category, price, expected FROM scored EXCEPT ALL
                        SELECT *, ml_predict('spend', quantity => quantity, category => category) FROM basket"""
        assert list(session.execute(difference).rows()) == []
