"""transform_only: a TRANSFORM with its statistics and nothing to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.ml.estimators import Estimator
from sqlshell.ml.expressions import Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.model import Model


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> Outputs:
    return Outputs((), tuple(inputs.items()))


ESTIMATOR = Estimator(
    "transform_only",
    "transform",
    "Keeps TRANSFORM's statistics for ML.TRANSFORM.",
    "",
    (),
    None,
    outputs,
)
