"""Feed-forward networks: torch computes gradients, the gang adds them up, every rank takes the same steps.

A step takes the next rows of every partition, in an order drawn from seed, epoch and partition; gradients are added
up in the order of partitions, so 1, 2 and 4 ranks give the same bits. Doubles on one thread per rank.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.blocks import Sparse
from sqlshell.ml.solvers.common import Rows, moments, weights_of
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.ml.blocks import Array, Block

PATIENCE = 5
"""Epochs without a better loss on the rows held out before training stops."""


@dataclass(frozen=True)
class Settings:
    """`outputs` 1 with `classes` False is a regression, with True two classes."""

    hidden: tuple[int, ...]
    activation: str
    outputs: int
    classes: bool
    batch_size: int
    epochs: int
    learn_rate: float
    optimizer: str
    dropout: float
    l1: float
    l2: float
    seed: int
    checkpoint_interval: int
    progress: float


@dataclass
class NetworkFit:
    """Layers over features as they are: weights (inputs, outputs) and biases."""

    layers: list[tuple[Array, Array]]
    log: list[dict[str, float]]
    loss: float


def fit_network(
    rows: Rows, held_out: Rows | None, s: Settings, start: Sequence[tuple[Array, Array]] | None = None
) -> NetworkFit:
    """Train; `start` are layers over features as they are."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    m = moments(rows)
    mean, scale = m.mean, m.scale
    shift, spread = _label_scale(rows) if not s.classes else (0.0, 1.0)
    mine = [_Part(torch, b, mean, scale, shift, spread) for b in rows.blocks]
    others = [_Part(torch, b, mean, scale, shift, spread) for b in held_out.blocks] if held_out else None
    first = _drawn(rows.width, s) if start is None else _scaled(start, mean, scale, shift, spread)
    net = _Network(torch, first, s)
    log, best = _train(torch, rows, net, mine, others, s)
    layers = _unscaled(best, mean, scale, shift, spread)
    return NetworkFit(layers, log, float(log[-1]["loss"]) if log else float("nan"))


def _label_scale(rows: Rows) -> tuple[float, float]:
    sums = rows.sum(lambda b: np.array([weights_of(b).sum(), float(weights_of(b) @ b.y)]))
    mean = float(sums[1] / sums[0])
    squares = rows.sum(lambda b: np.array([float(weights_of(b) @ (b.y - mean) ** 2)]))
    return mean, math.sqrt(float(squares[0] / sums[0])) or 1.0


class _Part:
    """One partition as tensors, features and numeric labels standardised."""

    def __init__(self, torch: Any, b: Block, mean: Array, scale: Array, shift: float, spread: float) -> None:
        values = b.x.dense() if isinstance(b.x, Sparse) else getattr(b.x, "values")  # noqa: B009
        self.index, self.rows = b.index, b.rows
        self.x = torch.from_numpy(np.ascontiguousarray((values - mean) / scale))
        self.y = torch.from_numpy((b.y - shift) / spread)
        self.w = torch.from_numpy(np.ascontiguousarray(weights_of(b), dtype=np.float64))


def _drawn(width: int, s: Settings) -> list[tuple[Array, Array]]:
    """First layers, uniform within 1 / sqrt(inputs) as torch begins."""
    rng = np.random.Generator(np.random.Philox(key=[s.seed, 1 << 42]))
    sizes = [width, *s.hidden, s.outputs]
    layers = []
    for a, b in itertools.pairwise(sizes):
        bound = 1.0 / math.sqrt(a)
        layers.append((rng.uniform(-bound, bound, (a, b)), rng.uniform(-bound, bound, b)))
    return layers


def _scaled(
    layers: Sequence[tuple[Array, Array]], mean: Array, scale: Array, shift: float, spread: float
) -> list[tuple[Array, Array]]:
    """Layers over standardised features, for standardised labels."""
    made = [(w.copy(), b.copy()) for w, b in layers]
    w, b = made[0]
    made[0] = (w * scale[:, None], b + mean @ w)
    w, b = made[-1]
    made[-1] = (w / spread, (b - shift) / spread)
    return made


def _unscaled(
    layers: Sequence[tuple[Array, Array]], mean: Array, scale: Array, shift: float, spread: float
) -> list[tuple[Array, Array]]:
    made = list(layers)
    w, b = made[-1]
    made[-1] = (w * spread, b * spread + shift)
    w, b = made[0]
    made[0] = (w / scale[:, None], b - (mean / scale) @ w)
    return made


