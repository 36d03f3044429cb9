"""linear_reg: least squares, ridge, lasso, elastic net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.explanations import Parts, linear_parts
from sqlshell.ml.options import GLOBAL_EXPLAIN, INTERCEPT, L1, L2, P_VALUES, STANDARDIZE, Option, combination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Model


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.linear import fit_linear

    found = training.solve(
        fit_linear, training.rows, l1=options["l1_reg"], l2=options["l2_reg"],
        standardize=options["standardize_features"], intercept=options["fit_intercept"],
        p_values=options["calculate_p_values"],
    )  # fmt: skip
    log = [{"iteration": 0, "loss": found.loss}]
    return Fitted({"weights": found.coefficients, "intercept": found.intercept}, log, found.statistics or {})


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    score = ex.linear(model.features, inputs, model.values("weights"), model.values("intercept")[0])
    return ex.Outputs((), ((f"predicted_{model.label}", score),))


def explain(model: Model, inputs: Mapping[str, Expr], steps: list[Any]) -> Parts:
    return linear_parts(model, inputs, [model.values("weights")], model.values("intercept"))


def check(options: dict[str, Any]) -> None:
    if options["calculate_p_values"] and (options["l1_reg"] or options["l2_reg"]):
        raise combination("calculate_p_values needs a model without penalty", "set l1_reg and l2_reg to 0")


ESTIMATOR = Estimator(
    "linear_reg",
    "regression",
    "Linear regression: least squares, ridge (l2_reg), lasso (l1_reg), elastic net (both).",
    "sum(w (y - b - x'c)^2) / (2 sum(w)) + l1 |s c|_1 + l2/2 |s c|^2, s the features' sample deviations",
    (
        L1,
        L2,
        STANDARDIZE,
        INTERCEPT,
        P_VALUES,
        GLOBAL_EXPLAIN,
        Option(
            "optimize_strategy",
            "auto|auto_strategy|normal_equation",
            "auto",
            "How the minimum is found.",
            ("solver",),
        ),
    ),
    fit,
    outputs,
    check,
    needs_dense=True,
    encoding="dummy",
    explain=explain,
)
