"""Boosted trees and random forests: xgboost in the gang, with cuts, samples and starts that ranks do not change.

Every rank cuts features at the same 256 quantiles of the whole training set, rows are drawn by a hash of their place in
the order of partitions, and the first guess comes from sums in that order: 1, 2 and 4 ranks grow the same trees.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.blocks import Array, Sparse
from sqlshell.ml.solvers.common import Rows, weights_of
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

BINS = 256
SAMPLE_ROWS, SAMPLE_VALUES = 200_000, 4_000_000
"""Rows that quantiles are taken from, and numbers at most: 1/5 of 1 M rows gives trees as good as all of them."""

INLINE_SPLITS = 250
"""Splits up to which trees become expressions: 50 M rows/s against 14-18 in a batch; at 630 it is 7."""


@dataclass(frozen=True)
class Settings:
    """How trees grow. `objective` is one of xgboost's; `forest` trees all start from the first guess."""

    objective: str
    outputs: int
    rounds: int
    forest: bool
    learn_rate: float
    subsample: float
    seed: int
    parameters: dict[str, Any]
    checkpoint_interval: int
    patience: int
    """Rounds without a better loss on the rows held out before growing stops; 0: never."""
    progress: float = 0.0
    """What counts as better: by this share of the loss."""


@dataclass
class TreesFit:
    """`booster` is xgboost's UBJSON; the importances have one number per feature column."""

    booster: bytes
    base: Array
    log: list[dict[str, float]]
    importance: dict[str, Array]
    splits: int
    trees: list[dict[str, list[float]]]
    """Each tree by node, when all together are few: feature (-1: a leaf), value, left, right, default_left."""
    rounds: int
    loss: float


def fit_trees(rows: Rows, held_out: Rows | None, settings: Settings) -> TreesFit:
    """Grow the trees; `y` are class codes or numbers."""
    import xgboost as xgb

    gang = rows.gang
    grid = _grid(rows)
    threads = int(getattr(gang, "threads", 1))
    reference = xgb.QuantileDMatrix(grid, max_bin=BINS, missing=np.nan, nthread=1)
    base = _first_guess(rows, settings)
    mine = _Mine(rows)
    with _communicator(gang):
        matrix = mine.matrix(xgb, reference, threads)
        others = _Mine(held_out).matrix(xgb, reference, threads) if held_out is not None else None
        parameters = {
            **settings.parameters, "objective": settings.objective, "tree_method": "hist", "max_bin": BINS,
            "base_score": float(base[0]), "seed": settings.seed, "seed_per_iteration": True, "nthread": threads,
            "verbosity": 0, "learning_rate": 1.0 / settings.rounds if settings.forest else settings.learn_rate,
        }  # fmt: skip
        if settings.outputs > 1:
            parameters["num_class"] = settings.outputs
        booster = xgb.Booster(parameters, [matrix] if others is None else [matrix, others])
        growth = _Growth(gang, rows, held_out, settings, booster, matrix, others, mine.first)
        growth.run()
        booster = growth.booster
    if growth.best < growth.done:
        booster = booster[: growth.best]
    booster.set_param({"nthread": 1})
    return _answer(booster, rows.width, base, growth, settings)


def _answer(booster: Any, width: int, base: Array, growth: _Growth, settings: Settings) -> TreesFit:
    importance = {}
    for kind in ("weight", "total_gain", "total_cover"):
        found = booster.get_score(importance_type=kind)
        importance[kind] = np.array([float(found.get(f"f{i}", 0.0)) for i in range(width)])
    splits = int(importance["weight"].sum())
    trees = _flat(booster) if splits <= INLINE_SPLITS else []
    return TreesFit(bytes(booster.save_raw("ubj")), base, growth.log, importance, splits, trees,
                    growth.best, growth.loss)  # fmt: skip


