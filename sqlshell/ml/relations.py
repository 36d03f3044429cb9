"""ML.PREDICT, ML.EVALUATE, ML.WEIGHTS ...: the rows of model functions, as plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Case, Expr, Literal, When, substitute
from sqlshell.ml import evaluate, explanations, insights, recommend
from sqlshell.ml.column_names import column_names
from sqlshell.ml.constant_rows import constant_rows
from sqlshell.ml.model import Model, of_version
from sqlshell.ml.transform import features_of
from sqlshell.plan.call import make_call
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Named, Plan, Project, named, passthrough
from sqlshell.storage.models import parse_reference
from sqlshell.types import BIGINT, DOUBLE, STRING, Array, Field, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span
    from sqlshell.ml.expressions import Outputs
    from sqlshell.plan.context import BindContext
    from sqlshell.storage.models import Models

Answer = tuple[BoundQuery, str | None]


class ModelFunctions:
    """Answers the binder's questions about models during one statement."""

    def __init__(self, ctx: BindContext, models: Models) -> None:
        self.ctx = ctx
        self.models = models

    def model(self, reference: str, span: Span | None) -> Model:
        """The model version a reference names."""
        return of_version(self.models.resolve(parse_reference(reference), span))

    def relation(
        self, name: str, reference: str, span: Span | None, data: BoundQuery | None, options: dict[str, Any]
    ) -> Answer:
        """The rows of a table function; with a text they are that query's `__input`."""
        found = FUNCTIONS.get(name)
        if found is None:
            raise AnalysisError(
                f"there is no model function {_shown(name)}",
                condition="UNRESOLVABLE_TABLE_VALUED_FUNCTION",
                span=span,
                hint=did_you_mean(name, FUNCTIONS) or ", ".join(map(_shown, FUNCTIONS)),
            )
        function, allowed, needs_data = found
        for key in options:
            if key not in allowed:
                raise AnalysisError(
                    f"{_shown(name)} has no option {key}", condition="UNKNOWN_MODEL_OPTION", span=span,
                    hint=did_you_mean(key, allowed) or ("options are " + ", ".join(allowed) if allowed else None),
                )  # fmt: skip
        if needs_data is not None and (data is None) == needs_data:
            raise AnalysisError(
                f"{_shown(name)} needs rows" if needs_data else f"{_shown(name)} takes a model only",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span,
                hint=f"{_shown(name)}(MODEL m{', TABLE t' if needs_data else ''})",
            )  # fmt: skip
        return function(self, self.model(reference, span), data, options, span)

    def value(self, name: str, reference: str, span: Span | None, inputs: dict[str, Expr]) -> Expr:
        """ml_predict (the label) and ml_predict_proba (the array of probabilities) of one row."""
        model = self.model(reference, span)
        features = features_of(self.ctx, model, inputs, span)
        outputs = model.estimator.outputs(model, features, {})
        wanted = "_probs" if name == "ml_predict_proba" else ""
        if wanted and model.estimator.task != "classification":
            raise AnalysisError(
                f"`{model.name}` is a {model.estimator.name}: it has no probabilities",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT",
                span=span,
            )
        if model.estimator.task == "transform":
            raise AnalysisError(
                f"`{model.name}` predicts nothing", condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span,
                hint="use ML.TRANSFORM",
            )  # fmt: skip
        chosen: Expr = next(
            (e for n, e in outputs.columns if n.endswith(wanted) and wanted), outputs.columns[0][1]
        )
        for item in reversed(outputs.steps):
            chosen = substitute(chosen, {item.column.id: item.expr})
        return chosen


def predicted(
    model: Model, data: BoundQuery, features: dict[str, Expr], options: dict[str, Any]
) -> BoundQuery:
    """The rows of `data` behind what the model says of them. `features` are over the data's columns."""
    outputs = model.estimator.outputs(model, features, options)
    plan: Plan = data.plan
    for item in outputs.steps:
        plan = Project(plan, (*(passthrough(c) for c in plan.output), item))
    made = [named(n, e) for n, e in outputs.columns]
    taken = {n.lower() for n, _ in outputs.columns}
    kept = [
        (n, passthrough(c))
        for n, c in zip(data.names, data.plan.output, strict=True)
        if n.lower() not in taken
    ]
    if options.get("keep_original_columns") is False:
        kept = []
    items = (*made, *(i for _, i in kept))
    return BoundQuery(Project(plan, items), (*(n for n, _ in outputs.columns), *(n for n, _ in kept)))


