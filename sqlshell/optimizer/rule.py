"""What a rule is, and what it may ask for.

A rule is a pure function of a plan: no state on the rule, none shared through the context. `needs` names the node
classes without which it cannot do anything, so that the driver skips it on plans that hold none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from sqlshell.expr.expr import Expr, Literal
    from sqlshell.plan.logical import Plan


class SettingsReader(Protocol):
    """The part of `config.Settings` that rules read."""

    def get(self, key: str) -> object:
        """The value of a setting."""


class OptimizerContext(Protocol):
    """What the session hands down: settings, and a way to compute constants."""

    @property
    def settings(self) -> SettingsReader:
        """The session's settings."""

    def evaluate(self, exprs: list[Expr]) -> list[Literal]:
        """Values of expressions without columns; raises DataError when one of them fails."""


class Rule:
    """One rewrite. `name` is the file's name; EXPLAIN OPTIMIZER and the disable setting use it."""

    name: ClassVar[str]
    needs: ClassVar[tuple[type, ...]] = ()
    required: ClassVar[bool] = False
    """Execution cannot do without it, so the setting does not switch it off."""
    whole: ClassVar[bool] = False
    """It must see shared plans inside the nodes that read them; others see `SharedLeaf`s and run on each piece."""

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        """An equivalent plan; `plan` itself when there is nothing to do."""
        raise NotImplementedError
