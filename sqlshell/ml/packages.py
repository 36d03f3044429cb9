"""Libraries that only some models need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError

if TYPE_CHECKING:
    from sqlshell.ml.estimators import Estimator


def need_package(estimator: Estimator) -> None:
    """Raises MISSING_PACKAGE with the line that installs what a model type needs."""
    if estimator.package is not None:
        need_module(*estimator.package, estimator.name)


def need_module(module: str, extra: str, what: str) -> None:
    """Raises MISSING_PACKAGE with the line that installs a library's extra."""
    if find_spec(module) is not None:
        return
    raise NotSupportedError(
        f"{what} needs {module}, which is not installed",
        condition="MISSING_PACKAGE",
        hint=f"pip install 'sqlshell-analytics[{extra}]'",
    )
