"""Logistic regression, binary and multinomial.

Minimises  sum(w loss) / sum(w) + l1 |s c|_1 + l2/2 |s c|^2  with s the features' sample deviations (1 without
`standardize_features`); intercepts are not penalised. More than two classes have one row of coefficients each
(softmax), which add up to zero over the classes.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.blocks import Array, Block, WithOnes
from sqlshell.ml.solvers.common import Rows, collinear, is_sparse, moments, standardised, weights_of
from sqlshell.ml.solvers.distributions import normal_two_sided
from sqlshell.ml.solvers.linear import Singular
from sqlshell.ml.solvers.optimize import Lbfgs, Newton
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable

NEWTON_SIZE = 1000
"""Coefficients up to which the Hessian is formed; above, L-BFGS."""

SAMPLE, RUN = 10_000, 64
"""Rows that a first answer is taken from at least, and how many of them lie side by side."""


@dataclass
class LogisticFit:
    """`coefficients` is (outputs, features), `intercepts` (outputs,): one output for two classes."""

    coefficients: Array
    intercepts: Array
    loss: float
    converged: bool
    gradient: float
    log: list[dict[str, float]]
    statistics: dict[str, Array] | None = None


@dataclass
class Options:
    l1: float = 0.0
    l2: float = 0.0
    standardize: bool = True
    intercept: bool = True
    strategy: str = "auto"
    max_iterations: int = 100
    tolerance: float = 1e-6
    p_values: bool = False
    checkpoint_interval: int = 10


def fit_logistic(rows: Rows, classes: int, options: Options, start: Array | None = None) -> LogisticFit:
    """`y` holds class codes 0 .. classes-1; two classes have one output, the log odds of class 1."""
    outputs = 1 if classes == 2 else classes
    d = rows.width
    m = moments(rows)
    sparse = is_sparse(rows)
    centre = options.intercept and not sparse
    scale = m.scale if options.standardize else np.ones(d)
    work = standardised(rows, m, centre=centre, scale=options.standardize)
    if options.intercept:
        work = work.with_blocks([Block(b.index, WithOnes(b.x), b.y, b.weight) for b in work.blocks])
    p = d + (1 if options.intercept else 0)
    penalised = np.ones((outputs, p))
    if options.intercept:
        penalised[:, d] = 0.0
    newton = outputs * p <= NEWTON_SIZE if options.strategy == "auto" else options.strategy == "newton"
    usable = m.std > 0
    if not options.intercept:
        usable |= m.mean != 0
    problem = _Problem(work, outputs, m.count, options, penalised.ravel(), usable, newton)
    theta = np.zeros((outputs, p))
    if start is not None:
        theta = _inner(start, m.mean if centre else np.zeros(d), scale, options.intercept)
    l1 = options.l1 * penalised.ravel()
    first = theta.ravel()
    if start is None:
        first = _head_start(problem, first, l1, options)
    found, entries = _minimise(problem, first, l1, options)
    inner = found.point.reshape(outputs, p)
    c = inner[:, :d] / scale
    c[:, ~usable] = 0.0
    b = inner[:, d].copy() if options.intercept else np.zeros(outputs)
    if centre:
        b -= c @ m.mean
    statistics = None
    if options.p_values:
        statistics = _inference(problem, found.point, c, b, m.mean, scale, usable, options.intercept)
    return LogisticFit(
        c, b, float(found.value), bool(found.converged), float(found.size), entries, statistics
    )


def _inner(start: Array, mean: Array, scale: Array, intercept: bool) -> Array:
    """Coefficients of an earlier model (intercepts last) in terms of the scaled features."""
    c = start[:, :-1]
    if not intercept:
        return c * scale
    return np.concatenate([c * scale, (start[:, -1] + c @ mean)[:, None]], axis=1)


class _Problem:
    """Loss, gradient and Hessian over all rows."""

    def __init__(
        self,
        rows: Rows,
        outputs: int,
        count: float,
        options: Options,
        penalised: Array,
        usable: Array,
        newton: bool,
    ) -> None:
        p = len(penalised) // outputs
        self.rows, self.outputs, self.p, self.count, self.usable = rows, outputs, p, count, usable
        self.l2 = options.l2 * penalised
        constant = np.zeros(p)
        constant[: len(usable)][~usable] = 1.0
        self.l2 = self.l2 + np.tile(constant, outputs)  # keeps the weight of a constant feature at 0
        self.newton = newton
        self.partial: Callable[[Block, Array, bool], Array] = _binary if outputs == 1 else _multinomial
        self.pinned = outputs > 1
        """Softmax does not change when one vector is added to all outputs: unpenalised parts are kept at sum 0."""
        self.free = np.ones(p) if options.l2 == 0 and options.l1 == 0 else 1.0 - penalised[:p]

    def over(self, rows: Rows, count: float) -> _Problem:
        """The same problem over other rows, whose weights add up to `count`."""
        found = copy(self)
        found.rows, found.count = rows, count
        return found

    def evaluate(self, theta: Array, curved: bool) -> tuple[float, Array, Array | None]:
        """The objective without its L1 part, its gradient and (when `curved`) its Hessian."""
        size = len(theta)
        sums = self.rows.sum(lambda b: self.partial(b, theta.reshape(self.outputs, self.p), curved))
        f = float(sums[0]) / self.count + 0.5 * float(self.l2 @ (theta * theta))
        g = sums[1 : 1 + size] / self.count + self.l2 * theta
        h = None
        if curved:
            h = sums[1 + size :].reshape(size, size) / self.count + np.diag(self.l2)
        if self.pinned:
            together = theta.reshape(self.outputs, self.p).sum(axis=0) * self.free
            f += 0.5 * float(together @ together) / self.outputs
            g = g + np.tile(together, self.outputs) / self.outputs
            if h is not None:
                h = h + np.kron(np.ones((self.outputs, self.outputs)), np.diag(self.free)) / self.outputs
        return f, g, h


def _binary(b: Block, theta: Array, newton: bool) -> Array:
    p = theta.shape[1]
    side = p if newton else 0
    loss, grad, hess = 0.0, np.zeros(p), np.zeros((side, side))
    for start, end, part in b.x.chunks():
        y = b.y[start:end]
        eta = part.dot(theta[0])
        tail = np.abs(eta)
        np.exp(np.negative(tail, out=tail), out=tail)
        likely = 1.0 / (1.0 + tail)
        chance = np.where(eta >= 0, likely, tail * likely)
        losses = np.log1p(tail)
        losses += np.maximum(eta, 0.0)
        losses -= y * eta
        left = np.subtract(chance, y, out=chance)
        spread = np.multiply(tail, likely, out=tail)
        spread *= likely
        if b.weight is not None:
            weight = b.weight[start:end]
            losses *= weight
            left *= weight
            spread *= weight
        loss += float(losses.sum())
        grad += part.t_dot(left)
        if newton:
            hess += part.gram(spread)
    return np.concatenate(([loss], grad, hess.ravel()))


def _multinomial(b: Block, theta: Array, newton: bool) -> Array:
    outputs, p = theta.shape
    side = p if newton else 0
    loss, grad, hess = 0.0, np.zeros((outputs, p)), np.zeros((outputs, side, outputs, side))
    for start, end, part in b.x.chunks():
        y = b.y[start:end].astype(np.int64)
        eta = part.dot(np.ascontiguousarray(theta.T))
        eta -= eta.max(axis=1)[:, None]
        at = np.arange(end - start)
        own = eta[at, y]
        np.exp(eta, out=eta)
        norm = eta.sum(axis=1)
        losses = np.log(norm) - own
        chance = eta / norm[:, None]
        left = chance.copy()
        left[at, y] -= 1.0
        weighted = chance
        if b.weight is not None:
            weight = b.weight[start:end]
            losses *= weight
            left *= weight[:, None]
            weighted = chance * weight[:, None]
        loss += float(losses.sum())
        grad += part.t_dot(left).T
        if newton:
            for k in range(outputs):
                for j in range(k + 1):
                    spread = weighted[:, k] * ((1.0 if j == k else 0.0) - chance[:, j])
                    piece = part.gram(spread)
                    hess[k, :, j, :] += piece
                    if j != k:
                        hess[j, :, k, :] += piece.T
    return np.concatenate(([loss], grad.ravel(), hess.ravel()))


def _minimise(
    problem: _Problem, theta: Array, l1: Array, options: Options
) -> tuple[Any, list[dict[str, float]]]:
    """Run the optimiser on rank 0 over all ranks' sums; every rank returns with the same answer."""
    gang = problem.rows.gang
    optimiser: Any = (Newton if problem.newton else Lbfgs)(theta, l1, options.tolerance)
    entries: list[dict[str, float]] = []
    saved = gang.restore() if options.checkpoint_interval else None
    if saved is not None:
        optimiser.__dict__.update(saved["optimiser"])
        entries = list(saved["log"])
    curved = optimiser.wants_hessian
    while len(entries) < options.max_iterations + 1:
        f, g, h = problem.evaluate(optimiser.point, curved)
        if not entries and h is not None and not np.any(l1) and options.l2 == 0:
            _check_independent(problem, h)
        answer = optimiser.tell(f, g, h) if gang.rank == 0 else None
        mine = (answer, optimiser.value, optimiser.size, optimiser.wants_hessian)
        answer, value, size, curved = gang.broadcast(mine)
        entries.append({"iteration": len(entries), "loss": float(value), "step": float(size)})
        if answer is None:
            break
        optimiser.point = answer
        if gang.rank == 0 and options.checkpoint_interval:
            gang.progress(**entries[-1], rows=problem.count)
        if options.checkpoint_interval and len(entries) % options.checkpoint_interval == 0:
            gang.checkpoint({"optimiser": dict(vars(optimiser)), "log": list(entries)})
    optimiser.__dict__.update(gang.broadcast(dict(vars(optimiser)) if gang.rank == 0 else None))
    return optimiser, entries


