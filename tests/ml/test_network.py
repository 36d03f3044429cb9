"""dnn_*: exact steps, the same bits for any number of ranks, scores without torch (training tests need it)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import CorruptInputError, Error
from sqlshell.ml.blocks import Block, Dense
from sqlshell.ml.gang import Solo
from sqlshell.ml.solvers.common import Rows
from sqlshell.storage import safetensors
from tests.ml.gangs import run_gang

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlshell.session import Session

    Sql = Callable[[str], list[tuple[Any, ...]]]


def test_safetensors_round_trip_and_damage() -> None:
    tensors = {"w0": np.arange(6.0).reshape(2, 3), "b0": np.array([1.5, -0.0, np.pi])}
    content = safetensors.dump(tensors)
    found = safetensors.load(content)
    assert {n: v.tobytes() for n, v in found.items()} == {n: v.tobytes() for n, v in tensors.items()}
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert header["w0"] == {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}
    for bad in (b"", content[:40], content[:-8], content.replace(b"F64", b"F32"), b"\xff" * 16):
        with pytest.raises(CorruptInputError):
            safetensors.load(bad)


def rows(gang: Any, parts: int = 4, count: int = 240) -> Rows:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(count, 3)) * [1, 4, 0.5] + [0, 2, 9]
    y = (x[:, 0] * (x[:, 1] - 2) > 0).astype(float)
    w = rng.uniform(0.5, 2.0, count)
    cut = np.linspace(0, count, parts + 1).astype(int) ** 2 // count  # of different sizes
    low, high = gang.rank * parts // gang.world_size, (gang.rank + 1) * parts // gang.world_size
    blocks = [
        Block(p, Dense(x[cut[p] : cut[p + 1]]), y[cut[p] : cut[p + 1]], w[cut[p] : cut[p + 1]])
        for p in range(low, high)
    ]
    return Rows(gang, blocks, 3)


def settings(**changes: Any) -> Any:
    from sqlshell.ml.solvers.network import Settings

    values = {"hidden": (5, 4), "activation": "tanh", "outputs": 1, "classes": True, "batch_size": 50, "epochs": 3,
              "learn_rate": 0.01, "optimizer": "adam", "dropout": 0.2, "l1": 1e-4, "l2": 1e-3, "seed": 3,
              "checkpoint_interval": 1, "progress": 0.0}  # fmt: skip
    return Settings(**{**values, **changes})


def bits(fit: Any) -> list[bytes]:
    return [v.tobytes() for layer in fit.layers for v in layer]


def test_ranks_and_restarts_do_not_matter() -> None:
    pytest.importorskip("torch")
    from sqlshell.ml.solvers.network import fit_network

    s = settings()
    alone = fit_network(rows(Solo()), rows(Solo(), count=80), s)
    for ranks in (2, 4):
        answers, _ = run_gang(ranks, lambda g: fit_network(rows(g), rows(g, count=80), s))
        assert all(bits(a) == bits(alone) and a.log == alone.log for a in answers)
    _, shared = run_gang(2, lambda g: fit_network(rows(g), rows(g, count=80), settings(epochs=2)))
    assert shared["saved"][0]["log"] == alone.log[:1] or shared["saved"][0]["log"] == alone.log[:2]
    again, _ = run_gang(2, lambda g: fit_network(rows(g), rows(g, count=80), s), shared["saved"])
    assert bits(again[0]) == bits(alone)


def test_one_step_is_that_of_calculus() -> None:
    """No hidden layer, all rows in one step of gradient descent: least squares by hand."""
    pytest.importorskip("torch")
    from sqlshell.ml.solvers.common import moments, weights_of
    from sqlshell.ml.solvers.network import fit_network

    own = rows(Solo())
    start = [(np.array([[0.3], [-0.2], [0.1]]), np.array([0.05]))]
    s = settings(
        hidden=(), classes=False, epochs=1, batch_size=10_000, optimizer="sgd", l1=0.0, dropout=0.0, l2=0.1
    )
    fit = fit_network(own, None, s, start)
    x = np.concatenate([b.x.values for b in own.blocks])
    y = np.concatenate([b.y for b in own.blocks])
    w = np.concatenate([weights_of(b) for b in own.blocks])
    m = moments(own)
    shift = w @ y / w.sum()
    spread = np.sqrt(w @ (y - shift) ** 2 / w.sum())
    z, t = (x - m.mean) / m.scale, (y - shift) / spread
    c = start[0][0][:, 0] * m.scale / spread
    b = (start[0][1][0] + m.mean @ start[0][0][:, 0] - shift) / spread
    left = z @ c + b - t
    c = c - 0.01 * (2 * z.T @ (w * left) / w.sum() + 0.1 * c)
    b = b - 0.01 * 2 * (w @ left) / w.sum()
    expected = c * spread / m.scale
    np.testing.assert_allclose(fit.layers[0][0][:, 0], expected, rtol=1e-10)
    np.testing.assert_allclose(fit.layers[0][1], b * spread + shift - m.mean @ expected, rtol=1e-10)


NETWORKS = {
    "net_two": "'dnn_classifier', label = 'yes', hidden_units = [16, 8], early_stop = TRUE",
    "net_three": "'dnn_classifier', label = 'kind', activation_fn = 'elu', auto_class_weights = TRUE",
    "net_number": "'dnn_regressor', label = 'y', hidden_units = [32], activation_fn = 'tanh'",
}


@pytest.fixture(scope="module")
def networks(session: Session) -> Session:
    pytest.importorskip("torch")
    for name, options in NETWORKS.items():
        label = options.split("label = '")[1].split("'")[0]
        session.execute(f"""CREATE MODEL {name} OPTIONS(model_type = {options}, learn_rate = 0.01, max_iterations = 8,
                            batch_size = 64, seed = 5) AS SELECT x, z, c, {label} FROM t""")
    return session


def test_networks_learn(sql: Sql, networks: Session) -> None:
    assert sql("SELECT r2_score FROM ML.EVALUATE(MODEL net_number)")[0][0] > 0.85
    assert sql("SELECT accuracy FROM ML.EVALUATE(MODEL net_two)")[0][0] > 0.8
    assert sql("SELECT accuracy FROM ML.EVALUATE(MODEL net_three)")[0][0] > 0.7
    assert sql("SELECT count(*) > 1, min(eval_loss) IS NOT NULL FROM system.ml.training_info WHERE model = 'net_two'"
               ) == [(True, True)]  # fmt: skip


def test_scores_are_the_layers(sql: Sql, networks: Session) -> None:
    from sqlshell.ml.model import of_version
    from sqlshell.storage.models import parse_reference

    model = of_version(networks.models.resolve(parse_reference("net_number")))
    t = safetensors.load(model.files["network.safetensors"])
    rows_ = sql("SELECT predicted_y, x, z, c FROM ML.PREDICT(MODEL net_number, TABLE t) LIMIT 50")
    for said, x, z, c in rows_:
        v = np.array([x, z, *(float(c == k) for k in model.features[2].columns)])
        assert said == pytest.approx(
            float((np.tanh(v @ t["w0"] + t["b0"]) @ t["w1"] + t["b1"])[0]), rel=1e-12
        )


def test_it_replays_and_goes_on(sql: Sql, networks: Session, tmp_path: Path) -> None:
    find = (
        "SELECT parameter_sha256 FROM system.ml.runs WHERE model = 'net_number' ORDER BY version DESC LIMIT 1"
    )
    sha = sql(find)
    (text,) = sql("SHOW CREATE MODEL net_number")[0]
    sql(text.replace("OPTIONS (", "OPTIONS (num_workers = 1, "))
    assert sql(find) == sha
    last = sql("SELECT min(loss) FROM ML.TRAINING_INFO(MODEL net_number)")
    sql(text.replace("OPTIONS (", "OPTIONS (warm_start = TRUE, "))
    assert (
        sql("SELECT loss FROM ML.TRAINING_INFO(MODEL net_number) WHERE iteration = 1")[0][0] < 2 * last[0][0]
    )
    sql(f"EXPORT MODEL net_number TO '{tmp_path}/net'")
    sql(f"CREATE MODEL net_back OPTIONS(model_type = 'sqlshell', path = '{tmp_path}/net')")
    assert sql("SELECT ml_predict('net_back', x => 1, z => 2, c => 'red')") == sql(
        "SELECT ml_predict('net_number', x => 1, z => 2, c => 'red')"
    )
    with pytest.raises(Error) as e:
        sql(text.replace("hidden_units = [32]", "hidden_units = [31], warm_start = TRUE"))
    assert e.value.condition == "INVALID_WARM_START"


@pytest.mark.parametrize(
    "options",
    ["hidden_units = [0]", "hidden_units = [1.5]", "early_stop = TRUE, data_split_method = 'no_split'"],
)
def test_bad_options(sql: Sql, options: str) -> None:
    with pytest.raises(Error) as e:
        sql(
            f"CREATE MODEL bad OPTIONS(model_type = 'dnn_regressor', label = 'y', {options}) AS SELECT x, y FROM t"
        )
    assert e.value.condition == "INVALID_MODEL_OPTION_COMBINATION"