def _given(data: BoundQuery) -> dict[str, Expr]:
    return {n.lower(): c for n, c in zip(data.names, data.plan.output, strict=True)}


def _predict(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    assert data is not None
    if model.estimator.task == "transform":
        raise AnalysisError(
            f"`{model.name}` predicts nothing", condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span,
            hint="use ML.TRANSFORM",
        )  # fmt: skip
    if "threshold" in options and len(model.classes) != 2:
        raise AnalysisError(
            "a threshold needs a classifier of two classes",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    clean = {k: float(v) if k == "threshold" else v for k, v in options.items()}
    return predicted(model, data, features_of(f.ctx, model, _given(data), span), clean), None


def _transform(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    assert data is not None
    features = features_of(f.ctx, model, _given(data), span)
    wanted = {x.name for x in model.features}
    items = [named(n, e) for n, e in features.items() if n in wanted]
    taken = {n.lower() for n in wanted}
    kept = [
        (n, passthrough(c))
        for n, c in zip(data.names, data.plan.output, strict=True)
        if n.lower() not in taken
    ]
    names = (*(i.column.name for i in items), *(n for n, _ in kept))
    return BoundQuery(Project(data.plan, (*items, *(i for _, i in kept))), names), None


def _evaluate(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    if model.estimator.task == "imported":
        raise AnalysisError(
            f"what the outputs of `{model.name}` should be is not known", span=span,
            condition="INVALID_MODEL_FUNCTION_ARGUMENT", hint="compare ML.PREDICT's columns with the truth in SQL",
        )  # fmt: skip
    if data is None:
        metrics = {k: v for k, v in (model.data.get("metrics") or {}).items() if k != "measured_on"}
        if not metrics:
            raise AnalysisError(
                f"`{model.name}` has no stored metrics", condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span,
                hint="ML.EVALUATE(MODEL m, TABLE t)",
            )  # fmt: skip
        return constant_rows([(k, DOUBLE) for k in metrics], [tuple(metrics.values())]), None
    return _measured(f, model, data, options, span, evaluate.metrics_text)


def _measured(
    f: ModelFunctions,
    model: Model,
    data: BoundQuery,
    options: dict[str, Any],
    span: Span | None,
    text: Callable[[Model, dict[str, Any]], str],
) -> Answer:
    """Predictions beside the truth, and the query that compares them."""
    given = _given(data)
    if model.label is not None and model.label.lower() not in given:
        raise AnalysisError(
            f"the rows have no column `{model.label}`, the model's label",
            condition="LABEL_COLUMN_NOT_FOUND",
            span=span,
            hint=did_you_mean(model.label, given),
        )
    clean = {k: float(v) if k == "threshold" else v for k, v in options.items()}
    return compared(model, data, features_of(f.ctx, model, given, span), clean), text(model, clean)


def compared(
    model: Model, data: BoundQuery, features: dict[str, Expr], options: dict[str, Any]
) -> BoundQuery:
    """What `evaluate` measures: see there."""
    outputs = model.estimator.outputs(model, features, options)
    plan: Plan = data.plan
    for item in outputs.steps:
        plan = Project(plan, (*(passthrough(c) for c in plan.output), item))
    task = model.estimator.task
    items: list[Named] = []
    if task == "clustering":
        distances = next(i.column for i in outputs.steps if i.column.name == "distances")
        items.append(named("distance", make_call("array_min", [distances])))
    elif model.label is None:
        items = [named(n, e) for n, e in outputs.columns]
    else:
        label = _given(data)[model.label.lower()]
        items += [named("label", label), named("predicted", outputs.columns[0][1])]
        if task == "classification":
            items += _shares(model, label, outputs)
    return BoundQuery(Project(plan, tuple(items)), tuple(i.column.name for i in items))


def _shares(model: Model, label: Expr, outputs: Outputs) -> list[Named]:
    pairs = outputs.columns[1][1].children
    probabilities = [pair.children[3] for pair in pairs]
    branches = tuple(
        When(make_call("=", [label, Literal(c, model.label_type)]), p)
        for c, p in zip(model.classes, probabilities, strict=True)
    )
    share = named("share", Case(branches, Literal(0.0, DOUBLE), DOUBLE))
    return [share, named("score", probabilities[1])] if len(model.classes) == 2 else [share]


def _confusion(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    assert data is not None
    _need_task(model, "classification", "ML.CONFUSION_MATRIX", span)
    return _measured(f, model, data, options, span, evaluate.confusion_text)


def _roc(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    assert data is not None
    _need_task(model, "classification", "ML.ROC_CURVE", span)
    if len(model.classes) != 2:
        raise AnalysisError(
            "ML.ROC_CURVE needs a classifier of two classes",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    return _measured(f, model, data, options, span, evaluate.roc_text)


def _need_task(model: Model, task: str, name: str, span: Span | None) -> None:
    if model.estimator.task != task:
        raise AnalysisError(
            f"{name} needs a {task} model; `{model.name}` is a {model.estimator.name}",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )


# -- what a model says of itself


def _weights(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    """One row per feature (and class, for more than two); categories are listed within their feature."""
    if model.estimator.task == "recommendation":
        return recommend.weights(model), None
    if model.data["model_type"] not in ("linear_reg", "logistic_reg"):
        raise AnalysisError(
            f"ML.WEIGHTS needs a linear or logistic model; `{model.name}` is a {model.estimator.name}",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
            hint="ML.CENTROIDS and ML.PRINCIPAL_COMPONENTS are for k-means and PCA",
        )
    linear = model.data["model_type"] == "linear_reg"
    sets = [model.values("weights")] if linear else model.rows("weights")
    intercepts = model.values("intercept") if linear else model.values("intercepts")
    several = len(sets) > 1
    statistics = model.data.get("fit_statistics", {})
    extra = [k for k in ("standard_error", "t_value", "z_value", "p_value") if k in statistics]
    pairs = Array(Struct((Field("category", STRING), Field("weight", DOUBLE))))
    columns: list[tuple[str, SqlType]] = [
        ("processed_input", STRING),
        ("weight", DOUBLE),
        ("category_weights", pairs),
    ]
    columns += [(k, DOUBLE) for k in extra]
    rows: list[tuple[Any, ...]] = []
    for k, (weights, intercept) in enumerate(zip(sets, intercepts, strict=True)):
        at = 0
        tail = (str(model.classes[k]),) if several else ()
        for x in model.features:
            own = weights[at : at + x.width]
            numbers = [statistics[e][at] if x.kind == "numeric" else None for e in extra]
            at += x.width
            if x.kind == "numeric":
                rows.append((x.name, own[0], None, *numbers, *tail))
            else:
                listed = (
                    x.columns if x.kind == "category" else [n[len(x.name) + 1 : -1] for n in column_names(x)]
                )
                kept = tuple((n, w) for n, w in zip(listed, own, strict=True) if x.kind != "sparse" or w)
                rows.append((x.name, None, kept, *numbers, *tail))
        last = [statistics[e][at] if len(statistics[e]) > at else None for e in extra]
        rows.append(("__INTERCEPT__", intercept, None, *last, *tail))
    if several:
        columns.append(("class_label", STRING))
    return constant_rows(columns, rows), None


def _by_feature(
    model: Model, name: str, label: str, rows: list[tuple[float, ...]], more: dict[str, Any]
) -> BoundQuery:
    """Rows (id, feature, value) of a matrix of one number per feature column."""
    names = [n for x in model.features for n in column_names(x)]
    columns: list[tuple[str, SqlType]] = [(label, BIGINT), ("feature", STRING), (name, DOUBLE)]
    columns += [(k, DOUBLE) for k in more]
    out = [
        (i + 1, n, v, *(m[i] for m in more.values()))
        for i, row in enumerate(rows)
        for n, v in zip(names, row, strict=True)
    ]
    return constant_rows(columns, out)


def _centroids(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    _need_task(model, "clustering", "ML.CENTROIDS", span)
    return _by_feature(
        model,
        "numerical_value",
        "centroid_id",
        model.rows("centroids"),
        {"cluster_rows": model.values("counts")},
    ), None


def _components(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    _need_task(model, "reduction", "ML.PRINCIPAL_COMPONENTS", span)
    return _by_feature(model, "numerical_value", "principal_component_id", model.rows("components"), {
        "eigenvalue": model.values("variance"), "explained_variance_ratio": model.values("ratio"),
    }), None  # fmt: skip


def _training_info(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    log = model.data.get("log") or []
    rows = [(int(e["iteration"]), e.get("loss"), e.get("step")) for e in log]
    return constant_rows([("iteration", BIGINT), ("loss", DOUBLE), ("step", DOUBLE)], rows), None


def _feature_info(
    f: ModelFunctions, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> Answer:
    """What each feature is: type, kind, columns, what stands for NULL, categories."""
    columns: list[tuple[str, SqlType]] = [
        ("input", STRING), ("type", STRING), ("kind", STRING), ("columns", BIGINT), ("null_value", DOUBLE),
        ("category_count", BIGINT), ("categories", Array(STRING)),
    ]  # fmt: skip
    rows = [
        (x.name, x.type, x.kind, x.width, x.fill if x.kind == "numeric" else None,
         len(x.categories) if x.kind == "category" else None, x.categories if x.kind == "category" else None)
        for x in model.features
    ]  # fmt: skip
    return constant_rows(columns, rows), None


def describe_rows(model: Model) -> list[tuple[str, str]]:
    """(what, value) of DESCRIBE MODEL."""
    d = model.data
    label = f"{d['label']} {d['label_type']}" if d.get("label") else ""
    rows = [
        ("name", model.name), ("version", str(model.version)), ("model_type", d["model_type"]), ("label", label),
        ("classes", ", ".join(map(str, model.classes))),
        ("inputs", ", ".join(f"{c['name']} {c['type']}" for c in d["input"] if c["used"])),
        ("features", ", ".join(f"{x.name} ({x.kind}{f', {x.width} columns' if x.width > 1 else ''})"
                               for x in model.features)),
        ("training_rows", str(d.get("training_rows", ""))),
        ("objective", model.estimator.objective),
        ("metrics", json.dumps(d.get("metrics", {}))),
        ("sources", json.dumps([{k: s[k] for k in ("name", "version", "files", "bytes")} for s in d["sources"]])),
        ("options", json.dumps(d["options"])),
        ("parameter_sha256", d.get("parameter_sha256", "")),
        ("reproducible", "true" if d["reproducible"] else f"false: {d['reason']}"),
        ("libraries", json.dumps(d["libraries"])),
        ("seconds", str(d.get("seconds", ""))),
    ]  # fmt: skip
    return [(k, v) for k, v in rows if v]


def _shown(name: str) -> str:
    return "ML." + name.removeprefix("ml_").upper()


_PREDICT_OPTIONS = ("threshold", "keep_original_columns")
FUNCTIONS: dict[str, tuple[Callable[..., Answer], tuple[str, ...], bool | None]] = {
    "ml_predict": (_predict, _PREDICT_OPTIONS, True),
    "ml_transform": (_transform, (), True),
    "ml_evaluate": (_evaluate, ("threshold",), None),
    "ml_confusion_matrix": (_confusion, ("threshold",), True),
    "ml_roc_curve": (_roc, (), True),
    "ml_explain_predict": (explanations.explain_predict, ("top_k_features", "threshold"), True),
    "ml_global_explain": (explanations.global_explain, (), None),
    "ml_recommend": (recommend.recommend, ("top_k",), None),
    "ml_weights": (_weights, (), False),
    "ml_centroids": (_centroids, (), False),
    "ml_principal_components": (_components, (), False),
    "ml_training_info": (_training_info, (), False),
    "ml_feature_info": (_feature_info, (), False),
    "ml_trial_info": (insights.trial_info, (), False),
    "ml_feature_importance": (insights.feature_importance, (), False),
}
"""Function to (handler, options, whether it needs rows: None for either)."""
