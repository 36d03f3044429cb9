"""TRANSFORM: from a model's raw input to its features, in training and ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.errors import AnalysisError, Error
from sqlshell.expr.expr import Column, Expr, Literal, columns_of, substitute
from sqlshell.ml.features import Fitted, Fitting, Request
from sqlshell.plan import bind_model
from sqlshell.plan.bind import Binder
from sqlshell.plan.coerce import can_implicitly_cast, cast_to
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Aggregate, Filter, Named, Plan, Project, named
from sqlshell.types import DOUBLE, Numeric
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.errors import Span
    from sqlshell.ml.features import Statistics
    from sqlshell.ml.model import Model
    from sqlshell.plan.context import BindContext, FeatureBinder


class Runs(Protocol):
    """What learning needs of a session."""

    def rows(self, plan: Plan) -> list[tuple[Any, ...]]:
        """All rows of a plan."""
        ...

    def moments(self, plan: Plan, columns: int) -> list[tuple[float, float]]:
        """(mean, sample deviation) of each column f0, f1 ... of a plan, NULL left out."""
        ...


def bind_items(
    ctx: BindContext, text: str, query: BoundQuery, features: FeatureBinder, span: Span | None = None
) -> BoundQuery:
    """TRANSFORM's select list over `query`; errors point at the clause."""
    binder = Binder(ctx)
    binder.features = features
    try:
        return bind_model.around(binder, f"SELECT {text} FROM __input", query)
    except Error as e:
        e.message = f"in TRANSFORM: {e.message}"
        e.args = (e.message,)
        e.span = span
        raise


def fit(
    ctx: BindContext,
    text: str,
    query: BoundQuery,
    train: Expr | None,
    runs: Runs,
    span: Span | None = None,
) -> tuple[BoundQuery, dict[str, Statistics]]:
    """The transformed query and what its functions learnt from the rows where `train` is true.

    `runs` runs plans. Functions of functions (ML.IDF of ML.HASHING_TF) learn in rounds, inner ones first.
    """
    fitting = Fitting()
    bound = bind_items(ctx, text, query, fitting, span)
    source = Filter(query.plan, train) if train is not None else query.plan
    learnt: dict[str, Statistics] = {}
    done: dict[int, Expr] = {}
    waiting = list(fitting.requests.values())
    while waiting:
        standing = {r.column.id for r in waiting}
        ready = [r for r in waiting if not columns_of(r.value) & standing]
        _fit_round(ready, source, done, learnt, runs)
        for r in ready:
            done[r.column.id] = r.function.apply(substitute(r.value, done), r.params, learnt[r.key])
        waiting = [r for r in waiting if r not in ready]
    return BoundQuery(bound.plan.substitute_free(done), bound.names), learnt


def _fit_round(
    ready: list[Request],
    source: Plan,
    done: Mapping[int, Expr],
    learnt: dict[str, Statistics],
    runs: Runs,
) -> None:
    """One gang for all that need moments, one query for all that need aggregates, one for each other."""
    summed: list[tuple[Request, Named]] = []
    aggs: list[Named] = []
    places: list[tuple[Request, str]] = []
    for r in ready:
        value = substitute(r.value, dict(done))
        if r.function.moments is not None and r.function.moments(r.params):
            if not isinstance(value.type, Numeric):
                raise AnalysisError(
                    f"the mean of {value.type} is not known", condition="INVALID_PARAMETER_VALUE",
                    hint="use 'most_frequent'",
                )  # fmt: skip
            summed.append((r, named(f"f{len(summed)}", cast_to(value, DOUBLE, implicit=False))))
        elif r.function.aggregates is not None:
            for name, agg in r.function.aggregates(value, r.params).items():
                aggs.append(named(name, agg))
                places.append((r, name))
        elif r.function.table is not None:
            learnt[r.key] = {"rows": runs.rows(r.function.table(source, value, r.params))}
    if summed:
        found = runs.moments(Project(source, tuple(i for _, i in summed)), len(summed))
        for (r, _), (mean, std) in zip(summed, found, strict=True):
            learnt[r.key] = {"mean": mean, "std": std}
    if aggs:
        (values,) = runs.rows(Aggregate(source, (), tuple(aggs)))
        for (r, name), value in zip(places, values, strict=True):
            learnt.setdefault(r.key, {})[name] = _plain(value)
    for r in ready:
        if r.function.settle is not None:
            learnt[r.key] = r.function.settle(learnt[r.key], r.params)


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (int, float, str, type(None))) else float(value)


def inputs_of(model: Model, given: Mapping[str, Expr], span: Span | None) -> list[Named]:
    """The model's raw input columns from what a query has, by lower-case name; cast to the types of training.

    Columns that no feature needs may be missing. Raises MODEL_INPUT_MISSING, MODEL_INPUT_TYPE.
    """
    items: list[Named] = []
    missing = [c["name"] for c in model.data["input"] if c["used"] and c["name"].lower() not in given]
    if missing:
        raise AnalysisError(
            f"the model `{model.name}` needs the column{'s' * (len(missing) > 1)} "
            + ", ".join(f"`{m}`" for m in missing),
            condition="MODEL_INPUT_MISSING",
            span=span,
            hint="its inputs are "
            + ", ".join(f"{c['name']} {c['type']}" for c in model.data["input"] if c["used"]),
        )
    for c in model.data["input"]:
        wanted = parse_type(c["type"])
        found = given.get(c["name"].lower()) if c["used"] else None
        if found is None:
            items.append(named(c["name"], Literal(None, wanted)))
            continue
        if found.type != wanted:
            if not can_implicitly_cast(found.type, wanted):
                raise AnalysisError(
                    f"the model `{model.name}` needs `{c['name']}` as {wanted}, not {found.type}",
                    condition="MODEL_INPUT_TYPE",
                    span=span,
                    hint=f"CAST({c['name']} AS {str(wanted).upper()})",
                )
            found = cast_to(found, wanted)
        items.append(named(c["name"], found))
    return items


def features_of(
    ctx: BindContext, model: Model, given: Mapping[str, Expr], span: Span | None
) -> dict[str, Expr]:
    """Each feature (or TRANSFORM item) of a model as an expression over the given ones, by name."""
    items = inputs_of(model, given, span)
    by_id = {i.column.id: i.expr for i in items}
    text = model.data.get("transform")
    if text is None:
        return {i.column.name: i.expr for i in items}
    from sqlshell.plan.logical import ONE_ROW

    raw = BoundQuery(Project(ONE_ROW, tuple(items)), tuple(i.column.name for i in items))
    bound = bind_items(ctx, text, raw, Fitted(model.data["statistics"]), span)
    plan = bound.plan
    found: dict[str, Expr] = {}
    for name, column in zip(bound.names, plan.output, strict=True):
        found[name] = _resolved(plan, column, by_id)
    return found


def _resolved(plan: Plan, column: Column, by_id: Mapping[int, Expr]) -> Expr:
    """What an output column of stacked projections is, in terms of the inputs."""
    e: Expr = column
    while isinstance(plan, Project):
        mapping = {i.column.id: i.expr for i in plan.items}
        if set(mapping) == set(by_id):
            break
        e = substitute(e, mapping)
        plan = plan.input
    found: Expr = substitute(e, dict(by_id))
    return found


def used_inputs(plan: Plan, wanted: set[int], raw: Plan) -> set[int]:
    """Ids of raw input columns that the wanted output columns are computed from."""
    ids = set(wanted)
    while isinstance(plan, Project) and plan is not raw:
        ids = {c for i in plan.items if i.column.id in ids for c in columns_of(i.expr)}
        plan = plan.input
    return ids
