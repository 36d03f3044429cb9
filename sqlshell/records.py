"""Data classes that cost little to define and to make. Type checkers see the standard library's.

`@dataclass(frozen=True)` of the standard library compiles six methods per class: 0.3 ms, and start-up defines
over a hundred classes. Here each method is compiled when it is first called, which for most classes is never:
0.02 ms. Fields, defaults, `__match_args__`, `__post_init__`, `dataclasses.fields` work as ever. Two things differ:

- `frozen` is kept by the type checker, not at run time: instances are made in a third of the time.
- Keyword-only fields and the other options of the original are not offered.
"""

from __future__ import annotations

from dataclasses import MISSING, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, replace
else:
    from dataclasses import dataclass as _describe

    def dataclass(cls: type | None = None, /, *, frozen: bool = False) -> Any:
        """As `dataclasses.dataclass`."""
        if cls is None:
            return lambda c: dataclass(c, frozen=frozen)
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else the original would work out a signature
        own = set(cls.__dict__)
        _describe(init=False, repr=False, eq=False)(cls)
        for name, source in _SOURCES.items():
            if name not in own:
                setattr(cls, name, _compiled_late(cls, name, source))
        if "__hash__" not in own or (cls.__hash__ is None and "__eq__" in own):
            cls.__hash__ = _compiled_late(cls, "__hash__", _hash_source) if frozen else None
        return cls

    def replace(record: Any, /, **changes: Any) -> Any:
        """As `dataclasses.replace`."""
        cls = record.__class__
        values = [changes.pop(n) if n in changes else getattr(record, n) for n in cls.__match_args__]
        if changes:
            raise TypeError(f"{cls.__name__} has no field {next(iter(changes))}")
        return cls(*values)


__all__ = ["dataclass", "field", "replace"]


def _compiled_late(cls: type, name: str, source: Callable[[type], tuple[str, dict[str, Any]]]) -> Any:
    """A method that, when first called, puts the real one in its place."""

    def method(*args: Any, **kwargs: Any) -> Any:
        text, names = source(cls)
        exec(text, names)
        real = names[name]
        real.__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, real)
        return real(*args, **kwargs)

    method.__name__ = name
    return method


def _init_source(cls: Any) -> tuple[str, dict[str, Any]]:
    parameters, body = ["self"], []
    names: dict[str, Any] = {"_missing": MISSING}
    for f in fields(cls):
        value = f.name
        if f.default_factory is not MISSING:
            names[f"_make_{f.name}"] = f.default_factory
            parameters.append(f"{f.name}=_missing")
            value = f"_make_{f.name}() if {f.name} is _missing else {f.name}"
        elif f.default is not MISSING:
            names[f"_default_{f.name}"] = f.default
            parameters.append(f"{f.name}=_default_{f.name}")
        else:
            parameters.append(f.name)
        body.append(f"self.{f.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    return f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"]), names


def _compared(cls: Any, of: str) -> str:
    return "(" + "".join(f"{of}.{f.name}, " for f in fields(cls) if f.compare) + ")"


def _eq_source(cls: type) -> tuple[str, dict[str, Any]]:
    lines = (
        "def __eq__(self, other):",
        " if self is other: return True",
        " if self.__class__ is not other.__class__: return NotImplemented",
        f" return {_compared(cls, 'self')} == {_compared(cls, 'other')}",
    )
    return "\n".join(lines), {}


def _hash_source(cls: type) -> tuple[str, dict[str, Any]]:
    key = _compared(cls, "self")
    return f"def __hash__(self):\n return hash({key if key != '()' else 'self.__class__'})", {}


def _repr_source(cls: Any) -> tuple[str, dict[str, Any]]:
    shown = ", ".join(f"{f.name}={{self.{f.name}!r}}" for f in fields(cls) if f.repr)
    return f"def __repr__(self):\n return f'{{self.__class__.__qualname__}}({shown})'", {}


_SOURCES = {"__init__": _init_source, "__eq__": _eq_source, "__repr__": _repr_source}
