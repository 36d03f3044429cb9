"""SET, RESET and USE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.commands.common import strings
from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.result import Result, command

if TYPE_CHECKING:
    from sqlshell.parser import statement as st
    from sqlshell.session import Session


def set_variable(session: Session, s: st.SetVariable) -> Result:
    """SET [key [= value]]: every setting, one, or a new value."""
    if s.key is None:
        fields = strings("key", "value", "meaning") if s.verbose else strings("key", "value")
        rows = [(k, v, doc)[: len(fields)] for k, v, doc in session.settings.items()]
        return Result(fields, rows)
    if s.value is None:
        value = session.settings.text(s.key)
        return Result(strings("key", "value"), [(s.key, "<undefined>" if value is None else value)])
    if session.variable((s.key,)) is not None:
        raise AnalysisError(
            f"`{s.key}` is a variable",
            condition="UNSUPPORTED_FEATURE.SET_VARIABLE_USING_SET",
            hint=f"SET VAR {s.key} = ...",
        )
    if s.key.lower() == "sqlshell.optimizer.disabled":
        check_rules(s.value)
    warning = session.settings.set(s.key, s.value)
    if session.settings.get("sqlshell.safe"):
        session.enter_safe_mode()
    warnings = [warning] if warning else []
    return Result(strings("key", "value"), [(s.key, s.value)], warnings=warnings)


def check_rules(names: str) -> None:
    """Every name must be a rule of the optimizer."""
    from sqlshell.optimizer.batches import BATCHES

    known = {rule.name for batch in BATCHES for rule in batch.rules}
    for name in (n.strip() for n in names.split(",") if n.strip()):
        if name.lower() not in known:
            raise AnalysisError(
                f"the optimizer has no rule `{name}`",
                condition="INVALID_CONF_VALUE",
                hint=did_you_mean(name, known) or "rules are " + ", ".join(sorted(known)),
            )


def reset(session: Session, s: st.Reset) -> Result:
    """RESET [key]."""
    session.settings.reset(s.key)
    return command("OK")
