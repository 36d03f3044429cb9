"""dnn_classifier and dnn_regressor: feed-forward networks, trained by torch."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Expr, Literal
from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.options import L1, L2, Option, combination
from sqlshell.plan.call import make_call
from sqlshell.types import BINARY, INT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Model
    from sqlshell.plan.logical import Named

TENSORS = "network.safetensors"


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    import numpy as np

    from sqlshell.errors import AnalysisError
    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.network import Settings, fit_network
    from sqlshell.storage import safetensors

    classes = len(training.classes)
    settings = Settings(
        tuple(options["hidden_units"]), options["activation_fn"], classes if classes > 2 else 1, classes > 0,
        options["batch_size"], options["max_iterations"], options["learn_rate"], options["optimizer"],
        options["dropout"], options["l1_reg"], options["l2_reg"], options["seed"], options["checkpoint_interval"],
        options["min_rel_progress"],
    )  # fmt: skip
    start = None
    if training.spec.start_files:
        tensors = safetensors.load(training.spec.start_files[TENSORS])
        start = [(np.array(tensors[f"w{i}"]), np.array(tensors[f"b{i}"])) for i in range(len(tensors) // 2)]
        sizes = [training.rows.width, *settings.hidden, settings.outputs]
        if [w.shape for w, _ in start] != list(itertools.pairwise(sizes)):
            raise AnalysisError(
                "warm_start needs the hidden_units of the current version", condition="INVALID_WARM_START"
            )
    found = fit_network(training.rows, training.held_out, settings, start)
    named = {f"{n}{i}": v for i, layer in enumerate(found.layers) for n, v in zip("wb", layer, strict=True)}
    count = float(sum(v.size for v in named.values()))
    return Fitted({}, found.log, {"training_loss": found.loss, "numbers": count}, [],
                  {TENSORS: safetensors.dump(named)})  # fmt: skip


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    steps: list[Named] = []
    values: list[Expr] = []
    for f in model.features:
        value = inputs[f.name]
        if f.kind == "numeric":
            values.append(ex.filled(f, value))
        elif f.kind == "category":
            values.append(make_call("ml_one_hot", [value, ex.texts(f.columns)]))
        else:
            values.append(value)
    network = [Literal(model.files[TENSORS], BINARY), ex.text(model.options["activation_fn"]),
               ex.numbers([f.width for f in model.features])]  # fmt: skip
    scores = ex.step(steps, "scores", make_call("ml_network", [*network, *values]))
    count = len(model.classes) if len(model.classes) > 2 else 1
    listed = [make_call("element_at", [scores, Literal(i + 1, INT)]) for i in range(count)]
    if model.estimator.task == "regression":
        return ex.Outputs(tuple(steps), ((f"predicted_{model.label}", listed[0]),))
    return ex.classification(model, listed, options.get("threshold"), steps)


def check(options: dict[str, Any]) -> None:
    units = options["hidden_units"]
    if any(not isinstance(u, int) or isinstance(u, bool) or not 1 <= u <= 10_000 for u in units):
        raise combination("hidden_units are whole numbers from 1 to 10000", "hidden_units = [64, 32]")
    if options.get("auto_class_weights") and options.get("class_weights"):
        raise combination("auto_class_weights and class_weights exclude each other")
    if options["early_stop"] and options["data_split_method"] == "no_split":
        raise combination("early_stop needs rows held out", "data_split_method = 'random'")


def _row(name: str) -> Estimator:
    classes = name.endswith("classifier")
    weights = (
        Option("auto_class_weights", "bool", False, "Weigh classes by the inverse of their share."),
        Option("class_weights", "weights", (), "Weights by class: [STRUCT('a', 0.5), ...]."),
    )
    return Estimator(
        name,
        "classification" if classes else "regression",
        "A feed-forward network over standardised features, trained by torch in double precision.",
        f"the mean {'log loss' if classes else 'squared error (of the standardised label)'} + l1 |w|_1 + l2/2 |w|^2 "
        "over the weights of all layers",
        (
            Option("hidden_units", "numbers", (64,), "Units of each hidden layer.", ("layers",)),
            Option("activation_fn", "relu|tanh|sigmoid|elu|leaky_relu|identity", "relu", "What hidden units do.",
                   ("activation",)),
            Option("batch_size", "int", 256, "Rows by step.", ("blocksize",), 1),
            Option("dropout", "float", 0.0, "The share of hidden units left out in a step.", (), 0.0, 0.99),
            Option("optimizer", "adam|sgd|adagrad|rmsprop", "adam", "How steps are taken.", ("solver",)),
            Option("learn_rate", "float", 0.001, "How long steps are.", ("step_size", "stepsize", "learning_rate"),
                   1e-9),
            Option("max_iterations", "int", 20, "Passes over the rows.", ("max_iter", "maxiter", "epochs"), 1),
            Option("early_stop", "bool", False, "Stop after 5 passes without a better loss on the rows held out, and "
                   "keep the best."),
            Option("min_rel_progress", "float", 0.0, "What counts as better, as a share of the loss.", ("tol",), 0.0,
                   1.0),
            L1,
            L2,
            *(weights if classes else ()),
        ),
        fit,
        outputs,
        check,
        needs_dense=True,
        package=("torch", "torch"),
    )  # fmt: skip


ESTIMATORS = {name: _row(name) for name in ("dnn_classifier", "dnn_regressor")}
