"""ML.EXPLAIN_PREDICT and ML.GLOBAL_EXPLAIN: parts that add up, equal to xgboost's own and to weight times value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import Error
from sqlshell.ml.model import of_version
from sqlshell.storage.models import parse_reference
from tests.ml.conftest import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.session import Session

    Sql = Callable[[str], list[tuple[Any, ...]]]

F = frame()


def parts(row: tuple[Any, ...], at: int) -> dict[str, float]:
    return {p["feature"]: p["attribution"] for p in row[at]}


@pytest.fixture(scope="module")
def explained(session: Session) -> Session:
    """A model of each kind that explains itself."""
    session.execute("""CREATE MODEL ex_lin OPTIONS(model_type = 'linear_reg', label = 'y', l2_reg = 0.01,
                       enable_global_explain = TRUE, data_split_method = 'no_split') AS SELECT x, z, c, y FROM t""")
    session.execute(
        "CREATE MODEL ex_two OPTIONS(model_type = 'logistic_reg', label = 'yes') AS SELECT x, z, yes FROM t"
    )
    session.execute(
        "CREATE MODEL ex_three OPTIONS(model_type = 'logistic_reg', label = 'kind') AS SELECT x, c, kind FROM t"
    )
    for name, kind, label in (("ex_tree", "regressor", "y"), ("ex_trees", "classifier", "kind")):
        session.execute(f"""CREATE MODEL {name} OPTIONS(model_type = 'boosted_tree_{kind}', label = '{label}',
                            max_iterations = 4, max_tree_depth = 3, data_split_method = 'no_split')
                            AS SELECT x, c, gap, {label} FROM t""")
    return session


def test_linear_parts_are_weight_times_value(sql: Sql, explained: Session) -> None:
    w = {r[0]: r for r in sql("SELECT * FROM ML.WEIGHTS(MODEL ex_lin)")}
    rows = sql("""SELECT id, predicted_y, top_feature_attributions, baseline_prediction_value, prediction_value,
                  approximation_error, x, z, c FROM ML.EXPLAIN_PREDICT(MODEL ex_lin, TABLE t) ORDER BY id LIMIT 50""")
    for r in rows:
        found = parts(r, 2)
        category = {p["category"]: p["weight"] for p in w["c"][2]}
        expected = {"x": w["x"][1] * r[6], "z": w["z"][1] * r[7], "c": category.get(r[8], 0.0)}
        assert found == pytest.approx(expected, rel=1e-12)
        assert list(map(abs, found.values())) == sorted(map(abs, found.values()), reverse=True)
        assert r[3] == w["__INTERCEPT__"][1] and r[4] == r[1] and r[5] < 1e-12
        assert r[3] + sum(found.values()) == pytest.approx(r[1], rel=1e-12)
    one = sql(
        "SELECT top_feature_attributions FROM ML.EXPLAIN_PREDICT(MODEL ex_lin, TABLE t, STRUCT(1 AS top_k_features))"
    )
    assert {len(r[0]) for r in one} == {1}


@pytest.mark.parametrize("name", ["ex_two", "ex_three", "ex_tree", "ex_trees"])
def test_parts_add_up_to_the_score_of_the_predicted_class(sql: Sql, explained: Session, name: str) -> None:
    label = {"ex_two": "yes", "ex_tree": "y"}.get(name, "kind")
    rows = sql(f"""SELECT predicted_{label}, top_feature_attributions, baseline_prediction_value, prediction_value,
                   approximation_error, * FROM ML.EXPLAIN_PREDICT(MODEL {name}, TABLE t) ORDER BY id""")
    plain = sql(f"SELECT predicted_{label} FROM ML.PREDICT(MODEL {name}, TABLE t) ORDER BY id")
    assert [r[0] for r in rows] == [r[0] for r in plain]
    for r in rows:
        assert r[2] + sum(parts(r, 1).values()) == pytest.approx(r[3], abs=1e-5)
        assert r[4] < 1e-5
    if name == "ex_two":
        p = sql("SELECT prediction_value, probability FROM ML.EXPLAIN_PREDICT(MODEL ex_two, TABLE t)")
        assert [1 / (1 + np.exp(-s)) for s, _ in p] == pytest.approx([q for _, q in p], rel=1e-9)
        assert min(q for _, q in p) >= 0.5


def test_tree_parts_are_those_of_xgboost(sql: Sql, explained: Session) -> None:
    import xgboost

    for name, label in (("ex_tree", "y"), ("ex_trees", "kind")):
        model = of_version(explained.models.resolve(parse_reference(name)))
        booster = xgboost.Booster()
        booster.load_model(bytearray(model.files["booster.ubj"]))
        categories = model.features[1].columns
        hot = np.stack([F["c"] == v for v in categories], axis=1).astype(float)
        block = np.column_stack([F["x"], hot, F["gap"]])
        peer = booster.predict(xgboost.DMatrix(block), pred_contribs=True, strict_shape=True)
        rows = sql(
            f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL {name}, TABLE t, STRUCT(9 AS top_k_features)) ORDER BY id"
        )
        for i, r in enumerate(rows):
            k = model.classes.index(r[0]) if model.classes else 0
            found = parts(r, 2 if model.classes else 1)
            own = peer[i, k]
            expected = {"x": own[0], "c": own[1:4].sum(), "gap": own[4]}
            assert found == pytest.approx(expected, abs=1e-6), label


def test_global_explanations(sql: Sql, explained: Session) -> None:
    rows = sql("SELECT top_feature_attributions FROM ML.EXPLAIN_PREDICT(MODEL ex_lin, TABLE t)")
    means = {n: np.mean([abs(parts(r, 0)[n]) for r in rows]) for n in ("x", "z", "c")}
    found = sql("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL ex_lin, TABLE t)")
    assert dict(found) == pytest.approx(means, rel=1e-9)
    assert [n for n, _ in found] == sorted(means, key=lambda n: -means[n])
    assert dict(sql("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL ex_lin)")) == pytest.approx(means, rel=1e-9)
    assert sql("SELECT feature FROM ML.GLOBAL_EXPLAIN(MODEL ex_tree, TABLE t)")[0] == ("gap",)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL ex_two)", "enable_global_explain"),
        ("SELECT * FROM ML.EXPLAIN_PREDICT(MODEL ex_two)", "TABLE t"),
        ("SELECT * FROM ML.EXPLAIN_PREDICT(MODEL ex_lin, TABLE t, STRUCT(0.5 AS threshold))", ""),
        ("SELECT * FROM ML.EXPLAIN_PREDICT(MODEL ex_lin, TABLE t, STRUCT(0 AS top_k_features))", ""),
        ("SELECT * FROM ML.EXPLAIN_PREDICT(MODEL ex_km, TABLE t)", ""),
    ],
)
def test_errors(sql: Sql, explained: Session, text: str, hint: str) -> None:
    if "ex_km" in text:
        sql("CREATE MODEL ex_km OPTIONS(model_type = 'kmeans', num_clusters = 2) AS SELECT x FROM t")
    with pytest.raises(Error) as e:
        sql(text)
    assert e.value.condition == "INVALID_MODEL_FUNCTION_ARGUMENT"
    assert hint in (e.value.hint or "")
