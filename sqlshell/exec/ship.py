"""Functions of the user's process for processes of ours: by name where they can be imported, else by value.

Bodies only ever travel from a session to its own workers, over a socket pair nobody else has an end of.
"""

from __future__ import annotations

import pickle
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InterfaceError
from sqlshell.exec.gang import Body

if TYPE_CHECKING:
    from collections.abc import Callable


def body_of(function: Callable[..., Any] | str) -> Body:
    """A function, or its `module:name`, ready to travel. Raises InterfaceError when it cannot."""
    if isinstance(function, str):
        return Body(function)
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    path = tuple(p for p in sys.path if p)
    if module not in {None, "__main__"} and _found(str(module), name) is function:
        return Body(f"{module}:{name}", path=path)
    try:
        import cloudpickle
    except ImportError:
        raise InterfaceError(
            f"{name or 'the function'} is not a function of a module, so it cannot be sent to workers by name",
            hint="put it into a module of its own, or install cloudpickle",
        ) from None
    try:
        return Body(name, cloudpickle.dumps(function), path)
    except Exception as e:
        raise InterfaceError(f"{name or 'the function'} cannot be sent to workers: {e}") from e


def arguments(args: tuple[Any, ...]) -> bytes:
    """The extra arguments of a body. Raises InterfaceError when they cannot be pickled."""
    try:
        return pickle.dumps(args, protocol=5)
    except Exception as e:
        raise InterfaceError(f"the arguments of a distributed function must be picklable: {e}") from e


def load(body: Body) -> Callable[..., Any]:
    """The function, in a worker. Folders the session imports from come last on the path."""
    sys.path.extend(p for p in body.path if p not in sys.path)
    if body.payload:
        function: Callable[..., Any] = pickle.loads(body.payload)
        return function
    module, _, name = body.name.partition(":")
    named: Callable[..., Any] = _resolve(module, name)
    return named


def _found(module: str, name: str) -> Any:
    try:
        return _resolve(module, name)
    except (ImportError, AttributeError):
        return None


def _resolve(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
