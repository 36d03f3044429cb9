"""CREATE SECRET, DROP SECRET, SHOW SECRETS."""

from __future__ import annotations

from sqlshell.parser.statement import Statement
from sqlshell.records import dataclass, field


@dataclass(frozen=True)
class CreateSecret(Statement):
    """CREATE [OR REPLACE] [TEMPORARY] SECRET [IF NOT EXISTS] name (TYPE s3, KEY_ID '...', ...)."""

    name: str
    options: dict[str, str] = field(repr=False)
    replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropSecret(Statement):
    """DROP SECRET [IF EXISTS] name."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True)
class ShowSecrets(Statement):
    """SHOW SECRETS."""