def read_booster(content: bytes) -> tuple[Any, dict[str, Any], TreesFit]:
    """A model that xgboost wrote: the booster, its JSON's learner, and what we keep of trees.

    Raises ValueError when it is none.
    """
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 1, "verbosity": 0})
    booster.load_model(bytearray(content))
    learner: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
    score = learner["learner_model_param"]["base_score"]
    base = np.array([float(v) for v in str(score).strip("[]").split(",")])
    names = booster.feature_names
    importance = {}
    for kind in ("weight", "total_gain", "total_cover"):
        found = booster.get_score(importance_type=kind)
        keys = names or [f"f{i}" for i in range(booster.num_features())]
        importance[kind] = np.array([found.get(k, 0.0) for k in keys], dtype=np.float64)
    splits = int(importance["weight"].sum())
    one_base = len(set(base.tolist())) == 1
    trees = _flat(booster) if splits <= INLINE_SPLITS and one_base else []
    booster.feature_names = None
    plain = bytes(booster.save_raw("ubj"))
    booster.feature_names = names
    return booster, learner, TreesFit(plain, base[:1], [], importance, splits, trees, 0, 0.0)


def _flat(booster: Any) -> list[dict[str, list[float]]]:
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    out = []
    for tree in model["trees"]:
        left = tree["left_children"]
        out.append({
            "feature": [float(f) if at >= 0 else -1.0 for f, at in zip(tree["split_indices"], left, strict=True)],
            "value": [float(np.float32(v)) for v in tree["split_conditions"]],
            "left": [float(v) for v in left],
            "right": [float(v) for v in tree["right_children"]],
            "default_left": [float(v) for v in tree["default_left"]],
        })  # fmt: skip
    return out


@contextlib.contextmanager
def _communicator(gang: Any) -> Iterator[None]:
    """xgboost's own collective over the gang's ranks; its tracker lives in rank 0, which dies with the attempt."""
    if gang.world_size == 1:
        yield
        return
    from xgboost import collective
    from xgboost.tracker import RabitTracker

    tracker = None
    if gang.rank == 0:
        tracker = RabitTracker(n_workers=gang.world_size, host_ip="127.0.0.1", sortby="task")
        tracker.start()
    args = gang.broadcast(dict(tracker.worker_args()) if tracker is not None else None)
    with collective.CommunicatorContext(**args, dmlc_task_id=f"{gang.rank:06d}"):
        yield
    if tracker is not None:
        tracker.wait_for()


class _Mine:
    """A rank's rows for xgboost: one float32 matrix over its partitions. `first` are the rows before each block."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.first = _offsets(rows)[0]

    def matrix(self, xgb: Any, reference: Any, threads: int) -> Any:
        blocks = self.rows.blocks
        count = sum(b.rows for b in blocks)
        values = np.empty((count, self.rows.width), dtype=np.float32)
        at = 0
        for b in blocks:
            values[at : at + b.rows] = b.x.dense() if isinstance(b.x, Sparse) else getattr(b.x, "values")  # noqa: B009
            at += b.rows
        label = np.concatenate([np.zeros(0), *(b.y for b in blocks)])
        weight = None
        if any(b.weight is not None for b in blocks):
            weight = np.concatenate([np.zeros(0), *(weights_of(b) for b in blocks)])
        return xgb.QuantileDMatrix(
            values, label, weight=weight, ref=reference, max_bin=BINS, missing=np.nan, nthread=threads
        )


def _offsets(rows: Rows) -> tuple[list[int], int]:
    """How many rows stand before each of this rank's blocks in the order of partitions, and all rows."""
    counts = rows.gang.all_gather([b.rows for b in rows.blocks])
    before = sum(sum(c) for c in counts[: rows.gang.rank])
    out = []
    for b in rows.blocks:
        out.append(before)
        before += b.rows
    return out, sum(sum(c) for c in counts)


