"""A region of inner joins as a graph: relations, what connects them, and how many rows any set of them gives.

Columns required equal form classes (a = b and b = c also connect a with c). A set of relations is a bit mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import Column, Expr
from sqlshell.optimizer import stats
from sqlshell.optimizer.properties import equal, is_deterministic, is_movable, refs, split_equality
from sqlshell.optimizer.rules.push_down_filter import push
from sqlshell.optimizer.selectivity import match_values
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.optimizer.column_stats import ColumnEstimate
    from sqlshell.plan.logical import Plan

COMPARED = 0.3
"""Pairs that pass a predicate over two relations that is no equality."""


@dataclass
class Predicate:
    """A part of the condition that is no equality of two columns, and the relations it needs."""

    expr: Expr
    mask: int
    sides: tuple[int, int] | None
    """The relations of either side, when it is an equality between different ones."""


@dataclass
class JoinGraph:
    """Relations by position; `classes` maps a class to its members by relation."""

    relations: list[Plan]
    predicates: list[Predicate] = field(default_factory=list)
    classes: list[dict[int, list[Column]]] = field(default_factory=list)
    written: dict[tuple[int, int], Expr] = field(default_factory=dict)
    late: list[Expr] = field(default_factory=list)
    """Parts that must wait until everything is joined: they can fail, or are random."""

    def __post_init__(self) -> None:
        self.rows = [stats.rows(r) for r in self.relations]
        self._home = {c.id: i for i, r in enumerate(self.relations) for c in r.output}
        self._sizes: dict[int, float] = {1 << i: n for i, n in enumerate(self.rows)}
        self.neighbours: list[int] = [0] * len(self.relations)

    def mask_of(self, e: Expr) -> int:
        """The relations an expression uses."""
        mask = 0
        for i in refs(e):
            mask |= 1 << self._home[i]
        return mask

    def add(self, parts: list[Expr]) -> None:
        """Take the condition's parts in."""
        for part in parts:
            self._add(part)
        self._equate_inside()
        for members in self.classes:
            everyone = sum(1 << i for i in members)
            for i in members:
                self.neighbours[i] |= everyone & ~(1 << i)
        for p in self.predicates:
            for i in range(len(self.relations)):
                if p.mask >> i & 1:
                    self.neighbours[i] |= p.mask & ~(1 << i)

    def _equate_inside(self) -> None:
        """Columns of one relation that are equal to the same column elsewhere must equal each other."""
        for members in self.classes:
            for i, columns in members.items():
                same: list[Expr] = [equal(columns[0], c) for c in columns[1:]]
                if same:
                    self._restrict(i, same)

    def _add(self, part: Expr) -> None:
        sides = split_equality(part)
        if sides is None:
            self._generic(part, None)
            return
        a, b = sides
        masks = (self.mask_of(a), self.mask_of(b))
        apart = bool(masks[0] and masks[1]) and not masks[0] & masks[1]
        if apart and isinstance(a, Column) and isinstance(b, Column) and a.type == b.type:
            self._equate(a, b, part)
            return
        self._generic(part, masks if apart else None)

    def _generic(self, part: Expr, sides: tuple[int, int] | None) -> None:
        mask = self.mask_of(part)
        # A key may fail for rows that another join would have removed: so it may in Spark.
        if not mask or not is_deterministic(part) or (sides is None and not is_movable(part)):
            self.late.append(part)
        elif mask & (mask - 1) == 0:
            self._restrict(mask.bit_length() - 1, [part])
        else:
            self.predicates.append(Predicate(part, mask, sides))

    def _restrict(self, i: int, parts: list[Expr]) -> None:
        """Filter one relation."""
        self.relations[i] = push(self.relations[i], parts)
        self.rows[i] = self._sizes[1 << i] = stats.rows(self.relations[i])

    def _equate(self, a: Column, b: Column, part: Expr) -> None:
        self.written[a.id, b.id] = part
        touched = [m for m in self.classes if _holds(m, a, self) or _holds(m, b, self)]
        merged: dict[int, list[Column]] = {}
        for members in touched:
            self.classes.remove(members)
            for i, columns in members.items():
                merged.setdefault(i, []).extend(columns)
        for c in (a, b):
            own = merged.setdefault(self._home[c.id], [])
            if all(c.id != o.id for o in own):
                own.append(c)
        self.classes.append(merged)

    # Sizes

    def keys(self, s1: int, s2: int) -> list[tuple[ColumnEstimate, ColumnEstimate]]:
        """The columns two disjoint sets are joined on."""
        shared = [m for m in self.classes if _in(m, s1) and _in(m, s2)]
        return list(zip(self._side(shared, s1), self._side(shared, s2), strict=True))

    def _side(self, shared: list[dict[int, list[Column]]], mask: int) -> list[ColumnEstimate]:
        """One member of each class: of one relation when one has them all (its composite key), else the narrowest."""
        if len(shared) > 1:
            for i, relation in enumerate(self.relations):
                if mask >> i & 1 and all(i in m for m in shared):
                    return [stats.column(relation, m[i][0].id) for m in shared]
        return [self._narrowest(m, mask) for m in shared]

    def _narrowest(self, members: dict[int, list[Column]], mask: int) -> ColumnEstimate:
        found = [
            stats.column(self.relations[i], columns[0].id) for i, columns in members.items() if mask >> i & 1
        ]
        return min(found, key=lambda c: c.distinct)

    def size(self, mask: int) -> float:
        """Rows of a set whose join was considered before."""
        return self._sizes[mask]

    def joined_rows(self, s1: int, s2: int) -> float:
        """Rows of the union of two disjoint sets."""
        both = s1 | s2
        known = self._sizes.get(both)
        if known is None:
            r1, r2 = self._sizes[s1], self._sizes[s2]
            known = r1 * r2
            keys = self.keys(s1, s2)
            if keys:
                known /= max(1.0, match_values(keys, r1, r2))
            for p in self.predicates:
                if p.mask & ~both == 0 and p.mask & s1 and p.mask & s2:
                    known *= self._passes(p)
            known = self._sizes[both] = max(1.0, known)
        return known

    def _passes(self, p: Predicate) -> float:
        if p.sides is None:
            return COMPARED
        values = 1.0
        for i, relation in enumerate(self.relations):
            if p.mask >> i & 1:
                for c in relation.output:
                    if c.id in refs(p.expr):
                        values = max(values, stats.column(relation, c.id).distinct)
        return 1.0 / values

    # Conditions

    def condition(self, s1: int, s2: int) -> list[Expr]:
        """The parts to check when two disjoint sets are joined."""
        out = [self._equality(m, s1, s2) for m in self.classes if _in(m, s1) and _in(m, s2)]
        both = s1 | s2
        now = [p for p in self.predicates if p.mask & ~both == 0 and p.mask & s1 and p.mask & s2]
        return out + [p.expr for p in now]

    def _equality(self, members: dict[int, list[Column]], s1: int, s2: int) -> Expr:
        """An equality between members on both sides: as written, if any is."""
        left = [c for i, own in members.items() if s1 >> i & 1 for c in own]
        right = [c for i, own in members.items() if s2 >> i & 1 for c in own]
        for a in left:
            for b in right:
                written = self.written.get((a.id, b.id)) or self.written.get((b.id, a.id))
                if written is not None:
                    return written
        return equal(left[0], right[0])


def _in(members: dict[int, list[Column]], mask: int) -> bool:
    return any(mask >> i & 1 for i in members)


def _holds(members: dict[int, list[Column]], c: Column, graph: JoinGraph) -> bool:
    return any(o.id == c.id for own in members.values() for o in own)
