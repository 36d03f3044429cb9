"""The table of model types: one module per estimator, each with one `ESTIMATOR` row.

A row says what its options mean, how rows become parameters (`fit`, run by every rank of a gang) and how parameters
become expressions (`outputs`). The reference, DESCRIBE and the checks of OPTIONS read the same rows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span
    from sqlshell.ml.options import Option

MODULES = {
    "linear_reg": "linear_reg",
    "logistic_reg": "logistic_reg",
    "kmeans": "kmeans",
    "pca": "pca",
    "naive_bayes": "naive_bayes",
    "matrix_factorization": "matrix_factorization",
    "boosted_tree_classifier": "trees",
    "boosted_tree_regressor": "trees",
    "random_forest_classifier": "trees",
    "random_forest_regressor": "trees",
    "dnn_classifier": "dnn",
    "dnn_regressor": "dnn",
    "transform_only": "transform_only",
    "onnx": "onnx",
}
"""model_type to the module (of this package) that holds its row: `ESTIMATOR`, or one of `ESTIMATORS`."""


@dataclass(frozen=True)
class Estimator:
    """A row of the table. `task` is regression, classification, clustering, reduction, recommendation,
    transform or imported.

    `fit(training, options)` gives `ml.body.Fitted`; `outputs(model, inputs, options)` the named expressions that
    ML.PREDICT adds, over one expression per feature. `check(options)` raises for combinations that do not go.
    """

    name: str
    task: str
    doc: str
    objective: str
    options: tuple[Option, ...]
    fit: Callable[..., Any] | None
    outputs: Callable[..., Any]
    check: Callable[[dict[str, Any]], None] | None = None
    needs_dense: bool = False
    encoding: str = "one_hot"
    """How a category becomes numbers by default: one_hot or dummy (the first category left out)."""
    aliases: tuple[str, ...] = field(default=())
    takes_missing: bool = False
    """NULL stays NaN in the matrix instead of becoming the mean."""
    package: tuple[str, str] | None = None
    """(module, extra) of the library that training needs."""
    explain: Callable[..., Any] | None = None
    """`explain(model, inputs, steps)` gives `ml.explanations.Parts`: what features add to the scores."""
    train: Callable[..., Any] | None = None
    """`train(gang, parts, spec)` instead of `fit`: a body of its own, for what is no matrix of features."""


def get(name: str, span: Span | None = None) -> Estimator:
    """The row of a model type, any case. Raises UNSUPPORTED_MODEL_TYPE with near names."""
    module = MODULES.get(name.lower())
    if module is None:
        raise AnalysisError(
            f"there is no model type `{name}`",
            condition="UNSUPPORTED_MODEL_TYPE",
            span=span,
            hint=did_you_mean(name, MODULES) or "model types are " + ", ".join(MODULES),
        )
    found = import_module(f"{__name__}.{module}")
    row: Estimator = found.ESTIMATORS[name.lower()] if hasattr(found, "ESTIMATORS") else found.ESTIMATOR
    return row
