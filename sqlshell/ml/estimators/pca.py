"""pca: principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.options import Option, combination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Model


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.pca import fit_pca

    found = training.solve(
        fit_pca, training.rows, options["num_principal_components"],
        ratio=options["pca_explained_variance_ratio"], scale_features=options["scale_features"],
    )  # fmt: skip
    parameters = {
        "components": found.components, "variance": found.variance, "ratio": found.ratio,
        "mean": found.mean, "scale": found.scale,
    }  # fmt: skip
    return Fitted(parameters, [], {"total_explained_variance_ratio": float(found.ratio.sum())})


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    mean, scale = model.values("mean"), model.values("scale")
    columns = []
    for i, row in enumerate(model.rows("components"), 1):
        weights = [w / s for w, s in zip(row, scale, strict=True)]
        offset = -sum(w * m for w, m in zip(weights, mean, strict=True))
        columns.append((f"principal_component_{i}", ex.linear(model.features, inputs, weights, offset)))
    return ex.Outputs((), tuple(columns))


def check(options: dict[str, Any]) -> None:
    if options["num_principal_components"] and options["pca_explained_variance_ratio"] is not None:
        raise combination("num_principal_components and pca_explained_variance_ratio exclude each other")


ESTIMATOR = Estimator(
    "pca",
    "reduction",
    "Principal components of the features.",
    "the variance that orthonormal directions explain",
    (
        Option("num_principal_components", "int", None, "How many components (default: all).", ("k",), 1),
        Option(
            "pca_explained_variance_ratio",
            "float",
            None,
            "As many components as explain this share.",
            (),
            0,
            1,
        ),
        Option(
            "scale_features", "bool", True, "Divide features by their deviation.", ("standardize_features",)
        ),
    ),
    fit,
    outputs,
    check,
    needs_dense=True,
)
