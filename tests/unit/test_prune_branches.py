"""What ranges decide of comparisons, against trying all values."""

from __future__ import annotations

import math
from itertools import product

import pytest

from sqlshell.optimizer.rules.prune_branches import Range

VALUES = (None, -1.0, 0.0, 1.0, 2.0, 3.0, math.nan)
COMPARISONS = ("<", "<=", ">", ">=", "=")


def passes(x: float | None, fn: str, y: float) -> bool:
    """SQL's comparison with a number: NULL does not pass, NaN is above all numbers."""
    if x is None:
        return False
    key = (math.isnan(x), 0.0 if math.isnan(x) else x)
    other = (False, y)
    return {"<": key < other, "<=": key <= other, ">": key > other, ">=": key >= other, "=": key == other}[fn]


@pytest.mark.parametrize(("null", "nan"), list(product((False, True), repeat=2)))
def test_a_decision_holds_for_every_value(null: bool, nan: bool) -> None:
    values = [v for v in VALUES if (v is not None or null) and (v is None or not math.isnan(v) or nan)]
    decided = 0
    for (f1, a), (f2, b) in product(product(COMPARISONS, (0.0, 2.0)), repeat=2):
        known = Range(null=null, nan=nan).under(f1, a).under(f2, b)
        rows = [v for v in values if passes(v, f1, a) and passes(v, f2, b)]
        for fn, c in product(COMPARISONS[:4], (-1.0, 0.0, 1.0, 2.0)):
            found = known.decides(fn, c)
            decided += found is not None
            assert found is None or all(passes(v, fn, c) is found for v in rows), (f1, a, f2, b, fn, c)
    assert decided > 700
    untouched = Range(null=null, nan=nan)
    assert all(untouched.decides(fn, 1.0) is None for fn in COMPARISONS[:4])