def _grid(rows: Rows) -> Array:
    """256 quantiles of each feature over the whole training set, NaN where a feature has fewer values."""
    gang = rows.gang
    first, count = _offsets(rows)
    most = max(5_000, min(SAMPLE_ROWS, SAMPLE_VALUES // max(rows.width, 1)))
    stride = max(1, -(-count // most))
    parts = []
    low = np.full(rows.width, np.inf, dtype=np.float32)
    high = -low
    for b, at in zip(rows.blocks, first, strict=True):
        values = b.x.dense() if isinstance(b.x, Sparse) else getattr(b.x, "values")  # noqa: B009
        parts.append(values[-at % stride :: stride].astype(np.float32))
        if b.rows:
            low = np.fmin(low, np.fmin.reduce(values, axis=0).astype(np.float32))
            high = np.fmax(high, np.fmax.reduce(values, axis=0).astype(np.float32))
    empty = np.zeros((0, rows.width), dtype=np.float32)
    gathered = gang.all_gather((np.concatenate([empty, *parts]), low, high))
    sample = np.concatenate([g[0] for g in gathered])
    low, high = np.min([g[1] for g in gathered], axis=0), np.max([g[2] for g in gathered], axis=0)
    own = {i: _cuts(sample[:, i], low[i], high[i]) for i in range(gang.rank, rows.width, gang.world_size)}
    grid = np.full((BINS, rows.width), np.nan, dtype=np.float32)
    for found in gang.all_gather(own):
        for i, cuts in found.items():
            grid[: len(cuts), i] = cuts
    return grid


def _cuts(values: Array, low: Any, high: Any) -> Array:
    known = values[np.isfinite(values)]
    known.sort()
    distinct = known[np.concatenate(([True], known[1:] != known[:-1]))] if len(known) else known
    if len(distinct) > BINS - 2:
        at = ((np.arange(BINS - 2) + 0.5) / (BINS - 2) * len(known)).astype(np.int64)
        distinct = np.unique(known[at])
    ends = [v for v in (low, high) if np.isfinite(v)]
    return np.unique(np.concatenate([distinct, np.array(ends, dtype=np.float32)]))


def _first_guess(rows: Rows, settings: Settings) -> Array:
    """What xgboost starts from: the mean label, or 0.5 of each of several classes."""
    if settings.outputs > 1:
        return np.array([0.5])
    sums = rows.sum(lambda b: np.array([weights_of(b).sum(), float(weights_of(b) @ b.y)]))
    mean = float(np.float32(sums[1] / sums[0]))
    return np.array([min(max(mean, 1e-6), 1 - 1e-6) if settings.objective == "binary:logistic" else mean])


class _Growth:
    """The rounds of one attempt, from the last checkpoint."""

    def __init__(
        self, gang: Any, rows: Rows, held_out: Rows | None, settings: Settings, booster: Any, matrix: Any,
        others: Any, first: list[int],
    ) -> None:  # fmt: skip
        self.gang, self.rows, self.held_out, self.settings = gang, rows, held_out, settings
        self.booster, self.matrix, self.others, self.first = booster, matrix, others, first
        self.log: list[dict[str, float]] = []
        self.done, self.best, self.best_loss, self.loss = 0, 0, float("inf"), 0.0
        self.forest_start: tuple[Array, Array] | None = None
        small = gang.all_gather(rows.width * sum(b.rows for b in rows.blocks) < 1 << 20)
        self.every = 1 if all(small) else 10
        """Rounds between losses in the log: each costs a pass."""

    def run(self) -> None:
        s = self.settings
        state = self.gang.restore()
        if state is not None:
            self.booster.load_model(bytearray(state["booster"]))
            self.done, self.log = state["done"], state["log"]
            self.best, self.best_loss = state["best"], state["best_loss"]
        patient = s.patience and self.others is not None
        while self.done < s.rounds:
            self._round()
            self.done += 1
            last = self.done == s.rounds
            if patient:
                loss = self._loss(self.others, self.held_out)
                if loss < self.best_loss * (1.0 - s.progress) or self.best == 0:
                    self.best, self.best_loss = self.done, loss
                elif self.done - self.best >= s.patience:
                    last = True
            else:
                self.best = self.done
            if last or self.done % self.every == 0:
                self.loss = self._loss(self.matrix, self.rows)
                entry = {"iteration": self.done, "loss": self.loss}
                if patient:
                    entry["eval_loss"] = loss
                self.log.append(entry)
                if self.gang.rank == 0:
                    self.gang.progress(iteration=self.done, loss=self.loss)
            if last:
                break
            if s.checkpoint_interval and self.done % s.checkpoint_interval == 0:
                self.gang.checkpoint({
                    "booster": bytes(self.booster.save_raw("ubj")), "done": self.done, "log": self.log,
                    "best": self.best, "best_loss": self.best_loss,
                })  # fmt: skip

    def _round(self) -> None:
        s = self.settings
        if not s.forest and s.subsample >= 1.0:
            self.booster.update(self.matrix, self.done)
            return
        if s.forest:
            if self.forest_start is None:
                margin = np.float32(_margin(self.settings, self.booster))
                shape = (self.matrix.num_row(), s.outputs) if s.outputs > 1 else (self.matrix.num_row(),)
                self.forest_start = _gradients(np.full(shape, margin, dtype=np.float32), self.rows, s)
            gradient, hessian = self.forest_start
        else:
            margin = self.booster.predict(self.matrix, output_margin=True, training=True)
            gradient, hessian = _gradients(margin, self.rows, s)
        if s.subsample < 1.0:
            drawn = self._drawn().astype(np.float32)
            drawn = drawn[:, None] if gradient.ndim == 2 else drawn
            gradient, hessian = gradient * drawn, hessian * drawn
        self.booster.boost(self.matrix, self.done, grad=gradient, hess=hessian)

    def _drawn(self) -> Array:
        """Which rows this round learns from, by a hash of their place."""
        salt = np.uint64((self.settings.seed * 1_000_003 + self.done + 1) % (1 << 63))
        parts = [
            np.arange(at, at + b.rows, dtype=np.uint64)
            for b, at in zip(self.rows.blocks, self.first, strict=True)
        ]
        with np.errstate(over="ignore"):
            h = np.concatenate([np.zeros(0, dtype=np.uint64), *parts]) * np.uint64(0x9E3779B97F4A7C15)
            h += salt * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h ^= h >> np.uint64(31)
        found: Array = (h >> np.uint64(11)).astype(np.float64) * 2.0**-53 < self.settings.subsample
        return found

    def _loss(self, matrix: Any, rows: Rows | None) -> float:
        """The mean loss over rows, added up in the order of partitions."""
        assert rows is not None
        margin = self.booster.predict(matrix, output_margin=True)
        at = 0
        cut = {}
        for b in rows.blocks:
            cut[b.index] = margin[at : at + b.rows]
            at += b.rows
        sums = rows.sum(lambda b: _block_loss(cut[b.index], b, self.settings.objective))
        return float(sums[0] / sums[1]) if sums[1] else 0.0


def _margin(settings: Settings, booster: Any) -> float:
    """The first guess before the objective's transformation."""
    base = json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"]
    value = float(str(base).strip("[]").split(",")[0])
    return float(np.log(value / (1 - value))) if settings.objective == "binary:logistic" else value


def _gradients(margin: Array, rows: Rows, settings: Settings) -> tuple[Array, Array]:
    y = np.concatenate([np.zeros(0), *(b.y for b in rows.blocks)])
    w = np.concatenate([np.zeros(0), *(weights_of(b) for b in rows.blocks)])
    m = margin.astype(np.float64)
    if settings.objective == "reg:squarederror":
        gradient, hessian = m - y, np.ones_like(y)
    elif settings.objective == "binary:logistic":
        p = 1.0 / (1.0 + np.exp(-m))
        gradient, hessian = p - y, np.maximum(p * (1.0 - p), 1e-16)
    else:
        p = np.exp(m - m.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        hessian = np.maximum(2.0 * p * (1.0 - p), 1e-16)
        gradient = p
        gradient[np.arange(len(y)), y.astype(np.int64)] -= 1.0
        w = w[:, None]
    return (gradient * w).astype(np.float32), (hessian * w).astype(np.float32)


def _block_loss(margin: Array, b: Any, objective: str) -> Array:
    m, w = margin.astype(np.float64), weights_of(b)
    if objective == "reg:squarederror":
        each = (m - b.y) ** 2
    elif objective == "binary:logistic":
        each = np.logaddexp(0.0, np.where(b.y > 0, -m, m))
    else:
        top = m.max(axis=1, keepdims=True) if len(m) else m
        log_sum = np.log(np.exp(m - top).sum(axis=1)) + top[:, 0] if len(m) else np.zeros(0)
        each = log_sum - m[np.arange(len(m)), b.y.astype(np.int64)]
    return np.array([float(w @ each), float(w.sum())])
