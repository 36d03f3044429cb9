"""naive_bayes: Gaussian numbers, categories, counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.options import Option, combination
from sqlshell.plan.call import make_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Model

VECTORS = ("dense", "sparse")


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    """Each group of features by its own distribution; the joint likelihood is their product."""
    import numpy as np

    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers import bayes

    kind, alpha, classes = options["nb_type"], options["smoothing"], len(training.classes)
    parameters: dict[str, Any] = {}
    numeric = [f.name for f in training.features if f.kind == "numeric"]
    vectors = [f.name for f in training.features if f.kind in VECTORS]
    categories = [f for f in training.features if f.kind == "category"]
    if kind == "gaussian" and (vectors or categories):
        raise combination("gaussian naive Bayes takes numbers only", "use nb_type = 'auto'")
    counted = [*numeric, *vectors] if kind in ("multinomial", "bernoulli") else vectors
    if kind in ("multinomial", "bernoulli"):
        numeric = []
    if numeric:
        found = training.solve(
            bayes.fit_gaussian, training.subset(numeric), classes, options["var_smoothing"]
        )
        parameters |= {"prior": found.prior, "mean": found.mean, "variance": found.variance}
    if counted:
        solver = bayes.fit_bernoulli if kind == "bernoulli" else bayes.fit_multinomial
        counts = training.solve(solver, training.subset(counted), classes, alpha)
        parameters |= {"prior": counts.prior, "counts": counts.log_probability}
        if counts.absent is not None:
            parameters["absent"] = counts.absent
    if categories:
        rows = training.subset([f.name for f in categories])
        hot = training.solve(
            bayes.fit_categorical, rows, classes, [len(f.categories) for f in categories], alpha
        )
        parameters |= {"prior": hot.prior, "categories": hot.log_probability}
    if not np.all(np.isfinite(parameters.get("counts", np.zeros(1)))):
        raise combination("multinomial naive Bayes takes no negative numbers", "use nb_type = 'gaussian'")
    return Fitted(parameters, [], {})


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    kind = model.options["nb_type"]
    everything = model.features
    vectors = [f for f in everything if f.kind in VECTORS]
    numeric = [f for f in everything if f.kind == "numeric"]
    counted = [*numeric, *vectors] if kind in ("multinomial", "bernoulli") else vectors
    if kind in ("multinomial", "bernoulli"):
        numeric = []
    categories = [f for f in everything if f.kind == "category"]
    scores = []
    for k, prior in enumerate(model.values("prior")):
        score: Expr = ex.number(prior)
        if numeric:
            mean, variance = model.rows("mean")[k], model.rows("variance")[k]
            norm = -0.5 * sum(math.log(2 * math.pi * v) for v in variance)
            far = ex.squared_distance(numeric, inputs, mean, [math.sqrt(2 * v) for v in variance])
            score = make_call("-", [make_call("+", [score, ex.number(norm)]), far])
        if counted:
            weights, offset = model.rows("counts")[k], 0.0
            if "absent" in model.parameters:
                absent = model.rows("absent")[k]
                weights = tuple(w - a for w, a in zip(weights, absent, strict=True))
                offset = math.fsum(absent)
            score = make_call(
                "+", [score, ex.linear(counted, _counts(model, counted, inputs), weights, offset)]
            )
        if categories:
            row, at = model.rows("categories")[k], 0
            for f in categories:
                own = row[at : at + f.width]
                at += f.width
                known = make_call("ml_lookup", [
                    inputs[f.name], ex.texts(f.categories), ex.numbers(own), ex.number(0.0)])  # fmt: skip
                score = make_call("+", [score, known])
        scores.append(score)
    return _decided(model, scores, options)


def _counts(model: Model, counted: list[Any], inputs: Mapping[str, Expr]) -> dict[str, Expr]:
    """Bernoulli features are 1 where they are not 0."""
    if "absent" not in model.parameters:
        return {f.name: inputs[f.name] for f in counted}
    return {
        f.name: ex.as_double(make_call("!=", [inputs[f.name], ex.number(0.0)])) if f.kind == "numeric"
        else make_call("ml_presence", [inputs[f.name]])
        for f in counted
    }  # fmt: skip


def _decided(model: Model, scores: list[Expr], options: dict[str, Any]) -> ex.Outputs:
    if len(scores) == 2:
        return ex.classification(
            model, [make_call("-", [scores[1], scores[0]])], options.get("threshold"), []
        )
    return ex.classification(model, scores, None, [])


ESTIMATOR = Estimator(
    "naive_bayes",
    "classification",
    "Naive Bayes: numbers as Gaussians, text columns as categories, vectors as counts (nb_type = 'auto').",
    "class frequencies times each feature's likelihood within the class",
    (
        Option("nb_type", "auto|gaussian|multinomial|bernoulli", "auto", "The distribution of numbers and vectors.",
               ("modeltype",)),
        Option("smoothing", "float", 1.0, "Added to every count.", ("alpha",), 0.0),
        Option("var_smoothing", "float", 1e-9, "Share of the largest variance that is added to all variances.",
               (), 0.0),
    ),
    fit,
    outputs,
)  # fmt: skip