def _head_start(problem: _Problem, theta: Array, l1: Array, options: Options) -> Array:
    """Where to start: the answer of a sample of the rows when there are many, else `theta`.

    Newton's method then needs three passes over all rows instead of seven.
    """
    rows = problem.rows
    counts = [c for rank in rows.gang.all_gather([b.rows for b in rows.blocks]) for c in rank]
    wanted = max(SAMPLE, sum(counts) // 32, 50 * len(theta))
    if not problem.newton or 8 * wanted > sum(counts):
        return theta
    sample = rows.with_blocks([_runs(b, sum(counts) // wanted) for b in rows.blocks])
    count = float(sample.sum(lambda b: np.array([weights_of(b).sum()]))[0])
    part = problem.over(sample, count)
    rough = replace(options, max_iterations=12, tolerance=1e-3, checkpoint_interval=0)
    try:
        found, _ = _minimise(part, theta, l1, rough)
    except Singular:  # of the sample: whether of all rows is seen at their first point
        return theta
    point: Array = found.point
    return point if found.converged else theta


def _runs(b: Block, stride: int) -> Block:
    """Every `stride`-th run of rows: whole cache lines."""
    keep = np.zeros(b.rows, dtype=bool)
    for start in range(0, b.rows, RUN * stride):
        keep[start : start + RUN] = True
    return b.take(keep)


def _check_independent(problem: _Problem, h: Array) -> None:
    """Raise Singular when a feature depends on others: at the first point, where rows weigh (nearly) alike."""
    p = problem.p
    first = h[:p, :p] - (np.diag(problem.free) / problem.outputs if problem.pinned else 0.0)
    order = np.flatnonzero(problem.usable)
    if len(problem.usable) < p:
        order = np.concatenate(([p - 1], order))
    bad = [int(order[j]) for j in collinear(first[np.ix_(order, order)])]
    if bad:
        raise Singular(bad)


def _inference(
    problem: _Problem,
    theta: Array,
    c: Array,
    b: Array,
    mean: Array,
    scale: Array,
    usable: Array,
    intercept: bool,
) -> dict[str, Array]:
    """Wald statistics in original units, binary models without penalty; the intercept's come last."""
    _, _, h = problem.evaluate(theta, True)
    assert h is not None
    d = c.shape[1]
    at = np.append(np.flatnonzero(usable), d) if intercept else np.flatnonzero(usable)
    inverse = np.zeros_like(h)
    inverse[np.ix_(at, at)] = np.linalg.inv(h[np.ix_(at, at)] * problem.count)
    back = np.eye(h.shape[0])
    back[:d, :d] = np.diag(1.0 / scale)
    if intercept:
        back[d, :d] = -mean / scale
    covariance = back @ inverse @ back.T
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    values = np.append(c[0], b[0]) if intercept else c[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = values / errors
    p = np.array([normal_two_sided(float(x)) for x in z])
    return {"standard_error": errors, "z_value": z, "p_value": p}
