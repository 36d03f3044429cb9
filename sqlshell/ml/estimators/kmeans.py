"""kmeans: clusters around centroids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Literal
from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.options import STANDARDIZE, Option
from sqlshell.plan.call import make_call
from sqlshell.types import BIGINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Model


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.kmeans import fit_kmeans

    clusters = options["num_clusters"]
    if training.count < clusters:
        raise AnalysisError(
            f"{training.count} rows are fewer than {clusters} clusters", condition="TOO_FEW_TRAINING_ROWS"
        )
    start = None if training.start is None else training.start["centroids"]
    found = training.solve(
        fit_kmeans, training.rows, clusters, init=options["kmeans_init_method"], start=start,
        max_iterations=options["max_iterations"], tolerance=options["tol"],
        standardize=options["standardize_features"], cosine=options["distance_type"] == "cosine",
        seed=options["seed"], checkpoint_interval=options["checkpoint_interval"],
    )  # fmt: skip
    parameters = {"centroids": found.centroids, "counts": found.counts, "scale": found.moments.scale}
    return Fitted(parameters, found.log, {"mean_squared_distance": found.loss})


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    steps: list[Any] = []
    centroids = model.rows("centroids")
    scale = model.values("scale") if model.options["standardize_features"] else (1.0,) * len(centroids[0])
    if model.options["distance_type"] == "cosine":
        zero = (0.0,) * len(centroids[0])
        norm = ex.step(steps, "norm", make_call(
            "sqrt", [ex.squared_distance(model.features, inputs, zero, (1.0,) * len(zero))]))  # fmt: skip
        one = ex.number(1.0)
        inverse = make_call("nullif", [norm, ex.number(0.0)])
        distances = [
            make_call("-", [one, make_call("coalesce", [
                make_call("/", [ex.linear(model.features, inputs, row, 0.0), inverse]), ex.number(0.0)])])
            for row in centroids
        ]  # fmt: skip
    else:
        distances = [
            make_call("sqrt", [ex.squared_distance(model.features, inputs, row, scale)]) for row in centroids
        ]
    listed = ex.step(steps, "distances", make_call("array", distances))
    negative = make_call("array", [
        make_call("negative", [make_call("element_at", [listed, Literal(i + 1, BIGINT)])])
        for i in range(len(centroids))
    ])  # fmt: skip
    nearest = ex.step(steps, "nearest", make_call("ml_argmax", [negative]))
    ids = ex.constants(tuple(range(1, len(centroids) + 1)), BIGINT)
    pairs = make_call("array", [
        make_call("named_struct", [
            ex.text("centroid_id"), Literal(i + 1, BIGINT),
            ex.text("distance"), make_call("element_at", [listed, Literal(i + 1, BIGINT)]),
        ])
        for i in range(len(centroids))
    ])  # fmt: skip
    return ex.Outputs(
        tuple(steps),
        (("centroid_id", make_call("ml_pick", [ids, nearest])), ("nearest_centroids_distance", pairs)),
    )


ESTIMATOR = Estimator(
    "kmeans",
    "clustering",
    "k-means clusters; features are standardised unless told otherwise.",
    "the mean squared (or cosine) distance of rows from the nearest centroid",
    (
        Option("num_clusters", "int", 8, "How many clusters.", ("k",), 1),
        Option("kmeans_init_method", "kmeans++|random", "kmeans++", "How the first centroids are found.",
               ("init", "initmode")),
        Option("distance_type", "euclidean|cosine", "euclidean", "What near means.", ("distancemeasure",)),
        Option("max_iterations", "int", 20, "Most iterations.", ("max_iter", "maxiter"), 1),
        Option("tol", "float", 1e-4, "Stop when centroids moved less (squared, relative to the mean variance).",
               ("min_rel_progress", "tolerance"), 0.0),
        STANDARDIZE,
    ),
    fit,
    outputs,
    needs_dense=True,
)  # fmt: skip
