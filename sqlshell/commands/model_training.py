"""What training asks of a session: bind, run a plan, run a gang."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlshell.commands.model_query import TrainingContext
from sqlshell.plan.context import BoundQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlshell.ml.body import TrainingSpec, TrainResult
    from sqlshell.ml.model import Model
    from sqlshell.parser.statement import Query
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session
    from sqlshell.storage.models import Models


@contextmanager
def setting(session: Session, key: str, value: str) -> Iterator[None]:
    """A setting's value for a while."""
    before = session.settings.get(key)
    session.settings.set(key, value)
    try:
        yield
    finally:
        session.settings.set(key, str(before).lower() if isinstance(before, bool) else str(before))


class Trainer:
    """`ml.train.Surroundings` over a session, for one statement."""

    def __init__(self, session: Session, instant: datetime | None = None) -> None:
        self.session = session
        self.context = TrainingContext(session, instant)
        self.unsure = ""
        """Why the stored query may not replay."""

    @property
    def models(self) -> Models:
        return self.session.models

    @property
    def instant(self) -> str | None:
        """What now() was, when the statement asked."""
        return self.context.instant.isoformat(sep=" ") if self.context.used_now else None

    @property
    def zone(self) -> str:
        """The session's time zone."""
        return str(self.session.settings.get("sqlshell.timeZone"))

    @property
    def cores(self) -> int:
        return int(self.session.settings.get("sqlshell.workers") or 0) or _cores()

    def bind(self, query: Query) -> BoundQuery:
        """The training query; its tables are pinned for the whole statement."""
        from sqlshell.plan.bind import Binder

        return Binder(self.context).bind_query(query.ast, query.text)

    def rows(self, plan: Plan) -> list[tuple[Any, ...]]:
        """All rows of a plan, sums of doubles in a fixed order."""
        with setting(self.session, "sqlshell.deterministic", "true"):
            result = self.session.run_bound(BoundQuery(plan, tuple(c.name for c in plan.output)))
            try:
                return list(result.rows())
            finally:
                result.close()

    def train(self, plan: Plan, spec: TrainingSpec, names: tuple[str, ...]) -> tuple[TrainResult, int]:
        """Run the gang: one rank for each core, or as many as num_workers says."""
        options = spec.options
        optimized = self.session.optimize(plan).plan
        self.session.check_reading(optimized)
        ranks = options["num_workers"] or self.cores
        result = self.session.engine.run_gang(
            optimized, "sqlshell.ml.body:run", ranks, args=(spec,), names=names,
            partitions=options["num_partitions"], max_failures=options["max_failures"],
            barrier_timeout=options["barrier_timeout"],
        )  # fmt: skip
        return result.values[0], result.partitions

    def search(
        self, plan: Plan, specs: list[TrainingSpec], names: tuple[str, ...]
    ) -> tuple[list[TrainResult | str], int]:
        """Run trials side by side, one rank for each core or for each that max_parallel_trials allows."""
        options = specs[0].options
        optimized = self.session.optimize(plan).plan
        self.session.check_reading(optimized)
        ranks = min(options["max_parallel_trials"] or self.cores, len(specs))
        result = self.session.engine.run_gang(
            optimized, "sqlshell.ml.search:run_trials", ranks, args=(specs,), names=names,
            partitions=options["num_partitions"], max_failures=options["max_failures"],
            barrier_timeout=options["barrier_timeout"],
        )  # fmt: skip
        return result.values[0], result.partitions

    def moments(self, plan: Plan, columns: int) -> list[tuple[float, float]]:
        """(mean, sample deviation) of each column f0, f1 ... of a plan, the same bits in every run."""
        optimized = self.session.optimize(plan).plan
        names = tuple(f"f{i}" for i in range(columns))
        result = self.session.engine.run_gang(
            optimized, "sqlshell.ml.body:moments", self.cores, args=(columns,), names=names
        )
        found: list[tuple[float, float]] = result.values[0]
        return found

    def evaluate(self, query: BoundQuery, model: Model) -> dict[str, Any]:
        """The metrics of rows that hold a model's features and label."""
        from sqlshell.ml.evaluate import metrics_text
        from sqlshell.ml.relations import compared
        from sqlshell.plan import bind_model
        from sqlshell.plan.bind import Binder

        features: dict[str, Any] = dict(zip(query.names, query.plan.output, strict=True))
        data = compared(model, query, features, {})
        bound = bind_model.around(Binder(self.context), metrics_text(model, {}), data)
        rows = self.rows(bound.plan)
        return dict(zip(bound.names, rows[0], strict=True)) if rows else {}

    def room(self, plan: Plan) -> tuple[str, Callable[[], None]]:
        """A folder of the session for some rows of a plan, and what removes it."""
        from sqlshell.exec import estimate

        return self.session.engine.place(estimate.size(plan))

    def warn(self, text: str) -> None:
        self.session.warnings.append(text)


def _cores() -> int:
    from sqlshell.exec.platform import cpu_count

    return cpu_count()
