"""Spark's types as SQLAlchemy's: the ones it has, and those that only we have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import types as sa

from sqlshell import types as t


class TINYINT(sa.Integer):
    """An integer of one byte."""

    __visit_name__ = "TINYINT"


class SparkType(sa.TypeEngine[Any]):
    """A type that SQLAlchemy has no counterpart of: values come and go as the connector has them."""

    __visit_name__ = "spark_type"

    def __init__(self, ddl: str) -> None:
        self.ddl = ddl


class MAP(SparkType):
    """`MAP("map<string,int>")`: dicts."""


class STRUCT(SparkType):
    """`STRUCT("struct<a:int,b:string>")`: dicts."""


class VARIANT(SparkType):
    """Values that carry their own type."""

    def __init__(self, ddl: str = "variant") -> None:
        super().__init__(ddl)


_SIMPLE: dict[type[t.SqlType], type[sa.TypeEngine[Any]]] = {
    t.Void: sa.NullType,
    t.Boolean: sa.BOOLEAN,
    t.TinyInt: TINYINT,
    t.SmallInt: sa.SMALLINT,
    t.Int: sa.INTEGER,
    t.BigInt: sa.BIGINT,
    t.Float: sa.REAL,
    t.Double: sa.DOUBLE,
    t.Binary: sa.LargeBinary,
    t.Date: sa.DATE,
    t.Time: sa.TIME,
    t.DayTimeInterval: sa.Interval,
    t.Variant: VARIANT,
}


def to_sqlalchemy(s: t.SqlType) -> sa.TypeEngine[Any]:
    """SQLAlchemy's type of a column."""
    match s:
        case t.Decimal():
            return sa.DECIMAL(s.precision, s.scale)
        case t.String():
            if s.length is None:
                return sa.TEXT()
            return sa.CHAR(s.length) if s.fixed else sa.VARCHAR(s.length)
        case t.Timestamp():
            return sa.TIMESTAMP(timezone=True)
        case t.TimestampNtz():
            return sa.TIMESTAMP()
        case t.Array():
            item: t.SqlType = s
            dimensions = 0
            while isinstance(item, t.Array):
                item, dimensions = item.element, dimensions + 1
            return sa.ARRAY(to_sqlalchemy(item), dimensions=dimensions)
        case t.Map():
            return MAP(str(s))
        case t.Struct():
            return STRUCT(str(s))
    found = _SIMPLE.get(type(s))
    return found() if found is not None else SparkType(str(s))