class _Network:
    """Parameters, their optimizer, losses."""

    def __init__(self, torch: Any, layers: Sequence[tuple[Array, Array]], s: Settings) -> None:
        self.torch, self.s = torch, s
        self.parameters = [torch.tensor(p, requires_grad=True) for layer in layers for p in layer]
        kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad,
                 "rmsprop": torch.optim.RMSprop}  # fmt: skip
        self.optimizer = kinds[s.optimizer](self.parameters, lr=s.learn_rate)
        f = torch.nn.functional
        self.act = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": f.elu,
                    "leaky_relu": f.leaky_relu, "identity": lambda x: x}[s.activation]  # fmt: skip

    def loss(self, x: Any, y: Any, w: Any, drop: Any = None) -> Any:
        """The weighted sum of rows' losses; `drop` draws what dropout leaves out."""
        f = self.torch.nn.functional
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for i, (weight, bias) in enumerate(pairs):
            x = x @ weight + bias
            if i < len(pairs) - 1:
                x = self.act(x)
                if drop is not None:
                    kept = (
                        self.torch.rand(x.shape, generator=drop, dtype=self.torch.float64) >= self.s.dropout
                    )
                    x = x * kept / (1.0 - self.s.dropout)
        if self.s.outputs > 1:
            each = f.cross_entropy(x, y.long(), reduction="none")
        elif self.s.classes:
            each = f.binary_cross_entropy_with_logits(x[:, 0], y, reduction="none")
        else:
            each = (x[:, 0] - y) ** 2
        return (each * w).sum()

    def partial(self, p: _Part, at: Any, drop: Any) -> Array:
        """The gradient of some rows of a partition, their loss and their weight, side by side."""
        for q in self.parameters:
            q.grad = None
        weight = p.w[at]
        if len(at):
            loss = self.loss(p.x[at], p.y[at], weight, drop)
            loss.backward()
            flat = [q.grad.numpy().ravel() for q in self.parameters]
            return np.concatenate([*flat, [float(loss.detach()), float(weight.sum())]])
        return np.zeros(sum(q.numel() for q in self.parameters) + 2)

    def step(self, flat: Array) -> None:
        """One step along the mean gradient and the penalties."""
        total = max(float(flat[-1]), 1e-300)
        at = 0
        for i, q in enumerate(self.parameters):
            grad = flat[at : at + q.numel()].reshape(tuple(q.shape)) / total
            at += q.numel()
            if i % 2 == 0 and (self.s.l1 or self.s.l2):
                value = q.detach().numpy()
                grad = grad + self.s.l2 * value + self.s.l1 * np.sign(value)
            q.grad = self.torch.from_numpy(np.ascontiguousarray(grad))
        self.optimizer.step()

    def layers(self) -> list[tuple[Array, Array]]:
        found = [q.detach().numpy().copy() for q in self.parameters]
        return list(zip(found[::2], found[1::2], strict=True))


def _train(
    torch: Any, rows: Rows, net: _Network, mine: list[_Part], others: list[_Part] | None, s: Settings
) -> tuple[list[dict[str, float]], list[tuple[Array, Array]]]:
    """Epochs from the last checkpoint on: the log, and the best layers."""
    gang = rows.gang
    count = sum(c for rank in gang.all_gather([p.rows for p in mine]) for c in rank)
    steps = max(1, -(-count // s.batch_size))
    log: list[dict[str, float]] = []
    best, best_loss, since = net.layers(), float("inf"), 0
    state = gang.restore()
    if state is not None:
        log, best, best_loss, since = state["log"], state["best"], state["best_loss"], state["since"]
        with torch.no_grad():
            for q, value in zip(net.parameters, state["parameters"], strict=True):
                q.copy_(torch.from_numpy(value))
        net.optimizer.load_state_dict(state["optimizer"])
    while len(log) < s.epochs:
        epoch = len(log) + 1
        seen = np.zeros(2)
        orders = [_order(s.seed, epoch, p) for p in mine]
        for k in range(steps):
            parts = []
            for p, order in zip(mine, orders, strict=True):
                at = torch.from_numpy(order[p.rows * k // steps : p.rows * (k + 1) // steps])
                drop = None
                if s.dropout:
                    drop = torch.Generator().manual_seed(hash((s.seed, epoch, k, p.index)) & (2**63 - 1))
                parts.append(net.partial(p, at, drop))
            flat = gang.all_reduce(parts)
            net.step(flat)
            seen += flat[-2:]
        entry = {"iteration": epoch, "loss": float(seen[0] / seen[1]) if seen[1] else 0.0}
        done = False
        if others is not None:
            entry["eval_loss"] = _loss(torch, gang, net, others)
            if entry["eval_loss"] < best_loss * (1.0 - s.progress):
                best, best_loss, since = net.layers(), entry["eval_loss"], 0
            else:
                since += 1
                done = since >= PATIENCE
        else:
            best = net.layers()
        log.append(entry)
        if gang.rank == 0:
            gang.progress(iteration=epoch, loss=entry["loss"], rows=count)
        if done:
            break
        if s.checkpoint_interval and epoch % s.checkpoint_interval == 0:
            gang.checkpoint({
                "log": list(log), "best": best, "best_loss": best_loss, "since": since,
                "parameters": [q.detach().numpy().copy() for q in net.parameters],
                "optimizer": net.optimizer.state_dict(),
            })  # fmt: skip
    return log, best


def _order(seed: int, epoch: int, p: _Part) -> Array:
    rng = np.random.Generator(np.random.Philox(key=[seed, (epoch << 24) + p.index]))
    return rng.permutation(p.rows)


def _loss(torch: Any, gang: Any, net: _Network, parts: list[_Part]) -> float:
    with torch.no_grad():
        found = [
            np.array([float(net.loss(p.x, p.y, p.w)) if p.rows else 0.0, float(p.w.sum())]) for p in parts
        ]
    sums = gang.all_reduce(found)
    return float(sums[0] / sums[1]) if sums[1] else 0.0
