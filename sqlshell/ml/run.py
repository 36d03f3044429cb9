"""Training gangs from the driver's side: what they read, what they are told, the rows that metrics are taken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Column
from sqlshell.ml.explanations import STORED, stored
from sqlshell.ml.options import combination
from sqlshell.ml.roles import as_read
from sqlshell.plan.logical import Named, Plan, Project, Scan, fresh_id, named, passthrough
from sqlshell.storage.source import MemorySource
from sqlshell.types import Field, Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from sqlshell.ml.body import TrainingSpec, TrainResult
    from sqlshell.ml.estimators import Estimator
    from sqlshell.ml.model import Feature, Model
    from sqlshell.ml.train import Prepared, Surroundings
    from sqlshell.parser.statement_model import CreateModel


WARM = ("linear_reg", "logistic_reg", "kmeans", "matrix_factorization", "dnn_classifier", "dnn_regressor")
"""What can start from a version's parameters."""


class Run:
    """A training gang's results, and the rows that metrics are taken on; those are gone after the `with`."""

    def __init__(
        self,
        around: Surroundings,
        estimator: Estimator,
        trials: list[dict[str, Any]],
        prepared: Prepared,
        statement: CreateModel,
    ) -> None:
        self.around, self.estimator, self.prepared, self.statement = around, estimator, prepared, statement
        plan, names = training_rows(prepared)
        self.columns = plan.output
        folder, self._remove = around.room(plan)
        try:
            specs = self._specs(trials, folder)
            self.results: list[TrainResult | str]
            if len(specs) > 1:
                self.results, self.partitions = around.search(plan, specs, names)
            else:
                result, self.partitions = around.train(plan, specs[0], names)
                self.results = [result]
        except BaseException:
            self._remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def _specs(self, trials: list[dict[str, Any]], folder: str) -> list[TrainingSpec]:
        from sqlshell.ml.body import TrainingSpec

        prepared, estimator = self.prepared, self.estimator
        splits = any(c.name == "fraction" for c in self.columns)
        start, start_features, start_files = _warm_start(self.around, trials[0], self.statement)
        specs = []
        for number, options in enumerate(trials):
            method = options["category_encoding_method"]
            share, fold = prepared.eval_fraction, None
            if options["data_split_method"] == "k_fold":
                last = number == len(trials) - 1  # the model itself: all rows
                share, fold = (0.0, None) if last else (share, number)
            plain = not options.get("l1_reg") and not options.get("l2_reg")
            specs.append(TrainingSpec(
                estimator.name, options, tuple(f for f, _ in prepared.features),
                options["input_label_cols"][0] if prepared.label is not None else None,
                prepared.weight is not None, share if splits else 0.0, fold,
                method == "dummy_encoding" or (method == "auto" and estimator.encoding == "dummy" and plain),
                start, start_features, start_files, f"{folder}/{number}",
            ))  # fmt: skip
        return specs

    def metrics(self, model: Model, result: TrainResult) -> dict[str, Any]:
        """ML.EVALUATE of the rows that the ranks set aside for it."""
        from sqlshell.plan.context import BoundQuery

        fields = Struct(tuple(Field(c.name, c.type) for c in self.columns))
        paths = tuple(path for path, _ in result.measured)
        rows = sum(n for _, n in result.measured)
        source: Any = MemorySource("rows set aside", fields, paths, rows, rows * 8 * len(self.columns))
        read = {c.name: Column(fresh_id(), c.name, c.type) for c in self.columns}
        names = {f"f{i}": f.name for i, (f, _) in enumerate(self.prepared.features)}
        if model.label is not None:
            names["label"] = model.label
        items = tuple(named(n, read[c]) for c, n in names.items())
        plan = Project(Scan(source, tuple(read.values()), tuple(read)), items)
        query = BoundQuery(plan, tuple(names.values()))
        if model.options.get("enable_global_explain"):
            model.data[STORED] = stored(self.around.context, self.around.rows, query, model)
        found = self.around.evaluate(query, model)
        return {"measured_on": result.measured_on, **found} if found else {}


def training_rows(prepared: Prepared) -> tuple[Plan, tuple[str, ...]]:
    """What the gang reads, and the names of its columns: features, label, weight, the number that splits."""
    items: list[Named] = [named(f"f{i}", as_read(f, e)) for i, (f, e) in enumerate(prepared.features)]
    if prepared.label is not None:
        items.append(named("label", prepared.label))
    if prepared.weight is not None:
        items.append(named("weight", prepared.weight))
    if prepared.eval_fraction is None or prepared.eval_fraction > 0:
        items.append(named("fraction", prepared.fraction))
    return Project(_with_raw(prepared, items), tuple(items)), tuple(i.column.name for i in items)


def _with_raw(prepared: Prepared, items: Sequence[Named]) -> Plan:
    """The transformed plan, with the raw columns that items need (weights, splits) passed through."""
    plan = prepared.query.plan
    have = plan.output_ids
    if plan is prepared.raw.plan or not isinstance(plan, Project):
        return plan
    from sqlshell.expr.expr import columns_of

    needed = {c for i in items for c in columns_of(i.expr)} - have
    extra = [passthrough(c) for c in prepared.raw.plan.output if c.id in needed]
    return _widened(plan, extra) if extra else plan


def _widened(plan: Plan, extra: list[Named]) -> Plan:
    if not isinstance(plan, Project):
        return plan
    inside = plan.input
    missing = [i for i in extra if i.column.id not in inside.output_ids]
    return Project(_widened(inside, missing) if missing else inside, (*plan.items, *extra))


def _warm_start(
    around: Surroundings, options: dict[str, Any], statement: CreateModel
) -> tuple[dict[str, Any] | None, tuple[Feature, ...], dict[str, bytes]]:
    if not options["warm_start"]:
        return None, (), {}
    if options["model_type"] not in WARM:
        raise combination(f"{options['model_type']} takes no warm_start", "what does: " + ", ".join(WARM))
    from sqlshell.ml.model import of_version
    from sqlshell.storage.models import Reference

    before = of_version(around.models.resolve(Reference(statement.name), statement.name_span))
    if before.data["model_type"] != options["model_type"]:
        raise AnalysisError(
            f"warm_start needs a {options['model_type']}, the current version is a {before.data['model_type']}",
            condition="INVALID_WARM_START",
        )
    return {n: (p.shape, p.values) for n, p in before.parameters.items()}, before.features, before.files
