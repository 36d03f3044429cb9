"""Boosted trees and forests: the same trees for any number of ranks, scored as xgboost scores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import Error
from tests.ml.conftest import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.session import Session

    Sql = Callable[[str], list[tuple[Any, ...]]]

F = frame()
BLOCK = np.column_stack([F["x"], F["z"], F["gap"], *(F["c"] == k for k in ("blue", "green", "red"))]).astype(
    np.float32
)

KINDS = [
    ("boosted_tree_classifier", "yes", "max_iterations = 8"),
    (
        "boosted_tree_classifier",
        "kind",
        "max_iterations = 3, max_tree_depth = 3, subsample = 0.6, colsample_bynode = 0.7",
    ),
    ("boosted_tree_regressor", "y", "max_iterations = 40, data_split_method = 'random', early_stop = TRUE"),
    ("boosted_tree_regressor", "y", "max_iterations = 6, max_tree_depth = 2"),
    ("random_forest_classifier", "kind", "num_parallel_tree = 4, max_tree_depth = 4"),
    ("random_forest_regressor", "y", "num_parallel_tree = 4"),
]


@pytest.mark.parametrize(("kind", "label", "options"), KINDS)
def test_trees_are_the_same_for_any_number_of_ranks(
    sql: Sql, session: Session, kind: str, label: str, options: str
) -> None:
    import xgboost

    for ranks in (1, 2):
        sql(f"""CREATE OR REPLACE MODEL trees OPTIONS(model_type = '{kind}', label = '{label}', {options},
                checkpoint_interval = 2, num_workers = {ranks}) AS SELECT x, z, gap, c, {label} FROM t""")
    history = sql("DESCRIBE HISTORY MODEL trees")
    assert history[0][-1] == history[1][-1]
    booster = xgboost.Booster()
    from sqlshell.storage.models import parse_reference

    booster.load_model(bytearray(session.models.resolve(parse_reference("trees")).files["booster.ubj"]))
    wanted = booster.predict(xgboost.DMatrix(BLOCK))
    if label == "y":
        found = sql("SELECT predicted_y FROM ML.PREDICT(MODEL trees, TABLE t) ORDER BY id")
        np.testing.assert_allclose([r[0] for r in found], wanted, rtol=1e-5, atol=1e-5)
    else:
        rows = sql(
            f"SELECT predicted_{label}_probs, predicted_{label} FROM ML.PREDICT(MODEL trees, TABLE t) ORDER BY id"
        )
        found = np.array([[c["prob"] for c in r[0]] for r in rows])
        np.testing.assert_allclose(found if label == "kind" else found[:, 1], wanted, rtol=1e-5, atol=1e-6)
        scores = dict(sql("SELECT 1, accuracy FROM ML.EVALUATE(MODEL trees, TABLE t)"))
        assert scores[1] > 0.75
    assert len(sql("SELECT * FROM ML.TRAINING_INFO(MODEL trees)")) >= 3
    for model in ("trees VERSION AS OF 1", "trees"):
        importance = {r[0]: r[1] for r in sql(f"SELECT * FROM ML.FEATURE_IMPORTANCE(MODEL {model})")}
        assert list(importance) == ["x", "z", "gap", "c"]
        assert importance["x"] > 0
    sql("DROP MODEL trees")


def test_subsampling_needs_no_first_guess_of_zero(sql: Sql) -> None:
    sql("""CREATE MODEL far OPTIONS(model_type = 'random_forest_regressor', label = 'far', num_parallel_tree = 3)
           AS SELECT x, z, 1000000 + y AS far FROM t""")
    assert sql(
        "SELECT r2_score > 0.9 FROM ML.EVALUATE(MODEL far, (SELECT *, 1000000 + y AS far FROM t))"
    ) == [(True,)]


def test_trees_with_constant_features_and_vectors(sql: Sql) -> None:
    sql("""CREATE MODEL odd TRANSFORM (1 AS one, array(x, z) AS pair, ML.ONE_HOT_ENCODER(c) OVER () AS c, y)
           OPTIONS(model_type = 'boosted_tree_regressor', label = 'y') AS SELECT x, z, c, y FROM t""")
    assert sql("SELECT r2_score > 0.8 FROM ML.EVALUATE(MODEL odd, TABLE t)") == [(True,)]
    assert sql("SELECT ml_predict('odd', x => NULL, z => NULL, c => 'new') IS NOT NULL") == [(True,)]


BAD = [
    ("label = 'y', early_stop = TRUE, data_split_method = 'no_split'", "INVALID_MODEL_OPTION_COMBINATION"),
    ("label = 'y', subsample = 1.5", "INVALID_MODEL_OPTION_VALUE"),
    ("label = 'y', num_clusters = 2", "UNKNOWN_MODEL_OPTION"),
    ("label = 'c'", "INVALID_LABEL_TYPE"),
]


@pytest.mark.parametrize(("options", "condition"), BAD)
def test_bad_options(sql: Sql, options: str, condition: str) -> None:
    with pytest.raises(Error) as e:
        sql(
            f"CREATE MODEL bad OPTIONS(model_type = 'boosted_tree_regressor', {options}) AS SELECT x, y, c FROM t"
        )
    assert e.value.condition == condition


def test_a_missing_library_is_named_with_its_extra(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlshell.ml.packages.find_spec", lambda name: None)
    with pytest.raises(Error) as e:
        sql(
            "CREATE MODEL bad OPTIONS(model_type = 'boosted_tree_regressor', label = 'y') AS SELECT x, y FROM t"
        )
    assert e.value.condition == "MISSING_PACKAGE"
    assert "[ml]" in (e.value.hint or "")
