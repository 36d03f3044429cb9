"""Networks as a function (`k.network` is exec/network.py)."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import constant
from sqlshell.functions.registry import Function


def _scores(k: Any, content: Any, activation: Any, widths: Any, *values: Any) -> Any:
    return k.network.scores(constant(k, 0, "file"), constant(k, 1, "text"), constant(k, 2, "array"), values)


ROWS = (
    Function(
        "ml_network",
        "binary, string, array<double>, any... -> array<double>",
        "The outputs of a constant network (safetensors) with an activation, for features of the given widths.",
        "",
        lower=_scores,
        strict=False,
        nullable=lambda n: False,
    ),
)
