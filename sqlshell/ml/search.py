"""HPARAM_CANDIDATES and HPARAM_RANGE: which trials there are, how they run side by side, which one is best.

A trial is a gang of one: every rank reads all rows and trains the trials that fall to it, with sums taken over the
same partitions, so that the best trial's parameters are those of a model trained with its options.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, Error, did_you_mean
from sqlshell.ml.options import combination, settle
from sqlshell.parser.statement_model import Search
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.ml.body import TrainingSpec, TrainResult
    from sqlshell.ml.estimators import Estimator
    from sqlshell.ml.gang import Gang
    from sqlshell.ml.model import Model
    from sqlshell.parser.statement_model import ModelOption

STEPS = 5
"""Values that a grid takes from a range."""

RANDOM_TRIALS = 10
MOST_TRIALS = 200
OBJECTIVES = {"regression": "r2_score", "classification": "log_loss", "clustering": "mean_squared_distance",
              "recommendation": "mean_squared_error"}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One combination: the values that were searched for, and all options."""

    searched: dict[str, Any]
    options: dict[str, Any]


def trials_of(estimator: Estimator, given: Sequence[ModelOption]) -> list[Trial]:
    """The trials that the options ask for; one, without searched values, when they name no search."""
    searches = [o for o in given if isinstance(o.value, Search)]
    if not searches:
        return [Trial({}, settle(estimator, given))]
    own = {n for o in estimator.options for n in (o.name, *o.synonyms)}
    for o in searches:
        if o.name not in own:
            raise AnalysisError(
                f"{o.name} cannot be searched for", condition="INVALID_MODEL_OPTION_VALUE", span=o.span,
                hint="what can: " + ", ".join(x.name for x in estimator.options if x.kind in ("int", "float")),
            )  # fmt: skip
        _check_search(o)
    plain = [o for o in given if not isinstance(o.value, Search)]
    settings = settle(estimator, [*plain, *(replace(o, value=_ends(o)[0]) for o in searches)])
    algorithm = settings["hparam_tuning_algorithm"]
    if algorithm == "auto":
        ranges = any(o.value.kind == "range" for o in searches)
        algorithm = "random_search" if ranges else "grid_search"
    points = _grid(searches, settings) if algorithm == "grid_search" else _random(searches, settings)
    made = []
    for point in points:
        values = [replace(o, value=v) for o, v in zip(searches, point, strict=True)]
        searched = {o.name: v for o, v in zip(searches, point, strict=True)}
        made.append(Trial(searched, settle(estimator, [*plain, *values])))
    return made


def _check_search(o: ModelOption) -> None:
    values = o.value.values
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    ok = bool(values)
    if o.value.kind == "range":
        ok = len(values) == 2 and numbers and values[0] < values[1]
    if not ok:
        raise AnalysisError(
            f"the search over {o.name} has no values", condition="INVALID_MODEL_OPTION_VALUE", span=o.span,
            hint="HPARAM_RANGE(low, high) with low < high, or HPARAM_CANDIDATES([a, b])",
        )  # fmt: skip


def _ends(o: ModelOption) -> tuple[Any, ...]:
    values: tuple[Any, ...] = o.value.values
    return values


def _whole(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int) for v in values)


def _grid(searches: Sequence[ModelOption], settings: dict[str, Any]) -> list[tuple[Any, ...]]:
    axes = []
    for o in searches:
        values = _ends(o)
        if o.value.kind == "range":
            low, high = values
            steps = [low + (high - low) * i / (STEPS - 1) for i in range(STEPS)]
            values = tuple(dict.fromkeys(round(s) for s in steps)) if _whole(values) else tuple(steps)
        axes.append(values)
    points = list(product(*axes))
    most = settings["num_trials"] or MOST_TRIALS
    if len(points) > most:
        raise combination(
            f"the grid has {len(points)} points, more than num_trials = {most}",
            "raise num_trials, or use hparam_tuning_algorithm = 'random_search'",
        )
    return points


