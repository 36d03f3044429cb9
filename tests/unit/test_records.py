"""Our data classes are the standard library's, only cheaper: the same behaviour, side by side."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field as standard_field
from typing import Any, ClassVar

import pytest

from sqlshell import records


def _make(dataclass: Any, field: Any) -> tuple[type, type, type]:
    @dataclass(frozen=True)
    class Point:
        kind: ClassVar[str] = "p"
        x: int
        name: str = field(default="n", compare=False)
        items: list[int] = field(default_factory=list, repr=False, compare=False)

    @dataclass(frozen=True)
    class Checked(Point):
        y: int = 7

        def __post_init__(self) -> None:
            if self.y < 0:
                raise ValueError("negative")

    @dataclass
    class Open:
        x: int = 0

        def __repr__(self) -> str:
            return "open"

    return Point, Checked, Open


OURS = _make(records.dataclass, records.field)
THEIRS = _make(dataclasses.dataclass, standard_field)


@records.dataclass(frozen=True)
class Stored:
    """Module level, so that it pickles."""

    x: int
    y: tuple[int, ...] = ()


def _behaviour(kinds: tuple[type, type, type], replace: Any) -> list[Any]:
    point, checked, opened = kinds
    a, b = point(1, items=[1]), point(1, "other")
    bare = point(2)
    bare.items.append(3)
    match checked(4):
        case point(x, name):
            matched = (x, name)
    return [
        a == b,
        a == point(2),
        a == checked(1),
        a != b,
        hash(a) == hash(b),
        len({a, b, point(2)}),
        repr(a).split(".")[-1],
        repr(checked(3)).split(".")[-1],
        repr(opened(1)),
        point(5).items,
        matched,
        point.__match_args__,
        [f.name for f in dataclasses.fields(checked)],
        replace(checked(1, y=2), x=9) == checked(9, y=2),
        replace(a, name="new").name,
        opened(1) == opened(1),
        opened.__hash__,
        point.kind,
        copy.copy(a) == a,
    ]


def test_behaves_as_the_standard_library() -> None:
    assert _behaviour(OURS, records.replace) == _behaviour(THEIRS, dataclasses.replace)


@pytest.mark.parametrize("kinds", [OURS, THEIRS])
def test_refuses_the_same(kinds: tuple[Any, ...]) -> None:
    point, checked, opened = kinds
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        point(1, colour=2)
    with pytest.raises(ValueError, match="negative"):
        checked(1, y=-1)
    with pytest.raises(TypeError):
        hash(opened())
    replace = records.replace if kinds is OURS else dataclasses.replace
    with pytest.raises(TypeError):
        replace(point(1), colour=2)


def test_unpickled_before_any_was_made_here() -> None:
    data = pickle.dumps(Stored(1, (2, 3)))
    assert pickle.loads(data) == Stored(1, (2, 3))
    assert hash(pickle.loads(data)) == hash(Stored(1, (2, 3)))
