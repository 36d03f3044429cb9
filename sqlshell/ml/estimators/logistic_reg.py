"""logistic_reg: two classes or more, L1 and L2, class weights, p values."""

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
    import numpy as np

    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.logistic import NEWTON_SIZE, Options, fit_logistic

    classes = len(training.classes)
    strategy = options["optimize_strategy"].removesuffix("_strategy")
    strategy = {"normal_equation": "newton", "batch_gradient_descent": "lbfgs"}.get(strategy, strategy)
    if options["calculate_p_values"]:
        if classes > 2:
            raise combination(f"calculate_p_values needs two classes, not {classes}")
        strategy = "newton"
    size = (training.rows.width + 1) * (1 if classes == 2 else classes)
    newton = strategy == "newton" or (strategy == "auto" and size <= NEWTON_SIZE)
    tolerance = options["tol"]
    settings = Options(
        l1=options["l1_reg"], l2=options["l2_reg"], standardize=options["standardize_features"],
        intercept=options["fit_intercept"], strategy="newton" if newton else "lbfgs",
        max_iterations=options["max_iterations"] or (100 if newton else 1000),
        tolerance=(1e-6 if newton else 1e-8) if tolerance is None else tolerance,
        p_values=options["calculate_p_values"], checkpoint_interval=options["checkpoint_interval"],
    )  # fmt: skip
    start = None
    if training.start is not None:
        weights, intercepts = training.start["weights"], training.start["intercepts"]
        start = np.column_stack([weights, intercepts])
    found = training.solve(fit_logistic, training.rows, classes, settings, start)
    warnings = []
    if not found.converged:
        warnings.append(
            f"logistic_reg did not converge in {settings.max_iterations} iterations (last step {found.gradient:.3g}): "
            "raise max_iterations, or set l2_reg when the classes can be told apart perfectly"
        )
    parameters = {"weights": found.coefficients, "intercepts": found.intercepts}
    return Fitted(parameters, found.log, found.statistics or {}, warnings)


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    intercepts = model.values("intercepts")
    steps: list[Any] = []
    scores = [
        ex.linear(model.features, inputs, row, b)
        for row, b in zip(model.rows("weights"), intercepts, strict=True)
    ]
    if len(scores) == 1:
        scores = [ex.step(steps, "score", scores[0])]
    return ex.classification(model, scores, options.get("threshold"), steps)


def explain(model: Model, inputs: Mapping[str, Expr], steps: list[Any]) -> Parts:
    return linear_parts(model, inputs, model.rows("weights"), model.values("intercepts"))


def check(options: dict[str, Any]) -> None:
    penalised = options["l1_reg"] or options["l2_reg"]
    if options["calculate_p_values"] and penalised:
        raise combination("calculate_p_values needs a model without penalty", "set l1_reg and l2_reg to 0")
    if options["auto_class_weights"] and options["class_weights"]:
        raise combination("auto_class_weights and class_weights exclude each other")


ESTIMATOR = Estimator(
    "logistic_reg",
    "classification",
    "Logistic regression of two classes or more (softmax), with L1 and L2 penalties.",
    "sum(w loss) / sum(w) + l1 |s c|_1 + l2/2 |s c|^2, s the features' sample deviations",
    (
        L1,
        L2,
        STANDARDIZE,
        INTERCEPT,
        P_VALUES,
        Option("max_iterations", "int", None, "Most passes of the optimiser.", ("max_iter", "maxiter"), 1),
        Option("tol", "float", None, "Newton: relative size of the last step (its error is the square); L-BFGS: "
               "largest entry of the gradient.", ("min_rel_progress", "tolerance"), 0.0),
        Option("optimize_strategy", "auto|auto_strategy|newton|lbfgs|normal_equation|batch_gradient_descent", "auto",
               "newton up to 1,000 coefficients, else lbfgs.", ("solver",)),
        GLOBAL_EXPLAIN,
        Option("auto_class_weights", "bool", False, "Weigh classes by the inverse of their share."),
        Option("class_weights", "weights", (), "Weights by class: [STRUCT('a', 0.5), ...]."),
    ),
    fit,
    outputs,
    check,
    encoding="dummy",
    explain=explain,
)  # fmt: skip