def _random(searches: Sequence[ModelOption], settings: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Points drawn from the seed; the same point is tried once."""
    from random import Random

    draw = Random(settings["seed"])
    points: dict[tuple[Any, ...], None] = {}
    wanted = settings["num_trials"] or RANDOM_TRIALS
    for _ in range(20 * wanted):
        point: list[Any] = []
        for o in searches:
            values = _ends(o)
            if o.value.kind == "candidates":
                point.append(values[draw.randrange(len(values))])
            elif _whole(values):
                point.append(draw.randint(*values))
            else:
                point.append(draw.uniform(*values))
        points[tuple(point)] = None
        if len(points) == wanted:
            break
    return list(points)


def objective_of(estimator: Estimator, options: dict[str, Any], metrics: Sequence[str]) -> str:
    """The metric that trials are compared by."""
    name = options["hparam_tuning_objectives"]
    if not name:
        return OBJECTIVES.get(estimator.task, "")
    if name[0] not in metrics:
        raise AnalysisError(
            f"{estimator.name} has no metric {name[0]}", condition="INVALID_MODEL_OPTION_VALUE",
            hint=did_you_mean(name[0], metrics) or "metrics are " + ", ".join(metrics),
        )  # fmt: skip
    found: str = name[0]
    return found


def better(name: str, a: float, b: float) -> bool:
    """Whether the value `a` of a metric is better than `b`."""
    return a < b if name.startswith(("mean_", "median_", "log_")) else a > b


def run_trials(
    ctx: Gang, partitions: Sequence[Any], specs: Sequence[TrainingSpec]
) -> list[TrainResult | str] | None:
    """The body: the result of each trial or what went wrong, on rank 0."""
    from sqlshell.exec.gang_input import tables as tables_of
    from sqlshell.ml.body import train
    from sqlshell.ml.columns import Columns
    from sqlshell.ml.gang import Solo

    own_rows = [(p.index, t) for p, t in zip(partitions, tables_of(partitions), strict=True)]
    tables = [t for rank in ctx.all_gather(own_rows) for t in rank]
    own: dict[int, TrainResult | str] = {}
    for i in range(ctx.rank, len(specs), ctx.world_size):
        try:
            own[i] = train(Solo(), [Columns(index, table) for index, table in tables], specs[i])
        except Error as e:
            own[i] = e.message
        ctx.progress(trial=i + 1, trials=len(specs))
    found: dict[int, TrainResult | str] = {}
    for part in ctx.all_gather(own):
        found |= part
    return [found[i] for i in range(len(specs))] if ctx.rank == 0 else None


def choose(
    estimator: Estimator, trials: Sequence[Trial], results: Sequence[Any], models: Sequence[Model | None]
) -> Model:
    """The best trial's model, which keeps a list of all trials. Raises when every trial failed."""
    fine = [m for m in models if m is not None]
    if not fine:
        raise AnalysisError(
            f"all {len(trials)} trials failed; the first: {results[0]}", condition="ALL_TRIALS_FAILED"
        )
    if len(trials) == 1:
        return fine[0]
    name = objective_of(
        estimator, trials[0].options, [k for k in fine[0].data["metrics"] if k != "measured_on"]
    )
    best = fine[0]
    for m in fine[1:]:
        value, least = m.data["metrics"].get(name), best.data["metrics"].get(name)
        if value is not None and (least is None or better(name, value, least)):
            best = m
    best.data["trials"] = [
        {
            "searched": t.searched, "objective": name,
            "value": m.data["metrics"].get(name) if m is not None else None,
            "training_loss": m.data["log"][-1].get("loss") if m is not None and m.data["log"] else None,
            "error": r if isinstance(r, str) else "", "best": m is best,
        }
        for t, r, m in zip(trials, results, models, strict=True)
    ]  # fmt: skip
    return best
