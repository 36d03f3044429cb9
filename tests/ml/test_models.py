"""Statements about models: train, predict, judge, version. Coefficients are scikit-learn's at the same objective."""

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
DUMMIES = np.column_stack([F["c"] == "green", F["c"] == "red"]).astype(float)


def close(a: Any, b: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(
        np.asarray(a, dtype=float), np.asarray(b, dtype=float), rtol=tolerance, atol=tolerance
    )


def weights(sql: Sql, model: str) -> list[float]:
    """Numbers, then categories, then the intercept."""
    out: list[float] = []
    for row in sql(f"SELECT * FROM ML.WEIGHTS(MODEL {model})"):
        out += [row[1]] if row[2] is None else [c["weight"] for c in row[2]]
    return out


def test_linear_model(sql: Sql) -> None:
    from sklearn.linear_model import LinearRegression

    sql("""CREATE MODEL lin OPTIONS(model_type = 'linear_reg', input_label_cols = ['y'],
           data_split_method = 'no_split') AS SELECT x, z, c, y FROM t""")
    design = np.column_stack([F["x"], F["z"], DUMMIES])
    peer = LinearRegression().fit(design, F["y"])
    close(weights(sql, "lin"), [*peer.coef_, peer.intercept_])
    rows = sql("SELECT predicted_y, id FROM ML.PREDICT(MODEL lin, TABLE t) ORDER BY id")
    close([r[0] for r in rows], peer.predict(design))
    (scalar,) = zip(*sql("SELECT ml_predict('lin', struct(*)) FROM t ORDER BY id"), strict=True)
    assert list(scalar) == [r[0] for r in rows]
    r2 = sql("SELECT r2_score FROM ML.EVALUATE(MODEL lin, TABLE t)")[0][0]
    close(r2, peer.score(design, F["y"]))


def test_regression_metrics_equal_scikit_learn(sql: Sql) -> None:
    from sklearn import metrics

    sql("""CREATE OR REPLACE MODEL m1 OPTIONS(model_type = 'linear_reg', label = 'y', data_split_method = 'no_split')
           AS SELECT x, y FROM t""")
    y, p = zip(*sql("SELECT y, predicted_y FROM ML.PREDICT(MODEL m1, TABLE t)"), strict=True)
    found = sql("""SELECT mean_absolute_error, mean_squared_error, median_absolute_error, r2_score, explained_variance
                   FROM ML.EVALUATE(MODEL m1, TABLE t)""")[0]
    close(found, [
        metrics.mean_absolute_error(y, p), metrics.mean_squared_error(y, p), metrics.median_absolute_error(y, p),
        metrics.r2_score(y, p), metrics.explained_variance_score(y, p),
    ])  # fmt: skip


def test_binary_classifier(sql: Sql) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LogisticRegression

    sql("""CREATE MODEL bin OPTIONS(model_type = 'logistic_reg', input_label_cols = ['yes'], l2_reg = 0.01,
           data_split_method = 'no_split') AS SELECT x, z, yes FROM t""")
    design = np.column_stack([F["x"], F["z"]])
    mean, std = design.mean(axis=0), design.std(axis=0, ddof=1)
    peer = LogisticRegression(C=1 / (len(design) * 0.01), solver="newton-cholesky", tol=1e-13)
    peer.fit((design - mean) / std, F["yes"])
    close(weights(sql, "bin")[:2], peer.coef_[0] / std)
    rows = sql(
        """SELECT predicted_yes, predicted_yes_probs, yes FROM ML.PREDICT(MODEL bin, (SELECT * FROM t))"""
    )
    p = [r[1][1]["prob"] for r in rows]
    close(sorted(p), sorted(peer.predict_proba((design - mean) / std)[:, 1]))
    assert rows[0][1][0]["label"] is False
    truth, said = [r[2] for r in rows], [r[0] for r in rows]
    found = sql(
        "SELECT precision, recall, accuracy, f1_score, log_loss, roc_auc FROM ML.EVALUATE(MODEL bin, TABLE t)"
    )
    close(found[0], [
        metrics.precision_score(truth, said), metrics.recall_score(truth, said), metrics.accuracy_score(truth, said),
        metrics.f1_score(truth, said), metrics.log_loss(truth, p), metrics.roc_auc_score(truth, p),
    ])  # fmt: skip
    assert sql("SELECT `false`, `true` FROM ML.CONFUSION_MATRIX(MODEL bin, TABLE t)") == [
        tuple(r) for r in metrics.confusion_matrix(truth, said).tolist()
    ]
    curve = sql(
        "SELECT recall, false_positive_rate FROM ML.ROC_CURVE(MODEL bin, TABLE t) ORDER BY threshold DESC"
    )
    fpr, tpr, _ = metrics.roc_curve(truth, p, drop_intermediate=False)
    close(curve, np.column_stack([tpr, fpr])[1:])
    strict = sql(
        "SELECT count_if(predicted_yes) FROM ML.PREDICT(MODEL bin, TABLE t, STRUCT(0.9 AS threshold))"
    )
    assert strict[0][0] == sum(x > 0.9 for x in p)
    bare = sql("SELECT * FROM ML.PREDICT(MODEL bin, TABLE t, STRUCT(FALSE AS keep_original_columns)) LIMIT 1")
    assert len(bare[0]) == 2


def test_several_classes(sql: Sql) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LogisticRegression

    sql("""CREATE MODEL three OPTIONS(model_type = 'logistic_reg', label = 'kind', regParam = 0.02,
           elasticNetParam = 0.0, data_split_method = 'no_split') AS SELECT x, z, kind FROM t""")
    design = np.column_stack([F["x"], F["z"]])
    ready = (design - design.mean(axis=0)) / design.std(axis=0, ddof=1)
    peer = LogisticRegression(C=1 / (len(design) * 0.02), solver="newton-cg", tol=1e-11).fit(ready, F["kind"])
    rows = sql(
        "SELECT id, predicted_kind, predicted_kind_probs, kind FROM ML.PREDICT(MODEL three, TABLE t) ORDER BY id"
    )
    close([[c["prob"] for c in r[2]] for r in rows], peer.predict_proba(ready), 1e-8)
    assert [c["label"] for c in rows[0][2]] == ["high", "low", "mid"]
    assert [r[1] for r in rows] == peer.predict(ready).tolist()
    found = sql("SELECT precision, recall, f1_score, log_loss FROM ML.EVALUATE(MODEL three, TABLE t)")[0]
    truth, said = F["kind"], peer.predict(ready)
    close(found, [
        metrics.precision_score(truth, said, average="macro"), metrics.recall_score(truth, said, average="macro"),
        metrics.f1_score(truth, said, average="macro"), metrics.log_loss(truth, peer.predict_proba(ready)),
    ], 1e-8)  # fmt: skip
    assert sql("SELECT ml_predict_proba('three', x => x, z => z)[0].label FROM t LIMIT 1") == [("high",)]


def test_clusters_components_and_bayes(sql: Sql) -> None:
    from sklearn.decomposition import PCA
    from sklearn.naive_bayes import GaussianNB

    sql(
        "CREATE MODEL km OPTIONS(model_type = 'kmeans', num_clusters = 3, max_iterations = 50) AS SELECT x, z FROM t"
    )
    rows = sql("SELECT centroid_id, nearest_centroids_distance, x, z FROM ML.PREDICT(MODEL km, TABLE t)")
    centres = sql("SELECT centroid_id, feature, numerical_value, cluster_rows FROM ML.CENTROIDS(MODEL km)")
    assert len(centres) == 6
    for found, distances, *_ in rows:
        assert found == min(distances, key=lambda d: d["distance"])["centroid_id"]
    sql("CREATE MODEL pc OPTIONS(model_type = 'pca', k = 2) AS SELECT x, z, y FROM t")
    design = np.column_stack([F["x"], F["z"], F["y"]])
    ready = (design - design.mean(axis=0)) / design.std(axis=0, ddof=1)
    shown = sql(
        "SELECT principal_component_1, principal_component_2 FROM ML.PREDICT(MODEL pc, TABLE t) ORDER BY id"
    )
    close(shown, PCA(2).fit_transform(ready))
    assert len(sql("SELECT * FROM ML.PRINCIPAL_COMPONENTS(MODEL pc)")) == 6
    sql("CREATE MODEL nb OPTIONS(model_type = 'naive_bayes', label = 'kind', data_split_method = 'no_split') "
        "AS SELECT x, z, kind FROM t")  # fmt: skip
    probs = sql("SELECT predicted_kind_probs FROM ML.PREDICT(MODEL nb, TABLE t) ORDER BY id")
    peer = GaussianNB().fit(design[:, :2], F["kind"])
    close([[c["prob"] for c in r[0]] for r in probs], peer.predict_proba(design[:, :2]))


def test_nulls_become_means_and_unknown_categories_zero(sql: Sql) -> None:
    from sklearn.linear_model import Ridge

    sql("""CREATE MODEL gaps OPTIONS(model_type = 'linear_reg', label = 'y', l2_reg = 0.1, standardize_features = FALSE,
           data_split_method = 'no_split') AS SELECT gap, c, y FROM t""")
    filled = np.where(np.isnan(F["gap"]), np.nanmean(F["gap"]), F["gap"])
    hot = np.column_stack([F["c"] == k for k in ("blue", "green", "red")]).astype(float)
    peer = Ridge(alpha=0.1 * len(filled), solver="cholesky").fit(np.column_stack([filled, hot]), F["y"])
    close(weights(sql, "gaps"), [*peer.coef_, peer.intercept_])
    found = sql(
        "SELECT predicted_y FROM ML.PREDICT(MODEL gaps, (SELECT CAST(NULL AS DOUBLE) AS gap, 'black' AS c))"
    )
    close(found[0][0], peer.intercept_ + peer.coef_[0] * np.nanmean(F["gap"]))


def test_versions_aliases_and_history(sql: Sql, session: Session) -> None:
    for l2 in (0.0, 1.0):
        sql(f"CREATE OR REPLACE MODEL ver OPTIONS(model_type = 'linear_reg', label = 'y', l2_reg = {l2}) "
            "AS SELECT x, y FROM t")  # fmt: skip
    first, second = weights(sql, "ver VERSION AS OF 1"), weights(sql, "ver VERSION AS OF 2")
    assert first != second
    assert weights(sql, "ver") == second
    sql("ALTER MODEL ver SET ALIAS champion = VERSION 1")
    assert weights(sql, "ver VERSION AS OF 'champion'") == first
    assert sql("SELECT ml_predict('ver@champion', x => 1.0) = ml_predict('ver@v1', x => 1.0)") == [(True,)]
    sql("RESTORE MODEL ver TO VERSION AS OF 1")
    assert weights(sql, "ver") == first
    assert [(r[0], r[3], r[4]) for r in sql("DESCRIBE HISTORY MODEL ver")] == [
        (2, False, ""),
        (1, True, "champion"),
    ]
    sql("ALTER MODEL ver SET OPTIONS(description = 'a trial')")
    assert [r[-1] for r in sql("SHOW MODELS LIKE 've*'")] == ["a trial"]
    sql("ALTER MODEL ver RENAME TO renamed")
    assert weights(sql, "renamed") == first
    sql("DROP MODEL renamed")
    sql("DROP MODEL IF EXISTS renamed")
    with pytest.raises(Error) as e:
        sql("DESCRIBE MODEL renamed")
    assert e.value.condition == "MODEL_NOT_FOUND"


def test_show_create_model_trains_the_same_bits(sql: Sql) -> None:
    sql("""CREATE MODEL again TRANSFORM (ML.STANDARD_SCALER(x) OVER () AS x, ML.QUANTILE_BUCKETIZE(z, 4) OVER () AS z,
           yes)
           OPTIONS(model_type = 'logistic_reg', label = 'yes', l1_reg = 0.01, seed = 3, num_workers = 1)
           AS SELECT x, z, yes FROM t""")
    text = sql("SHOW CREATE MODEL again")[0][0]
    sql(text)
    sql(text.replace("num_workers = 1", "num_workers = 2"))
    hashes = {r[-1] for r in sql("DESCRIBE HISTORY MODEL again")}
    assert len(hashes) == 1
    assert len(sql("DESCRIBE HISTORY MODEL again")) == 3


def test_hold_out_rows_are_the_same_for_any_order(sql: Sql) -> None:
    options = (
        "OPTIONS(model_type = 'linear_reg', label = 'y', data_split_method = 'random', num_partitions = 4)"
    )
    sql(f"CREATE MODEL a {options} AS SELECT x, z, y FROM t")
    sql(f"CREATE MODEL b {options} AS SELECT x, z, y FROM t ORDER BY y")
    close(weights(sql, "a"), weights(sql, "b"), 1e-10)
    rows = dict(sql("DESCRIBE MODEL a"))
    assert 1500 < int(rows["training_rows"]) < 1700
    assert sql("SELECT r2_score > 0.5 FROM ML.EVALUATE(MODEL a)") == [(True,)]


def test_refresh_and_training_info(sql: Sql) -> None:
    sql("CREATE MODEL re OPTIONS(model_type = 'logistic_reg', label = 'yes') AS SELECT x, yes FROM t")
    sql("REFRESH MODEL re OPTIONS(l2_reg = 1.0)")
    assert len(sql("DESCRIBE HISTORY MODEL re")) == 2
    losses = [
        r[0] for r in sql("SELECT loss FROM ML.TRAINING_INFO(MODEL re VERSION AS OF 1) ORDER BY iteration")
    ]
    assert losses == sorted(losses, reverse=True)
    assert sql("SELECT input, kind FROM ML.FEATURE_INFO(MODEL re)") == [("x", "numeric")]
    sql("CREATE OR REPLACE MODEL re OPTIONS(model_type = 'logistic_reg', label = 'yes', warm_start = TRUE, "
        "l2_reg = 1.0) AS SELECT x, yes FROM t")  # fmt: skip
    assert len(sql("SELECT * FROM ML.TRAINING_INFO(MODEL re)")) < len(losses)


def test_prediction_reads_only_what_weighs(sql: Sql) -> None:
    sql(
        """CREATE MODEL lean OPTIONS(model_type = 'linear_reg', label = 'y', l1_reg = 2.5) AS SELECT x, z, y FROM t"""
    )
    assert [w == 0 for w in weights(sql, "lean")[:2]] == [True, False]
    plan = sql("EXPLAIN SELECT predicted_y FROM ML.PREDICT(MODEL lean, TABLE t) WHERE c = 'red'")[0][0]
    assert "[z#" in plan
    assert "x#" not in plan


def test_filters_on_predictions_go_below_the_model(sql: Sql) -> None:
    sql(
        "CREATE MODEL low OPTIONS(model_type = 'logistic_reg', label = 'yes', l2_reg = 0.01) AS SELECT x, z, yes FROM t"
    )
    predicted = "ML.PREDICT(MODEL low, TABLE t)"
    for condition, shown in (
        ("predicted_yes AND x > 0.5", ">= "),
        ("predicted_yes = FALSE AND x > 0.5", "< "),
        ("predicted_yes_probs[1].prob > 0.9 AND x > 0.5", ">= 2.19"),
    ):
        asked = f"SELECT count(*), sum(z) FROM {predicted} WHERE {condition}"
        scan = sql(f"EXPLAIN {asked}")[0][0].split("Scan ", 1)[1]
        assert "ml_linear(" in scan
        assert "ml_sigmoid" not in scan
        assert shown in scan
        assert "x#" in scan.split("where", 1)[0]
        sql("SET sqlshell.optimizer.disabled = 'push_down_filter,simplify_predictions'")
        plain = sql(asked)
        sql("SET sqlshell.optimizer.disabled = ''")
        (count, total), (other, sum_of) = sql(asked)[0], plain[0]
        assert count == other > 0
        assert total == pytest.approx(sum_of, rel=1e-12)


def test_predicates_prune_the_branches_of_trees(sql: Sql) -> None:
    sql("""CREATE MODEL pruned OPTIONS(model_type = 'boosted_tree_regressor', label = 'y', max_iterations = 3,
           max_tree_depth = 4) AS SELECT id, x, y FROM t""")
    asked = "SELECT sum(predicted_y) FROM ML.PREDICT(MODEL pruned, TABLE t)"
    whole, part = (
        sql(f"EXPLAIN {asked}{w}")[0][0].count("CASE WHEN") for w in ("", " WHERE id < 200 AND x < -1.0")
    )
    assert part < whole / 1.5
    sql("SET sqlshell.optimizer.disabled = 'prune_branches'")
    plain = sql(f"{asked} WHERE id < 200 AND x < -1.0")
    sql("SET sqlshell.optimizer.disabled = ''")
    assert sql(f"{asked} WHERE id < 200 AND x < -1.0") == plain
