"""CREATE SECRET, DROP SECRET, SHOW SECRETS. A session's secrets are in its memory and in its workers', nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.result import Result, command
from sqlshell.storage import secrets
from sqlshell.types import STRING, Field, Map

if TYPE_CHECKING:
    from sqlshell.parser import statement_secret as st
    from sqlshell.session import Session


def create_secret(session: Session, s: st.CreateSecret) -> Result:
    """CREATE [OR REPLACE] SECRET [IF NOT EXISTS]."""
    made = secrets.make(s.name, s.options)
    known = {x.name: x for x in session.secrets}
    if s.name in known and not s.replace:
        if s.if_not_exists:
            return command("OK")
        raise AnalysisError(
            f"the secret `{s.name}` exists already", condition="SECRET_ALREADY_EXISTS",
            hint="CREATE OR REPLACE SECRET",
        )  # fmt: skip
    session.keep_secrets((*(x for n, x in known.items() if n != s.name), made))
    return command("OK")


def drop_secret(session: Session, s: st.DropSecret) -> Result:
    """DROP SECRET [IF EXISTS]."""
    names = [x.name for x in session.secrets]
    if s.name not in names:
        if s.if_exists:
            return command("OK")
        raise AnalysisError(
            f"there is no secret `{s.name}`", condition="SECRET_NOT_FOUND", hint=did_you_mean(s.name, names)
        )
    session.keep_secrets(tuple(x for x in session.secrets if x.name != s.name))
    return command("OK")


def show_secrets(session: Session, s: st.ShowSecrets) -> Result:
    """SHOW SECRETS: names, types, scopes; values only where anybody may know them."""
    fields = [Field(n, STRING, False) for n in ("name", "type", "scope")]
    rows = [(x.name, x.kind, x.scope, x.shown()) for x in session.secrets]
    return Result([*fields, Field("options", Map(STRING, STRING), False)], rows)
