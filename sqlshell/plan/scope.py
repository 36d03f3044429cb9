"""Names in reach of an expression: the columns of FROM, and the scopes of the queries around it.

A name `a.b.c.d` is tried as in Spark: the longest qualifier first (`a.b.c` as table of column `d`), then
shorter ones, at last `a` as a column whose field is `b`. What stands after the column are struct fields.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Column, Expr, GetField, Literal
from sqlshell.plan.bind_util import unresolved_column
from sqlshell.plan.call import make_call
from sqlshell.records import dataclass, field
from sqlshell.types import STRING, Array, Map, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlshell.errors import Span

MAX_QUALIFIER = 3


@dataclass(frozen=True)
class Entry:
    """A column in reach. `qualifier` is lower case (`("db", "t")`); `hidden` ones need it (USING's twins)."""

    name: str
    column: Column
    qualifier: tuple[str, ...] = ()
    hidden: bool = False
    same_as: int | None = None
    """The id of the column this one repeats (`SELECT a, a`): naming both is not ambiguous."""
    metadata: bool = False
    """A hidden column that its bare name means, and that not even `t.*` gives (`_metadata`)."""

    @property
    def identity(self) -> int:
        return self.column.id if self.same_as is None else self.same_as

    def qualified_by(self, suffix: Sequence[str]) -> bool:
        """Whether `suffix` (lower case) names this column's relation."""
        n = len(suffix)
        return n <= len(self.qualifier) and self.qualifier[len(self.qualifier) - n :] == tuple(suffix)

    @property
    def full_name(self) -> str:
        return ".".join(f"`{p}`" for p in (*self.qualifier, self.name))


@dataclass(frozen=True)
class Scope:
    """The columns of one query block, and the block around it (for correlated names)."""

    entries: tuple[Entry, ...] = ()
    parent: Scope | None = None
    names: frozenset[str] = field(default=frozenset())
    """Lower-case relation names of this block, those without columns too."""

    @cached_property
    def _by_name(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for e in self.entries:
            found.setdefault(e.name.lower(), []).append(e)
        return found

    @property
    def visible(self) -> tuple[Entry, ...]:
        """What `*` gives."""
        return tuple(e for e in self.entries if not e.hidden)

    def find(self, parts: Sequence[str], span: Span | None) -> Expr | None:
        """The column (with field access) `parts` names in this block alone; None when there is none."""
        lowered = [p.lower() for p in parts]
        for k in range(min(MAX_QUALIFIER, len(parts) - 1), -1, -1):
            hits = [
                e
                for e in self._by_name.get(lowered[k], ())
                if (e.qualified_by(lowered[:k]) if k else not e.hidden or e.metadata)
            ]
            if hits:
                return self._pick(hits, parts, k, span)
        return None

    def _pick(self, hits: list[Entry], parts: Sequence[str], k: int, span: Span | None) -> Expr:
        if len({e.identity for e in hits}) > 1:
            raise ambiguous(parts, [e.full_name for e in hits], span)
        expr: Expr = hits[0].column
        for name in parts[k + 1 :]:
            expr = get_field(expr, name, span)
        return expr

    def candidates(self) -> list[str]:
        """Names to suggest: this block's and those around it."""
        out: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            out.extend(e.name for e in scope.visible)
            scope = scope.parent
        return out

    def star(self, qualifier: Sequence[str], span: Span | None) -> list[tuple[str, Expr]]:
        """`*`, `t.*` (hidden columns first, as Spark does) or `struct_column.*`."""
        if not qualifier:
            return [(e.name, e.column) for e in self.visible]
        lowered = [q.lower() for q in qualifier]
        matched = [e for e in self.entries if e.qualified_by(lowered) and not e.metadata]
        if matched:
            return [(e.name, e.column) for e in sorted(matched, key=lambda e: not e.hidden)]
        if len(lowered) == 1 and lowered[0] in self.names:
            return []
        value = self.find(qualifier, span)
        if value is not None and isinstance(value.type, Struct):
            return [(f.name, get_field(value, f.name, span)) for f in value.type.fields]
        raise AnalysisError(
            f"cannot expand {'.'.join(qualifier)}.*: no table or struct of that name is in FROM",
            condition="CANNOT_RESOLVE_STAR_EXPAND",
            span=span,
            hint=did_you_mean(qualifier[-1], [*self.names, *(e.name for e in self.visible)]),
        )

    def unresolved(self, parts: Sequence[str], span: Span | None) -> AnalysisError:
        """The error for a name nobody knows."""
        return unresolved_column(parts, self.candidates(), span)


def ambiguous(parts: Sequence[str], candidates: Iterable[str], span: Span | None) -> AnalysisError:
    """AMBIGUOUS_REFERENCE naming the columns it could be."""
    return AnalysisError(
        f"`{'.'.join(parts)}` is ambiguous, it could be: {', '.join(candidates)}",
        condition="AMBIGUOUS_REFERENCE",
        span=span,
        hint="write the table's name before the column",
    )


def get_field(value: Expr, name: str, span: Span | None) -> Expr:
    """`value.name`: a field of a struct or of each struct of an array, or a value of a map."""
    t = value.type
    if isinstance(t, Struct):
        f = _field(t, name, span)
        return GetField(value, f[0], f[1], value.nullable or f[2])
    if isinstance(t, Array) and isinstance(t.element, Struct):
        f = _field(t.element, name, span)
        return GetField(value, f[0], Array(f[1], t.contains_null or f[2]), value.nullable)
    if isinstance(t, Map):
        return make_call("[]", [value, Literal(name, STRING)], span=span)
    raise AnalysisError(
        f"cannot take field `{name}` of a value of type {t}",
        condition="INVALID_EXTRACT_BASE_FIELD_TYPE",
        span=span,
    )


def _field(t: Struct, name: str, span: Span | None) -> tuple[str, SqlType, bool]:
    lowered = name.lower()
    hits = [f for f in t.fields if f.name.lower() == lowered]
    if len(hits) > 1:
        raise AnalysisError(
            f"field `{name}` appears {len(hits)} times", condition="AMBIGUOUS_REFERENCE_TO_FIELDS", span=span
        )
    if not hits:
        names = [f.name for f in t.fields]
        raise AnalysisError(
            f"no field `{name}` in struct with {', '.join(f'`{n}`' for n in names[:20])}",
            condition="FIELD_NOT_FOUND",
            span=span,
            hint=did_you_mean(name, names),
        )
    return hits[0].name, hits[0].type, hits[0].nullable
