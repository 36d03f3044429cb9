"""Which leaves of nested columns an expression needs.

A path leads from a value to a part of it: struct field names, "[]" for an array's elements, "{}" and "key" or
"value" for a map's. () is the whole value; a path that ends in "?" needs only to know whether the value (or how
many elements) is there, for which the cheapest leaf below will do. `Demand.need(e, paths)` walks an expression from
what is wanted of its value down to what is wanted of columns. Unknown functions need their arguments whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import AggCall, Call, Column, GetField, Lambda, LambdaVar
from sqlshell.records import dataclass, field
from sqlshell.types import Array, Boolean, Date, Float, Integral, Map, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Path = tuple[str, ...]
Paths = frozenset[Path]

WHOLE: Paths = frozenset({()})
PRESENCE: Paths = frozenset({("?",)})
ELEMENT, ENTRY = "[]", "{}"
KEY = (ENTRY, "key")


def is_nested(t: SqlType) -> bool:
    """Whether a value has parts that files keep apart."""
    return isinstance(t, Array | Map | Struct)


def below(prefix: Path, paths: Iterable[Path]) -> Paths:
    """The paths, all led through `prefix`."""
    return frozenset(prefix + p for p in paths)


@dataclass
class Demand:
    """What is wanted of columns and lambda variables, by id."""

    columns: dict[int, Paths] = field(default_factory=dict)
    variables: dict[int, Paths] = field(default_factory=dict)

    def of(self, c: Column) -> Paths:
        """What is wanted of a column; its presence when nobody said anything."""
        return self.columns.get(c.id, PRESENCE)

    def want(self, column_id: int, paths: Paths) -> None:
        """Add to what is wanted of a column."""
        self.columns[column_id] = self.columns.get(column_id, frozenset()) | paths

    def need(self, e: Any, paths: Paths = WHOLE) -> None:
        """Record what `paths` of the value of `e` need."""
        match e:
            case Column():
                self.want(e.id, paths)
            case LambdaVar():
                self.variables[e.id] = self.variables.get(e.id, frozenset()) | paths
            case GetField():
                self.need(e.arg, _through_field(e, paths))
            case Call():
                rule = _CALLS.get(e.fn)
                if rule is None:
                    self._all(e)
                else:
                    rule(self, e, paths)
            case AggCall() if e.fn == "count" and not e.distinct:
                self._all(e, e.args)
                for a in e.args:
                    self.need(a, PRESENCE)
            case _:
                self._all(e)

    def _all(self, e: Any, but: tuple[Any, ...] = ()) -> None:
        for c in e.children:
            if not any(c is b for b in but):
                self.need(c)


def _through_field(e: GetField, paths: Paths) -> Paths:
    if not isinstance(e.arg.type, Array):
        return below((e.name,), paths)
    out: set[Path] = set()
    for p in paths:
        if p == ("?",):
            out.add((ELEMENT, e.name, "?"))
        else:
            # p is () or starts with "[]": the array of fields has the elements of the array of structs.
            out.add((ELEMENT, e.name, *p[1:]))
    return frozenset(out)


def _presence(d: Demand, e: Call, paths: Paths) -> None:
    for a in e.args:
        d.need(a, PRESENCE if is_nested(a.type) else WHOLE)


def _item(d: Demand, e: Call, paths: Paths) -> None:
    """`a[i]`, `m[k]` and their named forms."""
    container, *rest = e.args
    if isinstance(container.type, Map):
        d.need(container, below((ENTRY, "value"), paths) | {KEY})
    else:
        d.need(container, below((ELEMENT,), paths))
    for a in rest:
        d.need(a)


def _keys(d: Demand, e: Call, paths: Paths) -> None:
    d.need(e.args[0], frozenset({KEY}))
    for a in e.args[1:]:
        d.need(a)


def _values(d: Demand, e: Call, paths: Paths) -> None:
    inside = below((ENTRY, "value"), (p[1:] for p in paths if p != ("?",)))
    d.need(e.args[0], inside | {KEY, (ENTRY, "value", "?")})


def _same_elements(d: Demand, e: Call, paths: Paths) -> None:
    """The first argument's elements come out as they are."""
    d.need(e.args[0], paths)
    for a in e.args[1:]:
        d.need(a)


