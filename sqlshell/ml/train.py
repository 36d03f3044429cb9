"""CREATE MODEL: from a bound query to a stored version. Runs in the user's process and computes nothing itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Expr, Literal
from sqlshell.ml import recommend, transform
from sqlshell.ml.folds import gathered, repeated
from sqlshell.ml.model import Feature, Model
from sqlshell.ml.options import model_type
from sqlshell.ml.packages import need_package
from sqlshell.ml.record import as_json, data_of
from sqlshell.ml.roles import feature_of, label_of, split_of, weight_of
from sqlshell.ml.run import Run
from sqlshell.ml.search import choose, trials_of
from sqlshell.ml.split import auto_fraction
from sqlshell.plan.call import make_call
from sqlshell.plan.logical import Aggregate, Plan, named
from sqlshell.records import dataclass
from sqlshell.storage.models import ModelVersion, Parameter, parameter_hash
from sqlshell.types import (
    BIGINT,
    DOUBLE,
    SqlType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.ml.body import TrainingSpec, TrainResult
    from sqlshell.ml.estimators import Estimator
    from sqlshell.parser.statement_model import CreateModel, ModelOption
    from sqlshell.plan.context import BindContext, BoundQuery
    from sqlshell.storage.models import Models


class Surroundings(Protocol):
    """What training needs of a session."""

    @property
    def context(self) -> BindContext: ...

    @property
    def models(self) -> Models: ...

    @property
    def cores(self) -> int: ...

    @property
    def zone(self) -> str:
        """The time zone of the training query."""
        ...

    @property
    def instant(self) -> str | None:
        """What now() was in the training query, when it asked."""
        ...

    @property
    def unsure(self) -> str:
        """Why the stored query may not replay; empty when it does."""
        ...

    def rows(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a bound plan, sums in a fixed order."""
        ...

    def moments(self, plan: Plan, columns: int) -> list[tuple[float, float]]:
        """(mean, sample deviation) of each column f0, f1 ... of a plan, NULL left out."""
        ...

    def train(self, plan: Plan, spec: TrainingSpec, names: tuple[str, ...]) -> tuple[TrainResult, int]:
        """Run a training gang over a plan's rows: the result and the number of partitions."""
        ...

    def search(
        self, plan: Plan, specs: list[TrainingSpec], names: tuple[str, ...]
    ) -> tuple[list[TrainResult | str], int]:
        """Run trials side by side: each one's result or what went wrong, and the number of partitions."""
        ...

    def evaluate(self, query: BoundQuery, model: Model) -> dict[str, Any]:
        """ML.EVALUATE of rows that hold features and the label."""
        ...

    def room(self, plan: Plan) -> tuple[str, Callable[[], None]]:
        """A folder, not made yet, for some rows of a plan, and what removes it."""
        ...

    def warn(self, text: str) -> None: ...


@dataclass
class Prepared:
    """A training set: the transformed query, which of its columns are features, and the roles of raw columns."""

    query: BoundQuery
    features: tuple[tuple[Feature, Expr], ...]
    label: Expr | None
    label_type: SqlType | None
    weight: Expr | None
    fraction: Expr
    hashed: Expr
    """A number in [0, 1) from the whole row."""
    eval_fraction: float | None
    """None: by the number of rows."""
    statistics: dict[str, Any]
    input: list[dict[str, Any]]
    raw: BoundQuery


def create(
    around: Surroundings, statement: CreateModel, query: BoundQuery, source: str, given: Sequence[ModelOption]
) -> ModelVersion:
    """Train and store a version. `source` is the query's text, `given` the options."""
    started = time.time()
    estimator = model_type(given, statement.name_span)
    trials = repeated(trials_of(estimator, given), statement.transform is not None)
    for trial in trials:
        trial.options["time_zone"] = around.zone
    need_package(estimator)
    options = trials[0].options
    prepared = prepare(around, estimator, options, statement, query)
    if estimator.task == "transform":
        data = data_of(around, statement, source, options, prepared, estimator)
        data |= {"features": [as_json(f) for f, _ in prepared.features], "classes": [], "seconds": 0.0}
        return around.models.add(statement.name, data, {}, options["description"])
    for trial in trials[1:]:  # what `prepare` filled in
        trial.options.update({k: options[k] for k in ("data_split_method", "input_label_cols")})
    with Run(around, estimator, [t.options for t in trials], prepared, statement) as run:
        models = [_model(run, source, t.options, r) for t, r in zip(trials, run.results, strict=True)]
    if options["data_split_method"] == "k_fold":
        best = gathered(run.results, models)
    else:
        best = choose(estimator, trials, run.results, models)
    for warning in best.data["warnings"]:
        around.warn(warning)
    best.data["seconds"] = round(time.time() - started, 6)
    description = best.options["description"]
    return around.models.add(statement.name, best.data, best.parameters, description, best.files)


