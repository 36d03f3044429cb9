"""HPARAM_CANDIDATES and HPARAM_RANGE: trials side by side, the best one kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[[str], list[tuple[Any, ...]]]


def test_a_grid_keeps_the_best_trial_and_replays_to_its_bits(sql: Sql) -> None:
    sql("""CREATE MODEL tuned OPTIONS(model_type = 'linear_reg', label = 'y', data_split_method = 'random',
           l2_reg = HPARAM_CANDIDATES([0.0, 0.1, 10.0]), standardize_features = HPARAM_CANDIDATES([TRUE, FALSE]))
           AS SELECT x, z, y FROM t""")
    trials = sql("SELECT trial_id, l2_reg, value, status, is_optimal FROM ML.TRIAL_INFO(MODEL tuned)")
    assert [t[0] for t in trials] == [1, 2, 3, 4, 5, 6]
    best = max(trials, key=lambda t: t[2])
    assert [t[0] for t in trials if t[4]] == [best[0]]
    assert sql("SELECT r2_score FROM ML.EVALUATE(MODEL tuned)") == [(best[2],)]
    sql(sql("SHOW CREATE MODEL tuned")[0][0])
    assert len({r[-1] for r in sql("DESCRIBE HISTORY MODEL tuned")}) == 1
    with pytest.raises(Error) as e:
        sql("SELECT * FROM ML.TRIAL_INFO(MODEL tuned)")
    assert e.value.condition == "INVALID_MODEL_FUNCTION_ARGUMENT"


def test_random_search_draws_by_the_seed_and_failures_are_told(sql: Sql) -> None:
    text = """CREATE OR REPLACE MODEL drawn OPTIONS(model_type = 'kmeans', num_clusters = HPARAM_RANGE(2, 3000),
              max_iterations = 2, num_trials = 4, seed = 3, max_parallel_trials = 2) AS SELECT x, z FROM t LIMIT 600"""
    sql(text)
    first = sql("SELECT num_clusters, status, is_optimal FROM ML.TRIAL_INFO(MODEL drawn)")
    assert {t[1] for t in first} == {"SUCCEEDED", "FAILED"}
    assert len(first) == 4
    sql(text)
    assert sql("SELECT num_clusters, status, is_optimal FROM ML.TRIAL_INFO(MODEL drawn)") == first
    assert "fewer than" in sql("SELECT max(error_message) FROM ML.TRIAL_INFO(MODEL drawn)")[0][0]


def test_trees_are_searched_by_a_named_metric(sql: Sql) -> None:
    sql("""CREATE MODEL grown OPTIONS(model_type = 'boosted_tree_classifier', label = 'yes', max_iterations = 5,
           max_tree_depth = HPARAM_CANDIDATES([1, 4]), hparam_tuning_objectives = ['roc_auc']) AS SELECT x, z, c, yes
           FROM t""")
    trials = sql("SELECT max_tree_depth, value FROM ML.TRIAL_INFO(MODEL grown) WHERE is_optimal")
    assert trials[0][0] == 4
    assert sql("SELECT roc_auc FROM ML.EVALUATE(MODEL grown)") == [(trials[0][1],)]


BAD = [
    ("seed = HPARAM_CANDIDATES([1, 2])", "INVALID_MODEL_OPTION_VALUE"),
    ("l2_reg = HPARAM_RANGE(2, 1)", "INVALID_MODEL_OPTION_VALUE"),
    ("l2_reg = HPARAM_CANDIDATES([-1, 1])", "INVALID_MODEL_OPTION_VALUE"),
    ("l2_reg = HPARAM_CANDIDATES([1, 2]), num_trials = 1", "INVALID_MODEL_OPTION_COMBINATION"),
    (
        "l2_reg = HPARAM_CANDIDATES([1, 2]), hparam_tuning_objectives = ['roc_auc']",
        "INVALID_MODEL_OPTION_VALUE",
    ),
]


@pytest.mark.parametrize(("option", "condition"), BAD)
def test_bad_searches(sql: Sql, option: str, condition: str) -> None:
    with pytest.raises(Error) as e:
        sql(
            f"CREATE MODEL bad OPTIONS(model_type = 'linear_reg', label = 'y', {option}) AS SELECT x, y FROM t"
        )
    assert e.value.condition == condition
