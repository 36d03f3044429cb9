"""The SQLAlchemy 2 dialect: `create_engine("sqlshell:////absolute/warehouse?workers=8")` (extra `sqlalchemy`)."""

from __future__ import annotations

from sqlshell.connect.alchemy.dialect import SqlshellDialect as dialect  # noqa: N813 - SQLAlchemy's name
from sqlshell.connect.alchemy.types import MAP, STRUCT, TINYINT, VARIANT

__all__ = ["MAP", "STRUCT", "TINYINT", "VARIANT", "dialect"]
