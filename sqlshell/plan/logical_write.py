"""Plan nodes of statements that write. They stand at the top of a plan and are put there after the optimizer ran:
a write needs every column and row of its input as they are, so no rule could do anything with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlshell.errors import InternalError
from sqlshell.expr.expr import Column, Expr
from sqlshell.expr.tree import Node
from sqlshell.plan.logical import Plan, fresh_id
from sqlshell.records import dataclass, field
from sqlshell.types import BIGINT, BOOLEAN, STRING, Array

if TYPE_CHECKING:
    from sqlshell.storage.write_spec import WriteSpec


@dataclass(frozen=True)
class Check(Node):
    """What must be TRUE for every row (NULL fails, as in Delta). `details` fill the condition's message; the values of
    `shown`, as "name: value" lines, are its last part."""

    child_fields: ClassVar = ("predicate", "shown")
    predicate: Expr
    condition: str
    details: tuple[str, ...] = ()
    shown: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        if self.predicate.type != BOOLEAN:
            raise InternalError(f"a check needs a boolean, not {self.predicate.type}")


@dataclass(frozen=True)
class Assert(Plan):
    """The input's rows, or the error of the first check that a row fails."""

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("checks",)
    input: Plan
    checks: tuple[Check, ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


def _file_columns() -> tuple[Column, ...]:
    kinds = (
        ("path", STRING),
        ("partition", Array(STRING)),
        ("rows", BIGINT),
        ("size", BIGINT),
        ("stats", STRING),
    )
    return tuple(Column(fresh_id(), name, t) for name, t in kinds)


@dataclass(frozen=True)
class Write(Plan):
    """Writes the input's rows as `spec` says; `spec.columns` are the input's, by position. Its own rows are the files:
    `storage.write_spec.files_written` reads them."""

    child_fields: ClassVar = ("input",)
    input: Plan
    spec: WriteSpec
    columns: tuple[Column, ...] = field(default_factory=_file_columns)

    def __post_init__(self) -> None:
        if len(self.input.output) != len(self.spec.columns):
            raise InternalError("a write names all columns of its input")

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns
