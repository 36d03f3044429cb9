"""The tree base of expressions and plans: immutable nodes, identity says whether anything changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N = TypeVar("N", bound="Node")


class Node:
    """An immutable node. `child_fields` names the fields that hold a child or a tuple of children."""

    child_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def children(self) -> tuple[Any, ...]:
        """The direct children, left to right."""
        out: list[Any] = []
        for name in self.child_fields:
            value = getattr(self, name)
            if isinstance(value, tuple):
                out.extend(value)
            elif value is not None:
                out.append(value)
        return tuple(out)

    def map_children(self, f: Callable[[Any], Any]) -> Self:
        """This node with `f` applied to each child; `self` when no child changed."""
        changes: dict[str, Any] = {}
        for name in self.child_fields:
            value = getattr(self, name)
            if isinstance(value, tuple):
                mapped = map_tuple(value, f)
                if mapped is not value:
                    changes[name] = mapped
            elif value is not None:
                new = f(value)
                if new is not value:
                    changes[name] = new
        return replace(self, **changes) if changes else self  # type: ignore[type-var]

    def transform_up(self, f: Callable[[Any], Any]) -> Any:
        """Rewrite children first, then this node."""
        return f(self.map_children(lambda c: c.transform_up(f)))

    def transform_down(self, f: Callable[[Any], Any]) -> Any:
        """Rewrite this node first, then the children of the result."""
        return f(self).map_children(lambda c: c.transform_down(f))

    def walk(self) -> Iterator[Any]:
        """This node and everything below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def collect(self, kind: type[N]) -> list[N]:
        """Every node of class `kind` in this tree."""
        return [n for n in self.walk() if isinstance(n, kind)]

    def __getstate__(self) -> dict[str, Any]:
        """Derived facts cached on a node stay out of pickles."""
        return {k: v for k, v in self.__dict__.items() if k in self.__dataclass_fields__}  # type: ignore[attr-defined]


def map_tuple(items: tuple[Any, ...], f: Callable[[Any], Any]) -> tuple[Any, ...]:
    """`f` over a tuple; the same tuple object when nothing changed."""
    mapped = tuple(f(i) for i in items)
    if all(a is b for a, b in zip(items, mapped, strict=True)):
        return items
    return mapped
