"""k_fold: every row is held out once, the model is that of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import Error
from sqlshell.ml.split import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[[str], list[tuple[Any, ...]]]


def test_each_row_is_in_one_fold() -> None:
    numbers = np.concatenate([np.random.default_rng(0).random(1000), [0.0, np.nextafter(1.0, 0.0)]])
    for folds in (2, 3, 7, 100):
        held = np.array([~kept(numbers, 1.0 / folds, i) for i in range(folds)])
        assert (held.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(kept(numbers, 0.2, None), numbers >= 0.2)


def test_metrics_are_means_and_the_model_is_of_all_rows(sql: Sql) -> None:
    options = "model_type = 'linear_reg', label = 'y', l2_reg = 0.1, seed = 3"
    sql(
        f"CREATE MODEL folded OPTIONS({options}, data_split_method = 'k_fold', num_folds = 3) AS SELECT x, z, y FROM t"
    )
    sql(f"CREATE MODEL whole OPTIONS({options}, data_split_method = 'no_split') AS SELECT x, z, y FROM t")
    assert sql("SELECT * FROM ML.WEIGHTS(MODEL folded)") == sql("SELECT * FROM ML.WEIGHTS(MODEL whole)")
    expected = []
    for i in range(3):
        inside = f"least(floor(ml_row_fraction(3L, x, z, y) * 3), 2) = {i}"
        sql(f"""CREATE OR REPLACE MODEL one OPTIONS({options}, data_split_method = 'no_split')
                AS SELECT x, z, y FROM t WHERE NOT ({inside})""")
        expected += sql(f"SELECT r2_score FROM ML.EVALUATE(MODEL one, (SELECT * FROM t WHERE {inside}))")
    found = sql("""SELECT value FROM system.ml.metrics WHERE model = 'folded' AND metric = 'r2_score'
                   AND measured_on LIKE 'fold %' ORDER BY measured_on""")
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    ((mean,),) = sql("SELECT r2_score FROM ML.EVALUATE(MODEL folded)")
    assert mean == pytest.approx(np.mean(expected), rel=1e-9)
    (text,) = sql("SHOW CREATE MODEL folded")[0]
    sql(text)
    shas = sql("SELECT DISTINCT parameter_sha256 FROM system.ml.runs WHERE model = 'folded'")
    assert len(shas) == 1


@pytest.mark.parametrize(
    ("before", "options", "condition"),
    [
        ("", "label = 'y', l2_reg = HPARAM_CANDIDATES([1, 2])", "INVALID_MODEL_OPTION_COMBINATION"),
        (
            "TRANSFORM (ML.STANDARD_SCALER(x) OVER () AS x, y)",
            "label = 'y'",
            "INVALID_MODEL_OPTION_COMBINATION",
        ),
        ("", "label = 'y', num_folds = 1", "INVALID_MODEL_OPTION_VALUE"),
        ("", "label = 'y', num_folds = 90", "TOO_FEW_TRAINING_ROWS"),
    ],
)
def test_errors(sql: Sql, before: str, options: str, condition: str) -> None:
    with pytest.raises(Error) as e:
        sql(f"""CREATE MODEL bad {before} OPTIONS(model_type = 'linear_reg', data_split_method = 'k_fold', {options})
                AS SELECT x, y FROM t LIMIT 20""")
    assert e.value.condition == condition
