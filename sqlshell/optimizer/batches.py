"""The order of the rules, and why.

normalise    once: constants are literals and NOT stands next to its subquery before subqueries are taken apart.
subqueries   once: every later rule may assume that no column is free.
facts        once: what files say about NULLs and bounds holds for the whole plan; the next rules use it.
pushdown     fixed point: each rule makes work for the others (a filter makes an outer join inner, which lets the
             next filter through, which makes a constant, which empties a branch).
files        once: filters are where they belong; what they leave out of a table changes its size.
joins        once: sizes are known when all filters are where they belong.
sharing      once, before columns are pruned: two readers of one view may need different columns.
columns      once, behind branches of CASE that no row takes: pruning leaves projections that merge; limits meet their
             sorts; then only leaves that are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.optimizer.rules.aggregate_per_file import AggregatePerFile
from sqlshell.optimizer.rules.decorrelate_subqueries import DecorrelateSubqueries
from sqlshell.optimizer.rules.eliminate_outer_join import EliminateOuterJoin
from sqlshell.optimizer.rules.eliminate_sort import EliminateSort
from sqlshell.optimizer.rules.expand_inline import ExpandInline
from sqlshell.optimizer.rules.extract_subqueries import ExtractSubqueries
from sqlshell.optimizer.rules.fold_constants import FoldConstants
from sqlshell.optimizer.rules.infer_column_facts import InferColumnFacts
from sqlshell.optimizer.rules.infer_join_filters import InferJoinFilters
from sqlshell.optimizer.rules.merge_projects import MergeProjects
from sqlshell.optimizer.rules.propagate_empty import PropagateEmpty
from sqlshell.optimizer.rules.prune_branches import PruneBranches
from sqlshell.optimizer.rules.prune_columns import PruneColumns
from sqlshell.optimizer.rules.prune_nested_fields import PruneNestedFields
from sqlshell.optimizer.rules.push_down_filter import PushDownFilter
from sqlshell.optimizer.rules.push_down_limit import PushDownLimit
from sqlshell.optimizer.rules.reduce_grouped_input import ReduceGroupedInput
from sqlshell.optimizer.rules.reorder_joins import ReorderJoins
from sqlshell.optimizer.rules.reuse_common_subplans import ReuseCommonSubplans
from sqlshell.optimizer.rules.simplify_booleans import SimplifyBooleans
from sqlshell.optimizer.rules.simplify_predictions import SimplifyPredictions
from sqlshell.optimizer.rules.skip_files import SkipFiles
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.optimizer.rule import Rule


@dataclass(frozen=True)
class Batch:
    """Rules run in order, the whole list at most `rounds` times or until a round changes nothing."""

    name: str
    rules: tuple[Rule, ...]
    rounds: int = 1
    decorrelates: bool = False
    """After it nothing may be correlated."""


BATCHES = (
    Batch("normalise", (FoldConstants(), SimplifyBooleans())),
    Batch("subqueries", (ExtractSubqueries(), DecorrelateSubqueries()), decorrelates=True),
    Batch("facts", (InferColumnFacts(),)),
    Batch(
        "pushdown",
        (
            PushDownFilter(),
            EliminateOuterJoin(),
            InferJoinFilters(),
            FoldConstants(),
            SimplifyBooleans(),
            SimplifyPredictions(),
            PropagateEmpty(),
            MergeProjects(),
        ),
        rounds=5,
    ),
    Batch("files", (SkipFiles(),)),
    Batch(
        "joins", (EliminateSort(), ExpandInline(), AggregatePerFile(), ReorderJoins(), ReduceGroupedInput())
    ),
    Batch("sharing", (ReuseCommonSubplans(),)),
    Batch(
        "columns", (PruneBranches(), PruneColumns(), MergeProjects(), PushDownLimit(), PruneNestedFields())
    ),
)