def _higher_order(d: Demand, e: Call, paths: Paths) -> None:
    """The first argument is an array whose elements the last lambda parameter or the first stands for."""
    array, *rest = e.args
    for a in rest:
        d.need(a.body if isinstance(a, Lambda) else a, _of_body(e, a, paths))
    wanted: Paths = frozenset({("?",)})
    for a in rest:
        if isinstance(a, Lambda):
            at = 1 if e.fn == "aggregate" and len(a.params) == 2 else 0
            if e.fn == "aggregate" and len(a.params) != 2:
                continue
            wanted |= below((ELEMENT,), d.variables.get(a.params[at].id, frozenset()))
    if e.fn == "filter":
        wanted |= paths
    d.need(array, wanted)


def _of_body(e: Call, a: Any, paths: Paths) -> Paths:
    """Of a transform's body only what is wanted of the elements it makes."""
    if e.fn != "transform" or not isinstance(a, Lambda):
        return WHOLE
    inside = frozenset(p[1:] for p in paths if p[:1] == (ELEMENT,))
    return inside if len(inside) == len(paths) else WHOLE


_CALLS: dict[str, Callable[[Demand, Call, Paths], None]] = {
    "isnull": _presence,
    "isnotnull": _presence,
    "size": _presence,
    "cardinality": _presence,
    "array_size": _presence,
    "[]": _item,
    "get": _item,
    "element_at": _item,
    "try_element_at": _item,
    "map_keys": _keys,
    "map_contains_key": _keys,
    "map_values": _values,
    "slice": _same_elements,
    "reverse": _same_elements,
    "transform": _higher_order,
    "filter": _higher_order,
    "exists": _higher_order,
    "forall": _higher_order,
    "any": _higher_order,
    "aggregate": _higher_order,
    "reduce": _higher_order,
}


def leaves_of(name: str, t: SqlType, paths: Paths) -> frozenset[Path] | None:
    """Leaf paths to read of a nested column; None for all of it."""
    if () in paths:
        return None
    found: set[Path] = set()
    for p in sorted(paths, key=lambda p: p[-1] == "?"):
        if p[-1] != "?":
            found.add(p)
        elif not any(f[: len(p) - 1] == p[:-1] for f in found):
            found.add(p[:-1] + cheapest(_type_at(t, p[:-1])))
    short = {p for p in found if not any(p != q and p[: len(q)] == q for q in found)}
    return None if () in short else frozenset((name, *p) for p in short)


def _type_at(t: SqlType, path: Path) -> SqlType:
    for step in path:
        if isinstance(t, Array):
            t = t.element
        elif isinstance(t, Struct):
            at = t.index(step)
            assert at is not None
            t = t.fields[at].type
        elif isinstance(t, Map) and step != ENTRY:
            t = t.key if step == "key" else t.value
    return t


def cheapest(t: SqlType) -> Path:
    """The path to a small leaf below a value: enough to know that it is there."""
    if isinstance(t, Array):
        return (ELEMENT, *cheapest(t.element))
    if isinstance(t, Map):
        return (*KEY, *cheapest(t.key))
    if isinstance(t, Struct) and t.fields:
        best = min(t.fields, key=lambda f: _cost(f.type))
        return (best.name, *cheapest(best.type))
    return ()


def _cost(t: SqlType) -> float:
    match t:
        case Boolean():
            return 0.2
        case Integral():
            return t.bits / 8
        case Float() | Date():
            return 4
        case Array() | Map():
            return 100
        case Struct():
            return 0.1 + min((_cost(f.type) for f in t.fields), default=100.0)
        case _:
            return 20
