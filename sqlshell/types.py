"""SQL types: small frozen classes of our own, printed as Spark DDL.

Nothing here knows Arrow or Polars (`types_arrow.py` and `exec/lower_types.py` do). Instances are values: equal
types compare equal and hash alike. Nullability lives on fields, elements and map values, not on types.
"""

from __future__ import annotations

from sqlshell.records import dataclass

MAX_PRECISION = 38


class SqlType:
    """Base of all types. `str(t)` is Spark's DDL spelling (`decimal(10,2)`, `array<int>`)."""

    __slots__ = ()
    ddl = "?"

    def __str__(self) -> str:
        return self.ddl


@dataclass(frozen=True)
class Void(SqlType):
    """The type of a bare NULL."""

    ddl = "void"


@dataclass(frozen=True)
class Boolean(SqlType):
    ddl = "boolean"


class Numeric(SqlType):
    """Integers, decimals and floating point."""

    __slots__ = ()


class Integral(Numeric):
    """Signed integers; `bits` wide."""

    __slots__ = ()
    bits = 0


@dataclass(frozen=True)
class TinyInt(Integral):
    ddl = "tinyint"
    bits = 8


@dataclass(frozen=True)
class SmallInt(Integral):
    ddl = "smallint"
    bits = 16


@dataclass(frozen=True)
class Int(Integral):
    ddl = "int"
    bits = 32


@dataclass(frozen=True)
class BigInt(Integral):
    ddl = "bigint"
    bits = 64


class Fractional(Numeric):
    """Binary floating point."""

    __slots__ = ()


@dataclass(frozen=True)
class Float(Fractional):
    ddl = "float"


@dataclass(frozen=True)
class Double(Fractional):
    ddl = "double"


@dataclass(frozen=True)
class Decimal(Numeric):
    """Exact numbers of `precision` digits, `scale` of them after the point."""

    precision: int = 10
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True)
class String(SqlType):
    """Unicode text. `length` with `fixed` is char(n), without it varchar(n); `collation` (empty:
    UTF8_BINARY) tells how it is compared."""

    length: int | None = None
    fixed: bool = False
    collation: str = ""

    def __str__(self) -> str:
        if self.length is None:
            return f"string collate {self.collation}" if self.collation else "string"
        return f"{'char' if self.fixed else 'varchar'}({self.length})"


@dataclass(frozen=True)
class Binary(SqlType):
    ddl = "binary"


class Temporal(SqlType):
    """Dates, times and timestamps."""

    __slots__ = ()


@dataclass(frozen=True)
class Date(Temporal):
    ddl = "date"


@dataclass(frozen=True)
class Timestamp(Temporal):
    """An instant, in microseconds, shown in the session time zone."""

    ddl = "timestamp"


@dataclass(frozen=True)
class TimestampNtz(Temporal):
    """A wall-clock time without zone, in microseconds."""

    ddl = "timestamp_ntz"


@dataclass(frozen=True)
class Time(Temporal):
    """A time of day with so many digits of a second's fraction, at most 6."""

    precision: int = 6

    def __str__(self) -> str:
        return f"time({self.precision})"


class Interval(SqlType):
    """Year-month and day-time intervals."""

    __slots__ = ()


def _interval_ddl(start: str, end: str) -> str:
    return f"interval {start}" if start == end else f"interval {start} to {end}"


@dataclass(frozen=True)
class YearMonthInterval(Interval):
    """A number of months."""

    start: str = "year"
    end: str = "month"

    def __str__(self) -> str:
        return _interval_ddl(self.start, self.end)


@dataclass(frozen=True)
class DayTimeInterval(Interval):
    """A number of microseconds."""

    start: str = "day"
    end: str = "second"

    def __str__(self) -> str:
        return _interval_ddl(self.start, self.end)


@dataclass(frozen=True)
class CalendarInterval(SqlType):
    """Months, days and microseconds apart from each other: without an order."""

    ddl = "interval"


@dataclass(frozen=True)
class Variant(SqlType):
    ddl = "variant"


@dataclass(frozen=True)
class Array(SqlType):
    element: SqlType
    contains_null: bool = True

    def __str__(self) -> str:
        return f"array<{self.element}>"


@dataclass(frozen=True)
class Map(SqlType):
    key: SqlType
    value: SqlType
    value_contains_null: bool = True

    def __str__(self) -> str:
        return f"map<{self.key},{self.value}>"


@dataclass(frozen=True)
class Field:
    """A named, typed slot of a struct, a table or a result."""

    name: str
    type: SqlType
    nullable: bool = True

    def __str__(self) -> str:
        return f"{quote_name(self.name)}:{self.type}"


@dataclass(frozen=True)
class Struct(SqlType):
    fields: tuple[Field, ...] = ()

    def __str__(self) -> str:
        return "struct<" + ",".join(str(f) for f in self.fields) + ">"

    def index(self, name: str) -> int | None:
        """Position of the field called `name` (case-insensitive), or None."""
        lowered = name.lower()
        for i, f in enumerate(self.fields):
            if f.name.lower() == lowered:
                return i
        return None


VOID, BOOLEAN = Void(), Boolean()
TINYINT, SMALLINT, INT, BIGINT = TinyInt(), SmallInt(), Int(), BigInt()
FLOAT, DOUBLE = Float(), Double()
STRING, BINARY = String(), Binary()
DATE, TIMESTAMP, TIMESTAMP_NTZ, TIME = Date(), Timestamp(), TimestampNtz(), Time()
VARIANT, CALENDAR = Variant(), CalendarInterval()
YEAR_MONTH, DAY_TIME = YearMonthInterval(), DayTimeInterval()


def quote_name(name: str) -> str:
    """`name` as it must be written in DDL: backquoted unless it is a plain identifier."""
    if name.isidentifier():
        return name
    return "`" + name.replace("`", "``") + "`"


def as_read(t: SqlType) -> SqlType:
    """What queries see of a column of type `t`: char(n) and varchar(n) are strings to them, at any depth."""
    match t:
        case String():
            return STRING
        case Array():
            return Array(as_read(t.element), t.contains_null)
        case Map():
            return Map(as_read(t.key), as_read(t.value), t.value_contains_null)
        case Struct():
            return Struct(tuple(Field(f.name, as_read(f.type), f.nullable) for f in t.fields))
    return t


def padding(t: SqlType) -> int:
    """n for char(n), whose values are padded to it; 0 for other types."""
    return t.length or 0 if isinstance(t, String) and t.fixed else 0


def bounded_decimal(precision: int, scale: int) -> Decimal:
    """Spark's `DecimalType.adjustPrecisionScale`: past 38 digits, give up scale but keep at least 6."""
    if precision <= MAX_PRECISION:
        return Decimal(precision, scale)
    integral = precision - scale
    return Decimal(MAX_PRECISION, max(MAX_PRECISION - integral, min(scale, 6)))


def integral_digits(t: Integral) -> int:
    """Decimal digits that hold every value of `t` (Spark's `DecimalType.forType`)."""
    return {8: 3, 16: 5, 32: 10, 64: 20}[t.bits]


def as_decimal(t: SqlType) -> Decimal | None:
    """The decimal that holds every value of an exact numeric type, or None."""
    if isinstance(t, Decimal):
        return t
    if isinstance(t, Integral):
        return Decimal(integral_digits(t), 0)
    return None
