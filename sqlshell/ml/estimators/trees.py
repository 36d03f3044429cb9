"""boosted_tree_* and random_forest_*: trees grown by xgboost in the gang."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Case, Cast, Column, Expr, Literal, When
from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.explanations import Parts
from sqlshell.ml.options import GLOBAL_EXPLAIN, Option, combination
from sqlshell.ml.packages import need_package
from sqlshell.plan.call import make_call
from sqlshell.types import BINARY, DOUBLE, FLOAT, INT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlshell.ml.body import Fitted, Training
    from sqlshell.ml.model import Feature, Model
    from sqlshell.plan.logical import Named

BOOSTER = "booster.ubj"
PATIENCE = 5
"""Rounds without a better loss on the rows held out, with early_stop."""


def fit(training: Training, options: dict[str, Any]) -> Fitted:
    import numpy as np

    from sqlshell.ml.body import Fitted
    from sqlshell.ml.solvers.trees import Settings, fit_trees

    classes = len(training.classes)
    forest = options["model_type"].startswith("random_forest")
    objective = "reg:squarederror" if not classes else "binary:logistic" if classes == 2 else "multi:softprob"
    parameters = {theirs: options[ours] for ours, theirs in PARAMETERS.items()}
    found = fit_trees(training.rows, training.held_out, Settings(
        objective, classes if classes > 2 else 1,
        options["num_parallel_tree"] if forest else options["max_iterations"], forest,
        1.0 if forest else options["learn_rate"], options["subsample"], options["seed"], parameters,
        options["checkpoint_interval"], PATIENCE if options.get("early_stop") else 0,
        options.get("min_rel_progress") or 0.0,
    ))  # fmt: skip
    kept = parameters_of(found.base, found.trees)
    statistics: dict[str, Any] = {f"importance_{k}": v for k, v in found.importance.items()}
    statistics |= {"rounds": found.rounds, "splits": found.splits, "training_loss": found.loss}
    return Fitted({n: np.asarray(v, dtype=np.float64) for n, v in kept.items()}, found.log, statistics, [],
                  {BOOSTER: found.booster})  # fmt: skip


def parameters_of(base: Any, trees: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """What model.json's numbers say of trees: all nodes of few, else the first guess only."""
    kept: dict[str, list[float]] = {"base_score": [float(b) for b in base]}
    if trees:
        for name in ("feature", "value", "left", "right", "default_left"):
            kept[f"tree_{name}"] = [v for tree in trees for v in tree[name]]
        kept["tree_nodes"] = [float(len(tree["value"])) for tree in trees]
    return kept


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    steps: list[Named] = []
    few = "tree_nodes" in model.parameters
    margins = _expressions(model, inputs, steps) if few else _batch(model, inputs, steps)
    if model.estimator.task == "regression":
        return ex.Outputs(tuple(steps), ((f"predicted_{model.label}", margins[0]),))
    return ex.classification(model, margins, options.get("threshold"), steps)


def explain(model: Model, inputs: Mapping[str, Expr], steps: list[Named]) -> Parts:
    need_package(model.estimator)
    arguments = _arguments(model, inputs)
    return Parts(tuple(_batch(model, inputs, steps)), make_call("ml_tree_contributions", arguments))


def _batch(model: Model, inputs: Mapping[str, Expr], steps: list[Named]) -> list[Expr]:
    """One call per batch of rows; features that no tree asks for are not read."""
    need_package(model.estimator)
    margins = ex.step(steps, "margins", make_call("ml_trees", _arguments(model, inputs)))
    count = len(model.classes) if len(model.classes) > 2 else 1
    return [make_call("element_at", [margins, Literal(i + 1, INT)]) for i in range(count)]


def _arguments(model: Model, inputs: Mapping[str, Expr]) -> list[Expr]:
    """The booster, the widths of features, the features; those that no tree asks for as NULL."""
    weight = model.data["fit_statistics"]["importance_weight"]
    values: list[Expr] = []
    at = 0
    for f in model.features:
        used = any(weight[at : at + f.width])
        at += f.width
        value = inputs[f.name]
        if f.kind == "numeric":
            values.append(ex.as_double(value) if used else Literal(None, DOUBLE))
        elif f.kind == "category":
            values.append(make_call("ml_one_hot", [value if used else ex.text(""), ex.texts(f.columns)]))
        else:
            values.append(value if used else ex.numbers([]))
    return [Literal(model.files[BOOSTER], BINARY), ex.numbers([f.width for f in model.features]), *values]


def _expressions(model: Model, inputs: Mapping[str, Expr], steps: list[Named]) -> list[Expr]:
    """The trees as CASE expressions over float32, as xgboost compares."""
    names = ("feature", "value", "left", "right", "default_left")
    nodes = {n: model.values(f"tree_{n}") for n in names}
    used = {int(f) for f in nodes["feature"] if f >= 0}
    columns: dict[int, Column] = {}
    at = 0
    for f in model.features:
        own = [i for i in range(f.width) if at + i in used]
        if own:
            made = _elements(f, inputs[f.name])
            for i in own:
                columns[at + i] = ex.step(steps, "feature", Cast(made[i], FLOAT))
        at += f.width
    outputs_ = len(model.classes) if len(model.classes) > 2 else 1
    sums: list[list[Expr]] = [[] for _ in range(outputs_)]
    start = 0
    for number, count in enumerate(model.values("tree_nodes")):
        tree = {n: v[start : start + int(count)] for n, v in nodes.items()}
        start += int(count)
        sums[number % outputs_].append(_tree(tree, 0, columns))
    base = model.values("base_score")[0]
    if model.estimator.task == "classification" and outputs_ == 1:
        base = math.log(base / (1.0 - base))
    made_sums = []
    for terms in sums:
        weights = ex.numbers([1.0] * (len(terms) + 1))
        made_sums.append(make_call("ml_linear", [weights, *terms, ex.number(base)]))
    return made_sums


