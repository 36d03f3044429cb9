"""Optimisers that are told values and answer with the next point, so that rank 0 alone decides.

Both minimise f(theta) + sum(l1 |theta|), where f (with its L2 part) is smooth; `l1` is zero where nothing is
penalised. `tell` returns the next point, or None when `point` is the answer. Their state is plain attributes:
a gang that restarts goes on from a checkpoint to the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.solvers.common import descend

if TYPE_CHECKING:
    from sqlshell.ml.blocks import Array

ARMIJO = 1e-4
NOISE = 1e-12


class Newton:
    """Newton's method; with l1 the quadratic model is minimised by coordinate descent (proximal Newton).

    `wants_hessian` says whether the next `tell` needs one: close to the answer the last one serves again.
    """

    def __init__(self, start: Array, l1: Array, tolerance: float) -> None:
        self.point = start
        self.l1 = l1
        self.tolerance = tolerance
        self.value = np.inf
        self.step = np.zeros_like(start)
        self.factor = 1.0
        self.size = 0.0
        self.converged = False
        self.wants_hessian = True
        self.hessian: Array | None = None
        self.lag = 0.0
        """How far the point is from where the Hessian was taken."""

    def tell(self, f: float, g: Array, h: Array | None) -> Array | None:
        value = f + float(self.l1 @ np.abs(self.point))
        if value > self.value + NOISE * abs(self.value) and self.factor > 1e-6:
            self.point = self.point - self.step * (self.factor / 2)
            self.factor /= 2
            self.wants_hessian = True
            return self.point
        self.value = value
        if h is not None:
            self.hessian, self.lag = h, 0.0
        assert self.hessian is not None
        if np.any(self.l1 > 0):
            target = descend(self.hessian, self.hessian @ self.point - g, self.l1, self.point)
            self.step = target - self.point
        else:
            self.step = _solve(self.hessian, -g)
        self.factor = 1.0
        self.point = self.point + self.step
        self.size = size = float(np.max(np.abs(self.step), initial=0.0))
        near = self.tolerance * max(1.0, float(np.max(np.abs(self.point), initial=0.0)))
        # Convergence is quadratic: the error after a step of size s, with a Hessian taken d away, is about (d + s) s.
        if (self.lag + size) * size <= near * near:
            self.value += 0.5 * float(g @ self.step) if not np.any(self.l1 > 0) else 0.0
            self.converged, self.hessian = True, None
            return None
        self.wants_hessian = h is None or size * size * size > near * near
        self.lag += size
        return self.point


def _solve(h: Array, right: Array) -> Array:
    try:
        found = np.linalg.solve(h, right)
    except np.linalg.LinAlgError:
        found = np.linalg.lstsq(h, right, rcond=None)[0]
    return found


class Lbfgs:
    """Limited-memory BFGS; with l1 the orthant-wise variant (OWL-QN, Andrew and Gao 2007)."""

    MEMORY = 20
    wants_hessian = False

    def __init__(self, start: Array, l1: Array, tolerance: float) -> None:
        self.point = start
        self.l1 = l1
        self.tolerance = tolerance
        self.sparse = bool(np.any(l1 > 0))
        self.base: Array | None = None
        self.value = np.inf
        self.gradient = np.zeros_like(start)
        self.direction = np.zeros_like(start)
        self.slope = 0.0
        self.factor = 1.0
        self.size = np.inf
        self.steps: list[Array] = []
        self.changes: list[Array] = []
        self.failures = 0
        self.converged = False

    def tell(self, f: float, g: Array, h: Any = None) -> Array | None:
        value = f + float(self.l1 @ np.abs(self.point)) if self.sparse else f
        if self.base is not None:
            if not np.isfinite(value) or value > self.value + ARMIJO * self._gain() + NOISE * abs(self.value):
                return self._shorter()
            s, y = self.point - self.base, g - self.gradient
            if s @ y > 1e-10 * (y @ y):
                self.steps, self.changes = (
                    [*self.steps[-self.MEMORY + 1 :], s],
                    [*self.changes[-self.MEMORY + 1 :], y],
                )
        pseudo = self._pseudo_gradient(g)
        self.size = float(np.max(np.abs(pseudo), initial=0.0))
        self.value, self.gradient = value, g
        if self.size <= self.tolerance:
            self.converged = True
            return None
        self.base = self.point
        direction = -self._inverse_times(pseudo)
        if self.sparse:
            direction = np.where(direction * pseudo < 0, direction, 0.0)
        self.direction = direction
        self.slope = float(pseudo @ direction)
        self.pseudo = pseudo
        self.factor = 1.0 if self.steps else min(1.0, 1.0 / float(np.sum(np.abs(pseudo))))
        self.point = self._at(self.factor)
        return self.point

    def _gain(self) -> float:
        if not self.sparse or self.base is None:
            return self.factor * self.slope
        return float(self.pseudo @ (self.point - self.base))

    def _shorter(self) -> Array | None:
        """A shorter step; none left: forget the curvature once, then stop where we are."""
        assert self.base is not None
        self.factor *= 0.5
        if self.factor > 1e-12:
            self.point = self._at(self.factor)
            return self.point
        self.point = self.base
        if not self.steps:
            return None
        self.steps, self.changes, self.base = [], [], None
        self.failures += 1
        return self.point if self.failures < 3 else None

    def _at(self, factor: float) -> Array:
        assert self.base is not None
        point = self.base + factor * self.direction
        if not self.sparse:
            return point
        orthant = np.where(self.base != 0, np.sign(self.base), -np.sign(self.pseudo))
        clipped: Array = np.where((self.l1 > 0) & (point * orthant < 0), 0.0, point)
        return clipped

    def _pseudo_gradient(self, g: Array) -> Array:
        if not self.sparse:
            return g
        w, l1 = self.point, self.l1
        at_zero = np.where(g + l1 < 0, g + l1, np.where(g - l1 > 0, g - l1, 0.0))
        found: Array = np.where(w != 0, g + l1 * np.sign(w), at_zero)
        return found

    def _inverse_times(self, g: Array) -> Array:
        """The two-loop recursion."""
        q = g.copy()
        kept = []
        for s, y in zip(reversed(self.steps), reversed(self.changes), strict=True):
            rho = 1.0 / (y @ s)
            a = rho * (s @ q)
            q -= a * y
            kept.append((rho, a))
        if self.steps:
            s, y = self.steps[-1], self.changes[-1]
            q *= (s @ y) / (y @ y)
        for (rho, a), s, y in zip(reversed(kept), self.steps, self.changes, strict=True):
            q += s * (a - rho * (y @ q))
        return q
