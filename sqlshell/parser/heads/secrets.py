"""CREATE SECRET, DROP SECRET, SHOW SECRETS: credentials for object stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.statement_secret import CreateSecret, DropSecret, ShowSecrets

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement


def create(c: Cursor) -> Statement:
    """Errors point nowhere: the words of the statement are credentials."""
    replace = c.take("OR", "REPLACE")
    c.take_any("TEMPORARY", "TEMP")
    c.expect("SECRET")
    if_not_exists = c.take("IF", "NOT", "EXISTS")
    name = _name(c)
    try:
        options = c.options()
        c.end()
    except ParseError:
        raise ParseError(
            "the options of a secret are `NAME 'value'` pairs in parentheses",
            hint=f"CREATE SECRET {name} (TYPE s3, KEY_ID '...', SECRET '...')",
        ) from None
    return CreateSecret(c.text, name, options, replace, if_not_exists)


def persistent(c: Cursor) -> Statement:
    """CREATE PERSISTENT SECRET: there is no safe place on disk for one."""
    if c.peek(1) != "SECRET":
        raise c.error()
    raise NotSupportedError(
        "secrets last as long as the session",
        hint="keep credentials in a profile (AWS_PROFILE) or in the environment",
    )


def drop(c: Cursor) -> Statement:
    c.expect("SECRET")
    if_exists = c.take("IF", "EXISTS")
    name = _name(c)
    c.end()
    return DropSecret(c.text, name, if_exists)


def show(c: Cursor) -> Statement:
    c.expect("SECRETS")
    c.end()
    return ShowSecrets(c.text)


def _name(c: Cursor) -> str:
    word = c.word()
    if word is None:
        raise ParseError("a secret needs a name", hint="CREATE SECRET name (TYPE s3, ...)")
    return word.lower()
