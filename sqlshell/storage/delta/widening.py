"""Which type changes of a column Delta's typeWidening feature allows (Delta protocol, "Type Widening")."""

from __future__ import annotations

from sqlshell.types import (
    BIGINT,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    TIMESTAMP_NTZ,
    TINYINT,
    Decimal,
    Integral,
    SqlType,
    String,
    integral_digits,
)

_WIDER: dict[SqlType, tuple[SqlType, ...]] = {
    TINYINT: (SMALLINT, INT, BIGINT, DOUBLE),
    SMALLINT: (INT, BIGINT, DOUBLE),
    INT: (BIGINT, DOUBLE),
    FLOAT: (DOUBLE,),
    DATE: (TIMESTAMP_NTZ,),
}
"""Type changes that Delta's typeWidening feature allows, besides those to and among decimals."""


def widens(before: SqlType, after: SqlType) -> bool:
    """Whether Delta can read values of one type as the other."""
    if isinstance(before, String) and isinstance(after, String):
        return after.length is None or (
            before.length is not None and not after.fixed and after.length >= before.length
        )
    if after in _WIDER.get(before, ()):
        return True
    if not isinstance(after, Decimal):
        return False
    if isinstance(before, Decimal):
        scale = after.scale - before.scale
        return scale >= 0 and after.precision - before.precision >= scale
    if isinstance(before, Integral):
        digits = 10 if before.bits <= 32 else integral_digits(before)
        return after.precision - after.scale >= digits
    return False
