"""ML.EXPLAIN_PREDICT and ML.GLOBAL_EXPLAIN: what each feature adds to what a model says.

Linear and logistic models add up weight times value (log odds for classes) from the intercept; trees their exact
Shapley values (xgboost's TreeSHAP) from the mean score. A classifier's parts are those of the class it predicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Case, Expr, Literal, When
from sqlshell.ml import expressions as ex
from sqlshell.plan.call import make_call
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Named, Plan, Project, named, passthrough
from sqlshell.records import dataclass
from sqlshell.types import DOUBLE, INT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlshell.errors import Span
    from sqlshell.ml.model import Model

TOP = 5
GLOBAL = """
SELECT a.feature AS feature, avg(abs(a.attribution)) AS attribution
FROM (SELECT explode(parts) AS a FROM __input) GROUP BY a.feature ORDER BY attribution DESC, feature
"""
STORED = "global_explain"
"""Where model.json keeps what ML.GLOBAL_EXPLAIN said of the rows that metrics were measured on."""


@dataclass(frozen=True)
class Parts:
    """`scores` by class (one for numbers and two classes); `flat` is an array, for each score of every feature's part
    and the rest that belongs to none."""

    scores: tuple[Expr, ...]
    flat: Expr


def linear_parts(
    model: Model, inputs: Mapping[str, Expr], weights: Sequence[Sequence[float]], intercepts: Sequence[float]
) -> Parts:
    """The parts of weighted sums."""
    flat: list[Expr] = []
    scores = []
    for row, intercept in zip(weights, intercepts, strict=True):
        at = 0
        for f in model.features:
            flat.append(ex.linear([f], inputs, row[at : at + f.width], 0.0))
            at += f.width
        flat.append(ex.number(intercept))
        scores.append(ex.linear(model.features, inputs, row, intercept))
    return Parts(tuple(scores), make_call("array", flat))


def _parts(
    model: Model, inputs: Mapping[str, Expr], steps: list[Named], span: Span | None, name: str
) -> Parts:
    explain = model.estimator.explain
    if explain is None:
        raise AnalysisError(
            f"{name} needs a linear or logistic model or trees; `{model.name}` is a {model.estimator.name}",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    found: Parts = explain(model, inputs, steps)
    return found


def explained(
    model: Model,
    data: BoundQuery,
    features: dict[str, Expr],
    options: dict[str, Any],
    span: Span | None,
    name: str,
) -> BoundQuery:
    """A prediction and its largest parts beside each row."""
    steps: list[Named] = []
    parts = _parts(model, features, steps, span, name)
    outputs = model.estimator.outputs(model, features, options)
    steps += outputs.steps
    predicted = outputs.columns[0]
    width = len(model.features) + 1
    scores = [ex.step(steps, "score", s) for s in parts.scores]
    flat = ex.step(steps, "parts", parts.flat)
    columns: list[tuple[str, Expr]] = [predicted]
    sign: Expr = ex.number(1.0)
    score: Expr = scores[0]
    own: Expr = flat
    if model.classes:
        lits = [Literal(c, model.label_type) for c in model.classes]
        shares = [pair.children[3] for pair in outputs.columns[1][1].children]
        is_class = [make_call("=", [predicted[1], c]) for c in lits]
        branches = tuple(When(i, s) for i, s in zip(is_class, shares, strict=True))
        columns.append(("probability", Case(branches, ex.number(0.0), DOUBLE)))
        if len(scores) == 1:
            sign = Case((When(is_class[1], ex.number(1.0)),), ex.number(-1.0), DOUBLE)
        else:
            best = ex.step(steps, "best", make_call("ml_argmax", [make_call("array", list(scores))]))
            first = make_call("+", [make_call("*", [best, Literal(width, INT)]), Literal(1, INT)])
            own = make_call("slice", [flat, first, Literal(width, INT)])
            score = Case(tuple(When(i, s) for i, s in zip(is_class, scores, strict=True)), scores[0], DOUBLE)
    own = ex.step(steps, "own", own)
    rest = make_call("*", [sign, make_call("element_at", [own, Literal(width, INT)])])
    said = make_call("*", [sign, score])
    total = make_call("ml_total", [own])
    most = options.get("top_k_features", TOP)
    names = ex.texts([f.name for f in model.features])
    columns += [
        ("top_feature_attributions", make_call("ml_attributions", [own, sign, names, Literal(most, INT)])),
        ("baseline_prediction_value", rest),
        ("prediction_value", said),
        ("approximation_error", make_call("abs", [make_call("-", [said, make_call("*", [sign, total])])])),
    ]
    return _beside(data, steps, columns)


def _beside(data: BoundQuery, steps: Sequence[Named], columns: Sequence[tuple[str, Expr]]) -> BoundQuery:
    plan: Plan = data.plan
    for item in steps:
        plan = Project(plan, (*(passthrough(c) for c in plan.output), item))
    taken = {n.lower() for n, _ in columns}
    made = [named(n, e) for n, e in columns]
    kept = [
        (n, passthrough(c))
        for n, c in zip(data.names, data.plan.output, strict=True)
        if n.lower() not in taken
    ]
    items = (*made, *(i for _, i in kept))
    return BoundQuery(Project(plan, items), (*(n for n, _ in columns), *(n for n, _ in kept)))


def explain_predict(
    f: Any, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> tuple[BoundQuery, None]:
    """ML.EXPLAIN_PREDICT: predictions with the features that made them, the `top_k_features` largest."""
    from sqlshell.ml.transform import features_of

    assert data is not None
    most = options.get("top_k_features", TOP)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise AnalysisError(
            "top_k_features takes a whole number of at least 1",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    if "threshold" in options and len(model.classes) != 2:
        raise AnalysisError(
            "a threshold needs a classifier of two classes",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    clean = {k: float(v) if k == "threshold" else v for k, v in options.items()}
    given = {n.lower(): c for n, c in zip(data.names, data.plan.output, strict=True)}
    features = features_of(f.ctx, model, given, span)
    return explained(model, data, features, clean, span, "ML.EXPLAIN_PREDICT"), None


def global_explain(
    f: Any, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> tuple[BoundQuery, str | None]:
    """ML.GLOBAL_EXPLAIN: the mean size of each feature's part, over rows or as stored in training."""
    from sqlshell.ml.constant_rows import constant_rows
    from sqlshell.ml.transform import features_of
    from sqlshell.types import STRING

    if data is None:
        stored = model.data.get(STORED)
        if stored is None:
            raise AnalysisError(
                f"`{model.name}` keeps no global explanation", condition="INVALID_MODEL_FUNCTION_ARGUMENT",
                span=span,
                hint="ML.GLOBAL_EXPLAIN(MODEL m, TABLE t), or train with enable_global_explain = TRUE",
            )  # fmt: skip
        return constant_rows([("feature", STRING), ("attribution", DOUBLE)], [tuple(r) for r in stored]), None
    given = {n.lower(): c for n, c in zip(data.names, data.plan.output, strict=True)}
    return sizes(model, data, features_of(f.ctx, model, given, span), span), GLOBAL


def stored(ctx: Any, rows: Callable[[Plan], list[Any]], query: BoundQuery, model: Model) -> list[list[Any]]:
    """ML.GLOBAL_EXPLAIN of rows that hold a model's features, as model.json keeps it."""
    from sqlshell.plan import bind_model
    from sqlshell.plan.bind import Binder

    features: dict[str, Expr] = dict(zip(query.names, query.plan.output, strict=True))
    bound = bind_model.around(Binder(ctx), GLOBAL, sizes(model, query, features))
    return [list(r) for r in rows(bound.plan)]


def sizes(model: Model, data: BoundQuery, features: dict[str, Expr], span: Span | None = None) -> BoundQuery:
    """What GLOBAL averages: all parts of each row."""
    query = explained(
        model, data, features, {"top_k_features": len(model.features)}, span, "ML.GLOBAL_EXPLAIN"
    )
    at = query.names.index("top_feature_attributions")
    item = named("parts", query.plan.output[at])
    return BoundQuery(Project(query.plan, (item,)), ("parts",))
