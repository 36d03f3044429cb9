"""Texts with a collation in expressions: what they are compared by, and where they may stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import Call, Cast, Expr, Literal
from sqlshell.types import STRING, String

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import Span

_SEARCHES = frozenset(
    {"like", "ilike", "contains", "startswith", "endswith", "instr", "locate", "position", "find_in_set"}
)
"""Functions that look for one text in another: by the keys of both."""
_BLIND = frozenset(
    {"isnull", "isnotnull", "length", "len", "char_length", "character_length", "octet_length", "bit_length",
     "hash", "xxhash64", "collate"}
)  # fmt: skip
"""Functions that see the text itself."""
_OWN = frozenset({"=", "<=>", "<", "<=", ">", ">=", "==", "!=", "<>", "in", "between", "collation"})
"""What compares its arguments itself."""


def collation_of(e: Expr) -> str:
    """The name of an expression's collation; empty without one."""
    return e.type.collation if isinstance(e.type, String) else ""


def plain(e: Expr) -> Expr:
    """The text without its collation."""
    if not collation_of(e):
        return e
    return e.args[0] if isinstance(e, Call) and e.fn == "collate" else Cast(e, STRING)


def key(e: Expr, name: str = "") -> Expr:
    """What a text is compared by under a collation (its own where none is given)."""
    name = name or collation_of(e)
    if not name:
        return e
    text = plain(e)
    if isinstance(text, Literal) and isinstance(text.value, str):
        value = text.value.rstrip(" ") if "RTRIM" in name else text.value
        return Literal(value.lower() if name.startswith("UTF8_LCASE") else value, STRING)
    if "RTRIM" in name:
        text = Call("rtrim", (text,), STRING, text.nullable)
    if name.startswith("UTF8_LCASE"):
        text = Call("lower", (text,), STRING, text.nullable)
    return text


def keys(args: Sequence[Expr], span: Span | None) -> list[Expr]:
    """The keys of texts that are compared with each other; themselves where none has a collation."""
    names = {collation_of(a) for a in args if collation_of(a)}
    if not names:
        return list(args)
    if len(names) > 1 or any(isinstance(a, Call) and a.fn == "collate" and a.type == STRING for a in args):
        raise AnalysisError(
            f"texts of different collations are compared: {', '.join(sorted(names))}",
            condition="COLLATION_MISMATCH.EXPLICIT",
            span=span,
            hint="give both sides one COLLATE",
        )
    (name,) = names
    return [key(a, name) if isinstance(a.type, String) else a for a in args]


def arguments(name: str, args: Sequence[Expr], span: Span | None) -> list[Expr]:
    """A function's arguments as it takes them; refused where a collation would change its answer."""
    found = next((c for a in args if (c := collation_of(a))), "")
    if not found or name in _OWN:
        return list(args)
    if name in _BLIND:
        return [plain(a) for a in args]
    if name in _SEARCHES and not found.endswith("RTRIM"):
        return [*keys(args[:2], span), *args[2:]]
    raise refused(f"{name}()", span)


def refused(where: str, span: Span | None) -> NotSupportedError:
    """The error for a text with a collation where none may stand."""
    return NotSupportedError(
        f"a text with COLLATE in {where} is not supported", span=span, hint="CAST(... AS STRING) takes it off"
    )
