"""EXPORT MODEL and imports: what comes back scores the same; nothing is unpickled."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import Error
from sqlshell.session import Session
from tests.ml.conftest import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[[str], list[tuple[Any, ...]]]

F = frame()
X = np.column_stack([F["x"], F["z"]])
GRAPH = Path(__file__).parents[1] / "data" / "softmax.onnx"
"""probabilities = Softmax(x @ w), label = ArgMax: float[N, 3] to float[N, 2] and int64[N]. By onnx.helper."""

MODELS = {
    "t_linear": ("TRANSFORM (ML.STANDARD_SCALER(x) OVER () AS x, ML.ONE_HOT_ENCODER(c) OVER () AS c, y)",
                 "model_type = 'linear_reg', label = 'y', l2_reg = 0.1"),
    "t_bayes": ("", "model_type = 'naive_bayes', label = 'c'"),
    "t_kmeans": ("", "model_type = 'kmeans', num_clusters = 3"),
    "t_trees": ("", "model_type = 'boosted_tree_classifier', label = 'c', max_iterations = 30"),
    "t_rec": ("", "model_type = 'matrix_factorization', user_col = 'c', item_col = 'c2', rating_col = 'y', rank = 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_own_format_round_trip(sql: Sql, name: str, tmp_path: Path, data: Path) -> None:
    transform, options = MODELS[name]
    columns = "c, concat(c, 'x') AS c2, y" if name == "t_rec" else "x, z, c, y"
    sql(f"CREATE MODEL {name} {transform} OPTIONS({options}) AS SELECT {columns} FROM t")
    sql(f"EXPORT MODEL {name} TO '{tmp_path}/out'")
    assert {"model.json", "manifest.json"} <= {p.name for p in (tmp_path / "out").iterdir()}
    rows = f"(SELECT id, {columns}, x AS x0 FROM t)"
    here = sql(f"SELECT * FROM ML.PREDICT(MODEL {name}, {rows}) ORDER BY id, x0")
    with Session(warehouse=str(tmp_path / "other")) as s:
        s.execute(f"CREATE TEMPORARY VIEW t AS SELECT * FROM '{data}'")
        s.execute(f"CREATE MODEL there OPTIONS(model_type = 'sqlshell', path = '{tmp_path}/out')")
        assert (
            list(s.execute(f"SELECT * FROM ML.PREDICT(MODEL there, {rows}) ORDER BY id, x0").rows()) == here
        )
        ((sha,),) = s.execute("SELECT parameter_sha256 FROM system.ml.runs").rows()
    assert sql(f"SELECT parameter_sha256 FROM system.ml.runs WHERE model = '{name}'") == [(sha,)]


def test_a_damaged_export_is_refused(sql: Sql, tmp_path: Path) -> None:
    sql("CREATE MODEL t_hurt OPTIONS(model_type = 'linear_reg', label = 'y') AS SELECT x, y FROM t")
    sql(f"EXPORT MODEL t_hurt TO '{tmp_path}/out'")
    parameters = tmp_path / "out" / "parameters.json"
    parameters.write_text(parameters.read_text().replace("1", "2", 1))
    refused(
        sql,
        f"CREATE MODEL bad OPTIONS(model_type = 'sqlshell', path = '{tmp_path}/out')",
        "MODEL_ARTIFACT_DAMAGED",
    )
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "../../secret": "0"}))
    refused(
        sql,
        f"CREATE MODEL bad OPTIONS(model_type = 'sqlshell', path = '{tmp_path}/out')",
        "MODEL_ARTIFACT_DAMAGED",
    )


@pytest.mark.parametrize(
    ("objective", "label", "rounds", "suffix"),
    [
        ("reg:squarederror", F["y"], 2, "ubj"),
        ("reg:squarederror", F["y"], 40, "json"),
        ("binary:logistic", F["yes"].astype(int), 3, "json"),
        ("multi:softprob", np.unique(F["kind"], return_inverse=True)[1], 20, "ubj"),
    ],
)
def test_xgboost_files(
    sql: Sql, tmp_path: Path, objective: str, label: Any, rounds: int, suffix: str
) -> None:
    import xgboost

    classes = {"num_class": 3} if objective.startswith("multi") else {}
    matrix = xgboost.DMatrix(X, label, feature_names=["x", "z"])
    booster = xgboost.train({"objective": objective, "max_depth": 4, **classes}, matrix, rounds)
    path = tmp_path / f"m.{suffix}"
    booster.save_model(path)
    sql(f"CREATE OR REPLACE MODEL xgb OPTIONS(model_type = 'xgboost', path = '{path}', label = 'said')")
    expected = booster.inplace_predict(X)

    def scores() -> Any:
        if objective.startswith("reg"):
            return np.array(sql("SELECT predicted_said FROM ML.PREDICT(MODEL xgb, TABLE t) ORDER BY id"))[
                :, 0
            ]
        found = sql("SELECT predicted_said_probs.prob FROM ML.PREDICT(MODEL xgb, TABLE t) ORDER BY id")
        shares = np.array([r[0] for r in found])
        return shares[:, 1] if objective.startswith("binary") else shares

    np.testing.assert_allclose(scores(), expected, atol=5e-6)
    parts = sql("SELECT max(approximation_error) FROM ML.EXPLAIN_PREDICT(MODEL xgb, TABLE t)")
    assert parts[0][0] < 1e-4
    sql(f"EXPORT MODEL xgb TO '{tmp_path}/back.{suffix}'")
    again = xgboost.Booster(model_file=tmp_path / f"back.{suffix}")
    assert again.feature_names == ["x", "z"]
    np.testing.assert_array_equal(again.inplace_predict(X), expected)
    if suffix == "json":
        sql(f"CREATE OR REPLACE MODEL xgb INPUT (x double, z double) OPTIONS(model_type = 'xgboost', "
            f"path = '{tmp_path}/back.json', label = 'said')")  # fmt: skip
        np.testing.assert_allclose(scores(), expected, atol=5e-6)


def refused(sql: Sql, text: str, condition: str) -> Error:
    with pytest.raises(Error) as e:
        sql(text)
    assert e.value.condition == condition
    return e.value


def test_bad_imports(sql: Sql, tmp_path: Path, data: Path) -> None:
    import xgboost

    def load(kind: str, path: Any, before: str = "", after: str = "") -> str:
        return f"CREATE MODEL bad {before} OPTIONS(model_type = '{kind}', path = '{path}'{after})"

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(print))
    assert "save_model" in (refused(sql, load("xgboost", tmp_path / "m.pkl"), "UNSAFE_MODEL_FILE").hint or "")
    (tmp_path / "m.ubj").write_bytes(pickle.dumps(print))
    refused(sql, load("xgboost", tmp_path / "m.ubj"), "UNSUPPORTED_MODEL_FORMAT")
    refused(sql, load("xgboost", data), "UNSUPPORTED_MODEL_FORMAT")
    refused(sql, load("xgboost", tmp_path / "none.ubj"), "PATH_NOT_FOUND")
    refused(sql, load("sqlshell", tmp_path), "PATH_NOT_FOUND")
    refused(sql, "CREATE MODEL bad OPTIONS(model_type = 'xgboost')", "MISSING_MODEL_OPTION")
    refused(sql, load("xgboost", "x.ubj", after=", l2_reg = 1"), "UNKNOWN_MODEL_OPTION")
    refused(sql, load("xgboost", "x.ubj") + " AS SELECT 1 AS x", "INVALID_MODEL_OPTION_COMBINATION")
    refused(sql, "CREATE MODEL bad INPUT (x double) OPTIONS(model_type = 'kmeans') AS SELECT x FROM t",
            "INVALID_MODEL_OPTION_COMBINATION")  # fmt: skip
    matrix = xgboost.DMatrix(X, F["yes"] + 1)
    xgboost.train({"objective": "count:poisson"}, matrix, 2).save_model(tmp_path / "p.json")
    assert "binary:logistic" in (
        refused(sql, load("xgboost", tmp_path / "p.json"), "UNSUPPORTED_MODEL_FORMAT").hint or ""
    )
    xgboost.train({}, matrix, 2).save_model(tmp_path / "r.json")
    refused(sql, load("xgboost", tmp_path / "r.json"), "MODEL_INPUT_MISSING")
    refused(
        sql, load("xgboost", tmp_path / "r.json", "INPUT (a string, b double)"), "UNSUPPORTED_FEATURE_TYPE"
    )


def test_bad_exports(sql: Sql, tmp_path: Path) -> None:
    sql("CREATE MODEL t_out OPTIONS(model_type = 'linear_reg', label = 'y') AS SELECT x, y FROM t")
    refused(sql, f"EXPORT MODEL nothing TO '{tmp_path}/x'", "MODEL_NOT_FOUND")
    refused(sql, f"EXPORT MODEL t_out VERSION AS OF 7 TO '{tmp_path}/x'", "MODEL_VERSION_NOT_FOUND")
    refused(sql, f"EXPORT MODEL t_out TO '{tmp_path}'", "PATH_ALREADY_EXISTS")
    refused(sql, f"EXPORT MODEL t_out TO '{tmp_path}/x' FORMAT pmml", "UNSUPPORTED_MODEL_FORMAT")
    refused(
        sql,
        f"EXPORT MODEL t_out OPTIONS(format = 'xgboost', uri = '{tmp_path}/x')",
        "UNSUPPORTED_MODEL_FORMAT",
    )


def test_imports_remember_their_file(sql: Sql, tmp_path: Path) -> None:
    import xgboost

    path = tmp_path / "m.json"
    for rounds in (1, 2):
        matrix = xgboost.DMatrix(X, F["y"], feature_names=["x", "z"])
        xgboost.train({}, matrix, rounds).save_model(path)
        text = f"CREATE MODEL t_again OPTIONS(model_type = 'xgboost', path = '{path}')"
        sql(text if rounds == 1 else "REFRESH MODEL t_again")
    assert sql("SHOW CREATE MODEL t_again") == [(text,)]
    assert sql("SELECT version, reproducible, reason FROM system.ml.runs WHERE model = 't_again' ORDER BY version") == [
        (1, False, f"the model comes from '{path}'"), (2, False, f"the model comes from '{path}'")
    ]  # fmt: skip
    assert len(set(sql("SELECT parameter_sha256 FROM system.ml.runs WHERE model = 't_again'"))) == 2


# -- scikit-learn


def skops_file(model: Any, path: Path) -> str:
    io = pytest.importorskip("skops.io")
    io.dump(model, path)
    return str(path)


def test_models_of_scikit_learn(sql: Sql, tmp_path: Path) -> None:
    import pandas as pd
    from sklearn import cluster, decomposition, linear_model, preprocessing
    from sklearn.pipeline import make_pipeline

    frame_ = pd.DataFrame(X, columns=["x", "z"])
    fitted = {
        "lin": make_pipeline(
            preprocessing.StandardScaler(), preprocessing.MinMaxScaler(), linear_model.Ridge()
        ).fit(frame_, F["y"]),
        "two": linear_model.LogisticRegression().fit(frame_, F["yes"]),
        "three": make_pipeline(preprocessing.RobustScaler(), linear_model.LogisticRegression()).fit(
            frame_, F["kind"]
        ),
        "km": make_pipeline(preprocessing.StandardScaler(), cluster.KMeans(3, random_state=0)).fit(frame_),
        "pca": make_pipeline(preprocessing.MaxAbsScaler(), decomposition.PCA(1)).fit(frame_),
    }
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, model in fitted.items():
        path = skops_file(model, tmp_path / f"{name}.skops")
        sql(f"CREATE MODEL sk_{name} OPTIONS(model_type = 'sklearn', path = '{path}', label = 'said')")
        found[name] = sql(f"SELECT * FROM ML.PREDICT(MODEL sk_{name}, (SELECT id, x, z FROM t)) ORDER BY id")
    np.testing.assert_allclose([r[0] for r in found["lin"]], fitted["lin"].predict(frame_), rtol=1e-9)
    np.testing.assert_allclose(
        [r[0] for r in found["pca"]], fitted["pca"].transform(frame_)[:, 0], rtol=1e-9, atol=1e-12
    )
    assert [r[0] - 1 for r in found["km"]] == fitted["km"].predict(frame_).tolist()
    for name in ("two", "three"):
        assert [r[0] for r in found[name]] == fitted[name].predict(frame_).tolist()
        shares = [[p["prob"] for p in r[1]] for r in found[name]]
        np.testing.assert_allclose(shares, fitted[name].predict_proba(frame_), rtol=1e-9, atol=1e-12)


def test_skops_files_that_are_refused(sql: Sql, tmp_path: Path) -> None:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import HuberRegressor, Ridge

    cases: list[tuple[str, Any, str]] = [
        ("own", Path, "UNSAFE_MODEL_FILE"),
        ("forest", RandomForestRegressor(2).fit(X, F["y"]), "UNSAFE_MODEL_FILE"),
        ("huber", HuberRegressor().fit(X, F["y"]), "UNSUPPORTED_MODEL_FORMAT"),
        ("unfitted", Ridge(), "UNSUPPORTED_MODEL_FORMAT"),
        ("unnamed", Ridge().fit(X, F["y"]), "MODEL_INPUT_MISSING"),
        ("two", Ridge().fit(X, np.column_stack([F["y"], F["x"]])), "UNSUPPORTED_FEATURE"),
    ]
    for name, model, condition in cases:
        path = skops_file(model, tmp_path / f"{name}.skops")
        inputs = "INPUT (x double, z double)" if name == "two" else ""
        with pytest.raises(Error) as e:
            sql(f"CREATE MODEL bad {inputs} OPTIONS(model_type = 'sklearn', path = '{path}')")
        assert str(e.value.condition).startswith(condition), name
    (tmp_path / "broken.skops").write_bytes(b"PK\x03\x04 no zip")
    refused(sql, f"CREATE MODEL bad OPTIONS(model_type = 'sklearn', path = '{tmp_path}/broken.skops')",
            "UNSUPPORTED_MODEL_FORMAT")  # fmt: skip


# -- ONNX


def test_onnx_graph(sql: Sql, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    w = np.array([[1, -1], [0.5, 0], [2, 1]])
    rows = np.column_stack([F["x"], F["z"], F["y"]])
    e = np.exp(rows @ w)
    expected = e / e.sum(axis=1, keepdims=True)
    sql(f"CREATE MODEL graph OPTIONS(model_type = 'onnx', path = '{GRAPH}')")
    found = sql(
        "SELECT label, probabilities FROM ML.PREDICT(MODEL graph, (SELECT id, array(x, z, y) AS x FROM t)) ORDER BY id"
    )
    np.testing.assert_allclose([r[1] for r in found], expected, atol=1e-5)
    assert [r[0] for r in found] == expected.argmax(axis=1).tolist()
    sql(
        f"CREATE MODEL columns INPUT (x double, z double, y double) OPTIONS(model_type = 'onnx', path = '{GRAPH}')"
    )
    again = sql("SELECT label, probabilities FROM ML.PREDICT(MODEL columns, TABLE t) ORDER BY id")
    assert again == found
    assert sql("SELECT ml_predict('columns', x => 9, z => 0, y => 0)") == [(0,)]
    sql(f"EXPORT MODEL columns TO '{tmp_path}/graph'")
    sql(f"CREATE MODEL graph_back OPTIONS(model_type = 'sqlshell', path = '{tmp_path}/graph')")
    assert sql("SELECT label, probabilities FROM ML.PREDICT(MODEL graph_back, TABLE t) ORDER BY id") == found
    refused(
        sql,
        f"CREATE MODEL bad INPUT (x double) OPTIONS(model_type = 'onnx', path = '{GRAPH}')",
        "MODEL_INPUT_MISSING",
    )
    refused(
        sql, f"CREATE MODEL bad OPTIONS(model_type = 'onnx', path = '{__file__}')", "UNSUPPORTED_MODEL_FORMAT"
    )
    refused(sql, "SELECT * FROM ML.EVALUATE(MODEL columns, TABLE t)", "INVALID_MODEL_FUNCTION_ARGUMENT")
