"""The SQLAlchemy dialect: statements, types, reflection, pandas, and a sample of SQLAlchemy's own suite."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlshell.connect.alchemy import MAP, STRUCT, dialect
from sqlshell.connect.dbapi import Connection
from tests.sqlalchemy_suite.__main__ import HERE, run

if TYPE_CHECKING:
    from pathlib import Path

    import sqlshell.session


@pytest.fixture
def engine(session: sqlshell.session.Session) -> sa.Engine:
    return sa.create_engine("sqlshell://", creator=lambda: Connection(session))


def test_an_engine_has_one_session(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlshell:///{tmp_path}?workers=2&sqlshell.partitions=3")
    try:
        with engine.begin() as one:
            one.execute(sa.text("CREATE TEMPORARY VIEW v AS SELECT 1 AS a"))
        with engine.connect() as two:
            assert two.execute(sa.text("SELECT a FROM v")).scalar() == 1
            raw: Any = two.connection.dbapi_connection
            assert raw.execute("SET sqlshell.partitions").fetchone()[1] == "3"
    finally:
        engine.dispose()


def test_statements(engine: sa.Engine) -> None:
    items = sa.Table(
        "items",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("a name", sa.String(20), comment="it's"),
        sa.Column("price", sa.Numeric(10, 2), server_default="0"),
        sa.Column("day", sa.Date),
        sa.Column("facts", sa.JSON),
        sa.CheckConstraint("price >= 0", name="fair"),
        sa.CheckConstraint("id > 0"),
        comment="what there is",
    )
    with engine.begin() as con:
        items.create(con)
        facts, day = {"x": [1]}, dt.date(2026, 1, 2)
        rows = [
            {"id": 1, "a name": "back\\slash '", "price": Decimal("1.50"), "day": day, "facts": facts},
            {"id": 2, "a name": "50 %", "price": Decimal(0), "day": None, "facts": None},
        ]
        assert con.execute(sa.insert(items), rows).rowcount == 2
        assert con.execute(sa.insert(items).values({"id": 3, "a name": "x"})).rowcount == 1
        assert [
            r._asdict() for r in con.execute(sa.select(items).where(items.c.id < 3).order_by("id"))
        ] == rows
        name = items.c["a name"]
        assert con.scalars(
            sa.select(items.c.id).where(name == sa.literal("back\\slash '", literal_execute=True))
        ).all() == [1]
        assert con.scalars(sa.select(items.c.id).where(name.contains("%", autoescape=True))).all() == [2]
        assert con.scalars(sa.select(items.c.id).where(name.regexp_match("^X$", flags="i"))).all() == [3]
        assert con.scalars(sa.select(items.c.id).order_by(items.c.id.desc()).limit(1).offset(1)).all() == [2]
        assert con.scalars(
            sa.select(items.c.id).where(sa.tuple_(items.c.id, name).in_([(3, "x")]))
        ).all() == [3]
        assert con.scalars(sa.select(items.c.id).where(items.c.id.in_([]))).all() == []
        assert (
            con.execute(sa.update(items).values(price=items.c.price + 1).where(items.c.id == 1)).rowcount == 1
        )
        assert con.execute(sa.delete(items).where(items.c.id == 2)).rowcount == 1
        assert con.execute(sa.select(items.c.id, items.c.price).order_by("id")).all() == [
            (1, Decimal("2.50")), (3, Decimal("0.00")),
        ]  # fmt: skip
        found = sa.inspect(con)
        assert found.get_table_comment("items") == {"text": "what there is"}
        assert {c["name"] for c in found.get_check_constraints("items")} == {"fair", "items_check2"}
        assert found.get_columns("items")[1]["comment"] == "it's"
    with pytest.raises(sa.exc.IntegrityError, match="fair"), engine.begin() as con:
        con.execute(sa.insert(items).values(id=4, price=-1))


def test_reflection(engine: sa.Engine) -> None:
    with engine.begin() as con:
        con.exec_driver_sql(
            "CREATE TABLE kinds (t TINYINT, i INT NOT NULL, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(9,3), s STRING,"
            " v VARCHAR(5), c CHAR(2), x BINARY, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, yes BOOLEAN,"
            " many ARRAY<ARRAY<INT>>, m MAP<STRING,INT>, st STRUCT<a:INT,b:STRING>)"
        )
        con.exec_driver_sql("CREATE VIEW small AS SELECT i FROM kinds")
        con.exec_driver_sql("CREATE TEMPORARY VIEW passing AS SELECT 1 AS one")
        table = sa.Table("kinds", sa.MetaData(), autoload_with=con)
        found = sa.inspect(con)
        assert found.get_table_names() == ["kinds"]
        assert found.get_view_names() == ["small"]
        assert found.get_temp_view_names() == ["passing"]
        assert found.get_view_definition("small") == "SELECT i FROM kinds"
        assert [c["name"] for c in found.get_columns("passing")] == ["one"]
        assert found.has_table("passing")
        assert not found.has_table("kind_")
        assert "information_schema" in found.get_schema_names()
        with pytest.raises(sa.exc.NoSuchTableError):
            found.get_columns("nope")
    kinds = [type(c.type) for c in table.columns]
    assert kinds[-3:] == [sa.ARRAY, MAP, STRUCT]
    assert not table.c.i.nullable
    again = str(sa.schema.CreateTable(table).compile(dialect=dialect()))
    assert re.findall(r"`?(\w+)`? ([A-Z].*?),? ?\n", again.partition("(")[2]) == [
        ("t", "TINYINT"), ("i", "INT NOT NULL"), ("b", "BIGINT"), ("f", "FLOAT"), ("d", "DOUBLE"),
        ("n", "DECIMAL(9, 3)"), ("s", "STRING"), ("v", "VARCHAR(5)"), ("c", "CHAR(2)"), ("x", "BINARY"),
        ("day", "DATE"), ("at", "TIMESTAMP"), ("wall", "TIMESTAMP_NTZ"), ("yes", "BOOLEAN"),
        ("many", "ARRAY<ARRAY<INT>>"), ("m", "MAP<STRING,INT>"), ("st", "STRUCT<A:INT,B:STRING>"),
    ]  # fmt: skip


def test_what_nobody_would_enforce_is_refused(engine: sa.Engine) -> None:
    unique = sa.Table("u", sa.MetaData(), sa.Column("a", sa.Integer, unique=True))
    indexed = sa.Table("i", sa.MetaData(), sa.Column("a", sa.Integer, index=True))
    with engine.begin() as con:
        with pytest.raises(sa.exc.CompileError, match="UNIQUE"):
            unique.create(con)
        indexed.create(con)
        assert sa.inspect(con).get_indexes("i") == []


def test_pandas(engine: sa.Engine) -> None:
    frame = pd.DataFrame(
        {"a b": [1, 2, 3], "s": ["x", None, "z"], "at": pd.date_range("2026-01-01", periods=3)}
    )
    assert frame.to_sql("frames", engine) == 3
    assert frame.to_sql("frames", engine, if_exists="append") == 3
    with engine.connect() as con:
        assert (
            con.exec_driver_sql("DESCRIBE HISTORY frames").rowcount == 3
        )  # CREATE and two commits of all rows
    read = pd.read_sql(sa.text("SELECT * FROM frames WHERE `a b` > :low"), engine, params={"low": 2})
    assert read["s"].tolist() == ["z", "z"]
    back = pd.read_sql_table("frames", engine, index_col="index").head(3)
    assert back["at"].tolist() == frame["at"].tolist()
    assert frame.to_sql("frames", engine, if_exists="replace", index=False) == 3


class _Base(DeclarativeBase):
    pass


class _Person(_Base):
    __tablename__ = "persons"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    born: Mapped[dt.date | None]


def test_orm(engine: sa.Engine) -> None:
    _Base.metadata.create_all(engine)
    with Session(engine) as db:
        db.add_all([_Person(id=1, name="Ada", born=dt.date(1815, 12, 10)), _Person(id=2, name="Bob")])
        db.commit()
        bob = db.get(_Person, 2)
        assert bob is not None
        bob.name = "Bo"
        db.commit()
        assert db.scalars(sa.select(_Person.name).order_by(_Person.id)).all() == ["Ada", "Bo"]


def test_a_sample_of_the_suite() -> None:
    done = run("-k", "FetchLimitOffsetTest or CompoundSelectTest or CastTypeDecoratorTest or DateTest")
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) >= 30


@pytest.mark.long
def test_the_suite() -> None:
    done = run()
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) >= int((HERE / "passes.txt").read_text())
