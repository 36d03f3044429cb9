"""What training asks of a session: bind, run a plan, run a gang."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.plan.context import BoundQuery
from sqlshell.statement_context import StatementContext
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from sqlshell.ml.body import TrainingSpec, TrainResult
    from sqlshell.ml.model import Model
    from sqlshell.parser.statement import Query
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session
    from sqlshell.storage.models import Models


class Trainer:
    """`ml.train.Surroundings` over a session, for one statement."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.context = StatementContext(session)

    @property
    def models(self) -> Models:
        return self.session.models

    @property
    def cores(self) -> int:
        return int(self.session.settings.get("sqlshell.workers") or 0) or _cores()

    def bind(self, query: Query) -> BoundQuery:
        """The training query; its tables are pinned for the whole statement."""
        from sqlshell.plan.bind import Binder

        return Binder(self.context).bind_query(query.ast, query.text)

    def rows(self, plan: Plan) -> list[tuple[Any, ...]]:
        """All rows of a plan, sums of doubles in a fixed order."""
        settings = self.session.settings
        before = settings.get("sqlshell.deterministic")
        settings.set("sqlshell.deterministic", "true")
        try:
            result = self.session.run_bound(BoundQuery(plan, tuple(c.name for c in plan.output)))
            try:
                return list(result.rows())
            finally:
                result.close()
        finally:
            settings.set("sqlshell.deterministic", str(before).lower())

    def train(self, plan: Plan, spec: TrainingSpec, names: tuple[str, ...]) -> tuple[TrainResult, int]:
        """Run the gang: one rank for each core, or as many as num_workers says."""
        options = spec.options
        optimized = self.session.optimize(plan).plan
        ranks = options["num_workers"] or self.cores
        result = self.session.engine.run_gang(
            optimized, "sqlshell.ml.body:run", ranks, args=(spec,), names=names,
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

    def warn(self, text: str) -> None:
        self.session.warnings.append(text)


def _cores() -> int:
    from sqlshell.exec.platform import cpu_count

    return cpu_count()


def pinned_text(context: StatementContext, query: Query) -> str:
    """The query's text with the version of each Delta table written behind its name."""
    from sqlshell.parser.table_references import unversioned_tables

    start, end = query.span
    text, shift = query.text[start:end], -start
    for parts, span in unversioned_tables(query):
        source = context.resolve_relation(parts, span, None)
        version = (
            source.option("version") if isinstance(source, Source) and source.format == "delta" else None
        )
        if version is not None:
            at = span[1] + shift
            addition = f" VERSION AS OF {version}"
            text = text[:at] + addition + text[at:]
            shift += len(addition)
    return text
