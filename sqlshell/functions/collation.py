"""COLLATE: texts compared without case (UTF8_LCASE) or without blanks at their end (..._RTRIM).

A text with a collation is a step inside an expression: comparisons, IN, BETWEEN, LIKE, ORDER BY, GROUP BY,
PARTITION BY and joins compare its *key* (`plan/collations.py`); anything else refuses it by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.functions.registry import Function
from sqlshell.types import STRING, SqlType, String

if TYPE_CHECKING:
    from sqlshell.errors import Span

KNOWN = ("UTF8_BINARY", "UTF8_LCASE", "UTF8_BINARY_RTRIM", "UTF8_LCASE_RTRIM")
ICU = ("UNICODE", "_CI", "_AI", "_CS", "_AS")


def collated(name: str, span: Span | None) -> SqlType:
    """The type of texts with the collation of this name."""
    upper = name.upper().removeprefix("SYSTEM.BUILTIN.")
    if upper == KNOWN[0]:
        return STRING
    if upper in KNOWN:
        return String(collation=upper)
    if upper.startswith(ICU[0]) or upper.removesuffix("_RTRIM").endswith(ICU[1:]) or len(upper) in (2, 3):
        raise NotSupportedError(
            f"the collation {name} needs ICU", span=span, hint="there are " + ", ".join(KNOWN)
        )
    raise AnalysisError(
        f"there is no collation {name}", condition="COLLATION_INVALID_NAME", span=span,
        hint="there are " + ", ".join(KNOWN),
    )  # fmt: skip


def _type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    name, span = getattr(args[1], "value", None), getattr(args[1], "span", None)
    if not isinstance(name, str):
        raise AnalysisError(
            "the collation is a constant text", condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", span=span
        )
    return collated(name, span)


def _name(k: Any, text: Any) -> Any:
    t = k.type(0)
    return k.pl.lit("SYSTEM.BUILTIN." + (t.collation or KNOWN[0]))


# fmt: off
FUNCTIONS = (
    Function("collate", "string, string -> fn", "A text that is compared by a collation: " + ", ".join(KNOWN) + ".",
             "collate('Spark SQL', 'UTF8_LCASE') = 'spark sql'", lower=lambda k, e, _: e, returns=_type),
    Function("collation", "any -> string", "The name of a text's collation.", "collation('Spark SQL')", lower=_name,
             strict=False, nullable=lambda n: False),
)
# fmt: on
