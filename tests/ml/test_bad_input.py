"""Every way to get a model statement wrong has its own error, and says how to mend it (FACTS-ml 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.session import Session

    Sql = Callable[[str], list[tuple[Any, ...]]]

LINEAR = "OPTIONS(model_type = 'linear_reg', label = 'y') AS"
LOGISTIC = "OPTIONS(model_type = 'logistic_reg', label = 'yes') AS"


@pytest.fixture(scope="module")
def models(session: Session) -> Session:
    """Two models to misuse: `good` (linear, two versions) and `two` (two classes)."""
    for _ in range(2):
        session.execute(f"CREATE OR REPLACE MODEL good {LINEAR} SELECT x, c, y FROM t")
    session.execute(f"CREATE MODEL two {LOGISTIC} SELECT x, yes FROM t")
    return session


CASES = [
    # names
    (f"CREATE MODEL good {LINEAR} SELECT x, y FROM t", "MODEL_ALREADY_EXISTS", "OR REPLACE"),
    ("SELECT * FROM ML.PREDICT(MODEL goood, TABLE t)", "MODEL_NOT_FOUND", "good"),
    ("SELECT ml_predict('nothing', x => 1)", "MODEL_NOT_FOUND", "SHOW MODELS"),
    ("SELECT * FROM ML.WEIGHTS(MODEL good VERSION AS OF 9)", "MODEL_VERSION_NOT_FOUND", "versions 1 to 2"),
    ("SELECT * FROM ML.WEIGHTS(MODEL good VERSION AS OF 'best')", "MODEL_VERSION_NOT_FOUND", "versions 1 to 2"),
    ("SELECT * FROM ML.WEIGHTS(MODEL good TIMESTAMP AS OF '2001-01-01')", "MODEL_VERSION_NOT_FOUND", None),
    ("SELECT * FROM ML.WEIGHTS(MODEL good TIMESTAMP AS OF 'soon')", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR", None),
    ("ALTER MODEL good SET ALIAS v3 = VERSION 1", "INVALID_MODEL_ALIAS", None),
    ("ALTER MODEL good SET OPTIONS(l2_reg = 1)", "UNKNOWN_MODEL_OPTION", "CREATE OR REPLACE"),
    ("DROP MODEL nothing", "MODEL_NOT_FOUND", None),
    # statement
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'y')", "MISSING_TRAINING_QUERY", None),
    ("CREATE MODEL m OPTIONS(label = 'y') AS SELECT x, y FROM t", "MISSING_MODEL_OPTION", "model_type"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_regr') AS SELECT x FROM t", "UNSUPPORTED_MODEL_TYPE", "linear_reg"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', l2_rag = 1, label = 'y') AS SELECT x, y FROM t",
     "UNKNOWN_MODEL_OPTION", "l2_reg"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', num_clusters = 1, label = 'y') AS SELECT x, y FROM t",
     "UNKNOWN_MODEL_OPTION", "kmeans"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', l2_reg = 'much', label = 'y') AS SELECT x, y FROM t",
     "INVALID_MODEL_OPTION_VALUE", None),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', l2_reg = -1, label = 'y') AS SELECT x, y FROM t",
     "INVALID_MODEL_OPTION_VALUE", None),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'y', label_col = 'y') AS SELECT x, y FROM t",
     "DUPLICATE_MODEL_OPTION", None),
    (("CREATE MODEL m OPTIONS(model_type = 'logistic_reg', label = 'yes', l1_reg = 1, calculate_p_values = TRUE) "
     "AS SELECT x, yes FROM t"), "INVALID_MODEL_OPTION_COMBINATION", "l1_reg"),
    (("CREATE MODEL m OPTIONS(model_type = 'logistic_reg', label = 'kind', calculate_p_values = TRUE) "
     "AS SELECT x, kind FROM t"), "INVALID_MODEL_OPTION_COMBINATION", None),
    ("CREATE MODEL m OPTIONS(model_type = 'kmeans', label = 'y') AS SELECT x, y FROM t",
     "INVALID_MODEL_OPTION_COMBINATION", None),
    ("CREATE MODEL m OPTIONS(model_type = 'mlflow', path = 'x')", "UNSUPPORTED_MODEL_TYPE", "linear_reg"),
    (("CREATE OR REPLACE MODEL good OPTIONS(model_type = 'pca', warm_start = TRUE) AS SELECT x, z FROM t"),
     "INVALID_MODEL_OPTION_COMBINATION", "logistic_reg"),
    # labels
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg') AS SELECT x, y FROM t", "MISSING_MODEL_OPTION", "input_label"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'yy') AS SELECT x, y FROM t",
     "LABEL_COLUMN_NOT_FOUND", "y"),
    (f"CREATE MODEL m {LINEAR} SELECT x, if(x > 0, y, NULL) AS y FROM t", "NULL_LABELS", "IS NOT NULL"),
    (f"CREATE MODEL m {LOGISTIC} SELECT x, true AS yes FROM t", "SINGLE_CLASS_LABEL", "two classes"),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'c') AS SELECT x, c FROM t",
     "INVALID_LABEL_TYPE", "logistic_reg"),
    (f"CREATE MODEL m {LINEAR} SELECT x, double('nan') AS y FROM t", "INVALID_LABELS", None),
    ("CREATE MODEL m OPTIONS(model_type = 'logistic_reg', label = 'y') AS SELECT x, y FROM t", "TOO_MANY_CLASSES",
     "linear_reg"),
    # features
    (f"CREATE MODEL m {LINEAR} SELECT map(1, x) AS odd, y FROM t", "UNSUPPORTED_FEATURE_TYPE", None),
    (f"CREATE MODEL m {LINEAR} SELECT split(c, 'e') AS words, y FROM t", "UNSUPPORTED_FEATURE_TYPE", "ML.TF_IDF"),
    (f"CREATE MODEL m {LINEAR} SELECT if(x > 1, double('nan'), x) AS x, y FROM t", "INVALID_FEATURE_VALUE", "nanvl"),
    (f"CREATE MODEL m {LINEAR} SELECT CAST(NULL AS DOUBLE) AS x, y FROM t", "INVALID_FEATURE_VALUE", "leave"),
    (f"CREATE MODEL m {LINEAR} SELECT if(x > 0, array(x), array(x, x)) AS v, y FROM t", "INVALID_FEATURE_VALUE", None),
    (f"CREATE MODEL m {LINEAR} SELECT x, x * 2 AS twice, y FROM t", "SINGULAR_FEATURES", "l2_reg"),
    (f"CREATE MODEL m {LINEAR} SELECT y FROM t", "NO_FEATURES", None),
    (f"CREATE MODEL m {LINEAR} SELECT x, x, y FROM t", "COLUMN_ALREADY_EXISTS", "AS"),
    # rows
    (f"CREATE MODEL m {LINEAR} SELECT x, y FROM t WHERE x > 1000", "NO_TRAINING_ROWS", None),
    ("CREATE MODEL m OPTIONS(model_type = 'kmeans', num_clusters = 9) AS SELECT x FROM t LIMIT 3",
     "TOO_FEW_TRAINING_ROWS", None),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'y', weight_col = 'w') AS SELECT x, y FROM t",
     "UNRESOLVED_COLUMN.WITH_SUGGESTION", None),
    ("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'y', weight_col = 'x') AS SELECT x, z, y FROM t",
     "INVALID_WEIGHTS", None),
    (("CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'y', data_split_method = 'custom') AS "
     "SELECT x, y FROM t"), "INVALID_MODEL_OPTION_COMBINATION", None),
    (("CREATE OR REPLACE MODEL good OPTIONS(model_type = 'linear_reg', label = 'y', warm_start = TRUE) AS "
     "SELECT x, z, y FROM t"), "INVALID_WARM_START", None),
    (("CREATE MODEL m OPTIONS(model_type = 'logistic_reg', label = 'yes', class_weights = [STRUCT('no', 2.0)]) AS "
     "SELECT x, yes FROM t"), "INVALID_MODEL_OPTION_VALUE", "classes are"),
    # TRANSFORM
    (f"CREATE MODEL m TRANSFORM (ML.STANDARD_SCALER(x) OVER () AS x) {LINEAR} SELECT x, y FROM t",
     "LABEL_COLUMN_NOT_FOUND", "TRANSFORM"),
    (f"CREATE MODEL m TRANSFORM (ML.STANDARD_SCALAR(x) OVER () AS x, y) {LINEAR} SELECT x, y FROM t",
     "UNRESOLVED_ROUTINE", "ml_standard_scaler"),
    (f"CREATE MODEL m TRANSFORM (ML.STANDARD_SCALER(c) OVER () AS x, y) {LINEAR} SELECT c, y FROM t", None, None),
    (f"CREATE MODEL m TRANSFORM (ML.IMPUTER(x, 'best') AS x, y) {LINEAR} SELECT x, y FROM t",
     "INVALID_PARAMETER_VALUE", "median"),
    ("SELECT ML.STANDARD_SCALER(x) OVER () FROM t", "MODEL_FUNCTION_OUTSIDE_TRANSFORM", "transform_only"),
    ("SELECT ML.STANDARD_SCALER(x) FROM t", "MODEL_FUNCTION_OUTSIDE_TRANSFORM", "transform_only"),
    # prediction
    ("SELECT * FROM ML.PREDICT(MODEL good, (SELECT x FROM t))", "MODEL_INPUT_MISSING", "c string"),
    ("SELECT * FROM ML.PREDICT(MODEL good, (SELECT array(x) AS x, c FROM t))", "MODEL_INPUT_TYPE", "CAST"),
    ("SELECT ml_predict('good', x => 1.0) FROM t", "MODEL_INPUT_MISSING", None),
    ("SELECT * FROM ML.PREDICT(MODEL good)", "INVALID_MODEL_FUNCTION_ARGUMENT", "TABLE t"),
    ("SELECT * FROM ML.WEIGHTS(MODEL good, TABLE t)", "INVALID_MODEL_FUNCTION_ARGUMENT", None),
    ("SELECT * FROM ML.PREDICT(MODEL good, TABLE t, STRUCT(0.5 AS threshold))", "INVALID_MODEL_FUNCTION_ARGUMENT",
     None),
    ("SELECT * FROM ML.PREDICT(MODEL good, TABLE t, STRUCT(1 AS tresh))", "UNKNOWN_MODEL_OPTION", "threshold"),
    ("SELECT * FROM ML.PREDICTS(MODEL good, TABLE t)", "UNRESOLVABLE_TABLE_VALUED_FUNCTION", "ml_predict"),
    ("SELECT * FROM ML.CENTROIDS(MODEL good)", "INVALID_MODEL_FUNCTION_ARGUMENT", None),
    ("SELECT * FROM ML.ROC_CURVE(MODEL good, TABLE t)", "INVALID_MODEL_FUNCTION_ARGUMENT", None),
    ("SELECT * FROM ML.EVALUATE(MODEL good, (SELECT x, c FROM t))", "LABEL_COLUMN_NOT_FOUND", None),
    ("SELECT ml_predict_proba('good', x => 1, c => 'red')", "INVALID_MODEL_FUNCTION_ARGUMENT", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "condition", "hint"), [c for c in CASES if c[1]], ids=lambda v: str(v)[:70])
def test_is_refused(models: Session, text: str, condition: str, hint: str | None) -> None:
    with pytest.raises(Error) as e:
        list(models.execute(text).rows())
    assert e.value.condition == condition, e.value
    assert hint is None or hint.lower() in f"{e.value} {e.value.hint}".lower()


def test_a_damaged_file_is_noticed(sql: Sql, models: Session) -> None:
    from sqlshell.session import Session as Fresh

    sql(f"CREATE MODEL torn {LINEAR} SELECT x, y FROM t")
    folder = models.models.resolve(_reference("torn")).folder
    with open(f"{folder}/parameters.json", "a") as f:
        f.write(" ")
    with Fresh(warehouse=models.warehouse, warm=False) as s, pytest.raises(Error) as e:
        s.execute("DESCRIBE MODEL torn")
    assert e.value.condition == "MODEL_ARTIFACT_DAMAGED"
    sql("DROP MODEL torn")


def _reference(name: str) -> Any:
    from sqlshell.storage.models import parse_reference

    return parse_reference(name)


def test_not_converged_is_a_warning(models: Session) -> None:
    result = models.execute(
        "CREATE OR REPLACE MODEL slow OPTIONS(model_type = 'logistic_reg', label = 'yes', max_iterations = 1) "
        "AS SELECT x, z, yes FROM t"
    )
    assert "did not converge" in result.warnings[0]
