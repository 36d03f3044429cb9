"""The tree base of expressions and plans: immutable nodes, identity says whether anything changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from functools import cached_property as cached_property  # noqa: PLC0414 (exported)
else:

    class cached_property:  # noqa: N801
        """As the standard library's, whose lock (before Python 3.12) costs more than most of what is cached here."""

        def __init__(self, f: Any) -> None:
            self.f = f
            self.__doc__ = f.__doc__

        def __get__(self, node: Any, kind: Any = None) -> Any:
            if node is None:
                return self
            value = node.__dict__[self.f.__name__] = self.f(node)
            return value


N = TypeVar("N", bound="Node")


class Node:
    """An immutable node. `child_fields` names the fields that hold a child or a tuple of children."""

    child_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def children(self) -> tuple[Any, ...]:
        """The direct children, left to right."""
        return in_fields(self, self.child_fields)

    def map_children(self, f: Callable[[Any], Any]) -> Self:
        """This node with `f` applied to each child; `self` when no child changed."""
        return map_fields(self, self.child_fields, f)

    def transform_up(self, f: Callable[[Any], Any]) -> Any:
        """Rewrite children first, then this node."""

        def up(node: Any) -> Any:
            return f(node.map_children(up))

        return up(self)

    def transform_down(self, f: Callable[[Any], Any]) -> Any:
        """Rewrite this node first, then the children of the result."""

        def down(node: Any) -> Any:
            return f(node).map_children(down)

        return down(self)

    def walk(self) -> Iterator[Any]:
        """This node and everything below it, parents first."""
        waiting: list[Any] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children[::-1])

    def collect(self, kind: type[N]) -> list[N]:
        """Every node of class `kind` in this tree."""
        return [n for n in self.walk() if isinstance(n, kind)]

    def __getstate__(self) -> dict[str, Any]:
        """Derived facts cached on a node stay out of pickles."""
        return {k: v for k, v in self.__dict__.items() if k in self.__dataclass_fields__}  # type: ignore[attr-defined]


def map_tuple(items: tuple[Any, ...], f: Callable[[Any], Any]) -> tuple[Any, ...]:
    """`f` over a tuple; the same tuple object when nothing changed."""
    for i, item in enumerate(items):
        new = f(item)
        if new is not item:
            return (*items[:i], new, *[f(other) for other in items[i + 1 :]])
    return items


def in_fields(node: Node, names: tuple[str, ...]) -> tuple[Any, ...]:
    """What is in the named fields, each a node, a tuple of nodes or None."""
    out: tuple[Any, ...] = ()
    for name in names:
        value = getattr(node, name)
        if isinstance(value, tuple):
            out += value
        elif value is not None:
            out += (value,)
    return out


def map_fields(node: N, names: tuple[str, ...], f: Callable[[Any], Any]) -> N:
    """A node with `f` applied to what is in the named fields; the same node when nothing changed."""
    changes: dict[str, Any] | None = None
    for name in names:
        value = getattr(node, name)
        if value is None:
            continue
        new = map_tuple(value, f) if isinstance(value, tuple) else f(value)
        if new is not value:
            changes = changes or {}
            changes[name] = new
    return replace(node, **changes) if changes else node  # type: ignore[type-var]
