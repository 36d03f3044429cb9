"""EXPLAIN CREATE MODEL: what training would read and how, over the optimized plan of its query. Nothing is run.

Train default.m [linear_reg: label y, features x (numeric), c (category); 8 partitions, 2 ranks]
└─ Transform [ML.STANDARD_SCALER(x) OVER () AS x, c, y]          with TRANSFORM only
   └─ Project ...                                                 what the gang reads
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.commands.explain_write import Planned
from sqlshell.commands.model_training import Trainer
from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import columns_of
from sqlshell.ml import roles, transform
from sqlshell.ml.features import Fitting
from sqlshell.ml.options import model_type
from sqlshell.ml.run import training_rows
from sqlshell.ml.search import trials_of
from sqlshell.ml.train import prepare
from sqlshell.plan.logical import Plan, Project, passthrough
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.ml.estimators import Estimator
    from sqlshell.ml.model import Feature
    from sqlshell.parser.statement_model import CreateModel
    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session


@dataclass(frozen=True)
class Training(Planned):
    """The same of a training statement: its rows go to a gang."""

    ranks: int = 1
    partitions: int | None = None
    transform: str | None = None

    def text(self, plan: Plan) -> str:
        heads = [self.head]
        if self.transform is not None:
            heads.append(f"Transform [{' '.join(self.transform.split())}]")
        lines = super().text(plan).splitlines()[1:]
        out = [heads[0]]
        for depth, head in enumerate(heads[1:]):
            out.append(f"{'   ' * depth}└─ {head}")
        return "\n".join([*out, *("   " * (len(heads) - 1) + line for line in lines)])

    def stages(self, session: Session, plan: Plan) -> str:
        from sqlshell.exec.planner_gang import plan_gang

        return plan_gang(plan, session.settings.snapshot(), self.ranks, self.partitions).render()


def planned(session: Session, s: CreateModel) -> Training:
    """The training statement's plan. Raises what CREATE MODEL would raise before it reads rows."""
    if s.query is None:
        raise AnalysisError(
            "there is no training query", condition="MISSING_TRAINING_QUERY", span=s.name_span
        )
    from sqlshell.exec.planner_gang import partitions_of

    estimator = model_type(s.options, s.name_span)
    trials = trials_of(estimator, s.options)
    options = trials[0].options
    trainer = Trainer(session)
    query = trainer.bind(s.query)
    plan, features = _read(trainer, estimator, options, s, query)
    partitions = options["num_partitions"] or partitions_of(session.optimize(plan).plan)
    ranks = options["num_workers"] or trainer.cores
    wanted = [f"{f.name} ({f.kind})" for f in features]
    parts = [f"label {options['input_label_cols'][0]}"] if options["input_label_cols"] else []
    parts.append("features " + ", ".join(wanted))
    method = options["data_split_method"]
    if method != "no_split":
        share = f" {options['data_split_eval_fraction']:g}" if method == "random" else ""
        parts.append(f"held out {method}{share}")
    running = [f"{partitions} partitions"]
    if estimator.task != "transform":
        if len(trials) > 1:
            side = min(options["max_parallel_trials"] or trainer.cores, len(trials))
            running += [f"{len(trials)} trials, {side} side by side"]
        else:
            running += [f"{ranks} rank{'s' if ranks > 1 else ''}"]
        if options.get("max_iterations"):
            running.append(f"at most {options['max_iterations']} iterations")
    name = ".".join(session.models.qualified(s.name))
    head = f"Train {name} [{estimator.name}: {'; '.join(parts)}; {', '.join(running)}]"
    return Training(head, plan, (), ranks, options["num_partitions"], s.transform)


def _read(
    trainer: Trainer, estimator: Estimator, options: dict[str, Any], s: CreateModel, query: BoundQuery
) -> tuple[Plan, list[Feature]]:
    """What the gang reads, and the features. What TRANSFORM learns is not learnt: its raw input is shown."""
    if s.transform is None:
        prepared = prepare(trainer, estimator, options, s, query)
        return training_rows(prepared)[0], [f for f, _ in prepared.features]
    fitting = Fitting()
    bound = transform.bind_items(trainer.context, s.transform, query, fitting, s.transform_span)
    columns = dict(zip((n.lower() for n in bound.names), bound.plan.output, strict=True))
    roles.label_of(estimator, options, bound, columns)
    skipped = {n.lower() for n in options["input_label_cols"]}
    features = [
        roles.feature_of(n, c.type, estimator, options)
        for n, c in zip(bound.names, bound.plan.output, strict=True)
        if n.lower() not in skipped
    ]
    ids = transform.used_inputs(bound.plan, set(bound.plan.output_ids), query.plan)
    for request in fitting.requests.values():
        ids |= columns_of(request.value)
    return Project(query.plan, tuple(passthrough(c) for c in query.plan.output if c.id in ids)), features