def _elements(f: Feature, value: Expr) -> list[Expr]:
    """Each column of a feature as a double; a missing number stays NULL, NaN counts as missing."""
    if f.kind != "numeric":
        return ex.elements(f, value)
    number = ex.as_double(value)
    if value.type in (FLOAT, DOUBLE):
        number = make_call("nanvl", [number, Literal(None, DOUBLE)])
    return [number]


def _tree(tree: Mapping[str, tuple[float, ...]], at: int, columns: Mapping[int, Column]) -> Expr:
    feature = int(tree["feature"][at])
    value = tree["value"][at]
    if feature < 0:
        return ex.number(value)
    left = _tree(tree, int(tree["left"][at]), columns)
    right = _tree(tree, int(tree["right"][at]), columns)
    bound = Literal(value, FLOAT)
    # A comparison with NULL takes the ELSE branch: it must be the one where missing values go.
    if tree["default_left"][at]:
        return Case((When(make_call(">=", [columns[feature], bound]), right),), left, DOUBLE)
    return Case((When(make_call("<", [columns[feature], bound]), left),), right, DOUBLE)


def check(options: dict[str, Any]) -> None:
    if options.get("auto_class_weights") and options.get("class_weights"):
        raise combination("auto_class_weights and class_weights exclude each other")
    if options.get("early_stop") and options["data_split_method"] == "no_split":
        raise combination("early_stop needs rows held out", "data_split_method = 'random'")


PARAMETERS = {
    "max_tree_depth": "max_depth", "min_tree_child_weight": "min_child_weight", "min_split_loss": "gamma",
    "colsample_bytree": "colsample_bytree", "colsample_bylevel": "colsample_bylevel",
    "colsample_bynode": "colsample_bynode", "l1_reg": "alpha", "l2_reg": "lambda",
}  # fmt: skip
"""Our option to xgboost's parameter."""


def _options(forest: bool, classes: bool) -> tuple[Option, ...]:
    # fmt: off
    found = [
        Option("max_tree_depth", "int", 15 if forest else 6, "Most levels of a tree.", ("max_depth", "maxdepth"),
               1, 30),
        Option("min_tree_child_weight", "float", 1.0, "Least sum of second derivatives in a leaf.",
               ("min_child_weight",), 0.0),
        Option("min_split_loss", "float", 0.0, "What a split must gain.", ("gamma",), 0.0),
        Option("subsample", "float", 0.8 if forest else 1.0, "The share of rows that each tree learns from.",
               ("subsamplingrate", "subsampling_rate"), 0.01, 1.0),
        Option("colsample_bytree", "float", 1.0, "The share of features of a tree.", (), 0.001, 1.0),
        Option("colsample_bylevel", "float", 1.0, "The share of features of a level.", (), 0.001, 1.0),
        Option("colsample_bynode", "float", 0.8 if forest else 1.0, "The share of features of a split.", (),
               0.001, 1.0),
        Option("l1_reg", "float", 0.0, "L1 penalty on the leaves.", ("reg_alpha",), 0.0),
        GLOBAL_EXPLAIN,
        Option("l2_reg", "float", 1e-5 if forest else 1.0, "L2 penalty on the leaves.", ("reg_lambda",), 0.0),
    ]
    if forest:
        found.append(Option("num_parallel_tree", "int", 100, "How many trees.", ("num_trees", "numtrees"), 1))
    else:
        found += [
            Option("max_iterations", "int", 20, "How many rounds of trees.", ("max_iter", "maxiter", "num_round"), 1),
            Option("learn_rate", "float", 0.3, "What each tree's answer is multiplied by.",
                   ("step_size", "stepsize", "eta", "learning_rate"), 1e-6, 1.0),
            Option("early_stop", "bool", False, f"Stop after {PATIENCE} rounds without a better loss on the rows held "
                   "out, and keep the best."),
            Option("min_rel_progress", "float", 0.0, "What counts as better, as a share of the loss.", (), 0.0, 1.0),
        ]
    if classes:
        found += [
            Option("auto_class_weights", "bool", False, "Weigh classes by the inverse of their share."),
            Option("class_weights", "weights", (), "Weights by class: [STRUCT('a', 0.5), ...]."),
        ]
    # fmt: on
    return tuple(found)


def _row(name: str) -> Estimator:
    forest, classes = name.startswith("random_forest"), name.endswith("classifier")
    what = "A random forest" if forest else "Gradient-boosted trees"
    return Estimator(
        name,
        "classification" if classes else "regression",
        f"{what}, grown by xgboost; NULL goes its own way at each split.",
        f"xgboost's {'logistic loss' if classes else 'squared error'} + l1 |leaf|_1 + l2/2 |leaf|^2 for each tree",
        _options(forest, classes),
        fit,
        outputs,
        check,
        needs_dense=True,
        takes_missing=True,
        explain=explain,
        package=("xgboost", "ml"),
    )


ESTIMATORS = {
    name: _row(name)
    for name in (
        "boosted_tree_classifier", "boosted_tree_regressor", "random_forest_classifier", "random_forest_regressor",
    )
}  # fmt: skip