def prepare(
    around: Surroundings,
    estimator: Estimator,
    options: dict[str, Any],
    statement: CreateModel,
    query: BoundQuery,
) -> Prepared:
    """Check names and types, learn TRANSFORM, and say what the features are."""
    raw = {n.lower(): c for n, c in zip(query.names, query.plan.output, strict=True)}
    if len(raw) < len(query.names):
        twice = next(n for n in query.names if [m.lower() for m in query.names].count(n.lower()) > 1)
        raise AnalysisError(
            f"the training query has two columns `{twice}`", condition="COLUMN_ALREADY_EXISTS",
            hint="give one of them another name with AS",
        )  # fmt: skip
    if (
        estimator.task not in ("regression", "classification")
        and options["data_split_method"] == "auto_split"
    ):
        options["data_split_method"] = "no_split"
    hashed = make_call("ml_row_fraction", [Literal(options["seed"], BIGINT), *raw.values()])
    fraction, eval_fraction = split_of(options, raw, hashed)
    rows_needed = options["data_split_method"] == "auto_split" and statement.transform is not None
    if rows_needed:
        count = Aggregate(query.plan, (), (named("n", _count()),))
        eval_fraction = auto_fraction(int(around.rows(count)[0][0]))
    transformed = query
    statistics: dict[str, Any] = {}
    if statement.transform is not None:
        train = make_call(">=", [fraction, Literal(eval_fraction, DOUBLE)]) if eval_fraction else None
        transformed, statistics = transform.fit(
            around.context, statement.transform, query, train, around, statement.transform_span
        )
    columns = dict(zip((n.lower() for n in transformed.names), transformed.plan.output, strict=True))
    label, label_type = label_of(estimator, options, transformed, columns)
    skipped = {str(options[k]).lower() for k in ("weight_col", "data_split_col") if options[k]}
    skipped |= {n.lower() for n in options["input_label_cols"]}
    features = tuple(
        (feature_of(n, c.type, estimator, options), c)
        for n, c in zip(transformed.names, transformed.plan.output, strict=True)
        if n.lower() not in skipped
    )
    if estimator.task == "recommendation":
        recommend.roles([f for f, _ in features], options)
    elif not features:
        raise AnalysisError("the model has no features", condition="NO_FEATURES", span=statement.name_span)
    used = transform.used_inputs(transformed.plan, {c.id for _, c in features}, query.plan)
    inputs = [
        {"name": n, "type": str(c.type), "used": c.id in used}
        for n, c in zip(query.names, query.plan.output, strict=True)
        if n.lower() not in skipped or statement.transform is not None
    ]
    return Prepared(transformed, features, label, label_type, weight_of(options, raw), fraction, hashed, eval_fraction,
                    statistics, inputs, query)  # fmt: skip


def _count() -> Expr:
    from sqlshell.plan.call import make_aggregate

    return make_aggregate("count", [Literal(1, BIGINT)])


def _model(run: Run, source: str, options: dict[str, Any], result: TrainResult | str) -> Model | None:
    """What a trial makes, with its metrics; None when it failed."""
    options["num_partitions"] = run.partitions
    if isinstance(result, str):
        return None
    data = data_of(run.around, run.statement, source, options, run.prepared, run.estimator)
    parameters = {n: Parameter(shape, values) for n, (shape, values) in result.parameters.items()}
    data |= {
        "features": [as_json(f) for f in result.features],
        "classes": list(result.classes),
        "log": result.log,
        "fit_statistics": result.statistics,
        "training_rows": result.count,
        "parameter_sha256": parameter_hash(parameters, result.files),
        "warnings": result.warnings,
    }
    model = Model(".".join(run.statement.name), 0, data, parameters, result.files)
    data["metrics"] = run.metrics(model, result)
    return model
