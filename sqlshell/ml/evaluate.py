"""Metrics as SQL over `__input`: one query for each kind of model.

Its columns are `label` and `predicted`; for classifiers `share` (the probability of the row's own class) and, of two
classes, `score` (the probability of the second one); for clusters `distance` (from the nearest centroid).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlshell.ml.model import Model

REGRESSION = """
SELECT avg(abs(y - p)) AS mean_absolute_error,
       avg((y - p) * (y - p)) AS mean_squared_error,
       avg(CASE WHEN y > -1 AND p > -1 THEN (ln(1 + y) - ln(1 + p)) * (ln(1 + y) - ln(1 + p)) END)
         AS mean_squared_log_error,
       median(abs(y - p)) AS median_absolute_error,
       1 - avg((y - p) * (y - p)) / nullif(var_pop(y), 0) AS r2_score,
       1 - var_pop(y - p) / nullif(var_pop(y), 0) AS explained_variance
FROM (SELECT CAST(label AS DOUBLE) AS y, predicted AS p FROM __input
      WHERE label IS NOT NULL AND predicted IS NOT NULL)
"""

# Of the second class when there are two, else averaged over the classes that occur (macro); a class never predicted
# has precision 0. Both as in scikit-learn.
CLASSIFICATION = """
WITH cells AS (
  SELECT label, predicted, count(*) AS n, sum(ln(greatest(share, 1e-15D))) AS likelihood
  FROM __input WHERE label IS NOT NULL GROUP BY label, predicted
), present AS (SELECT label, sum(n) AS n FROM cells GROUP BY label
), claimed AS (SELECT predicted AS label, sum(n) AS n FROM cells GROUP BY predicted
), counts AS (
  SELECT label, sum(if(label <=> predicted, n, 0)) AS hits, sum(present) AS present, sum(claimed) AS claimed
  FROM (SELECT label, predicted, n, 0L AS present, 0L AS claimed FROM cells
        UNION ALL SELECT label, NULL, 0L, n, 0L FROM present
        UNION ALL SELECT label, NULL, 0L, 0L, n FROM claimed)
  GROUP BY label
), scores AS (
  SELECT avg(coalesce(hits / nullif(claimed, 0), 0)) AS precision,
         avg(coalesce(hits / nullif(present, 0), 0)) AS recall,
         avg(coalesce(2 * hits / nullif(claimed + present, 0), 0)) AS f1
  FROM counts{only}
), whole AS (
  SELECT sum(if(label = predicted, n, 0)) / nullif(sum(n), 0) AS accuracy, -sum(likelihood) / nullif(sum(n), 0) AS loss
  FROM cells
)
SELECT s.precision, s.recall, w.accuracy, s.f1 AS f1_score, w.loss AS log_loss{area}
FROM whole AS w CROSS JOIN scores AS s
"""

# The area under the ROC curve: the chance that a row of the second class scores above one of the first, ties halved.
AREA = """,
       (SELECT sum(hits * (below + misses / 2)) / nullif(sum(hits) * sum(misses), 0)
        FROM (SELECT hits, misses, sum(misses) OVER (ORDER BY score) - misses AS below
              FROM (SELECT score, count_if(label = {positive}) AS hits, count_if(label != {positive}) AS misses
                    FROM __input WHERE label IS NOT NULL GROUP BY score))) AS roc_auc"""

CONFUSION = """
SELECT label AS expected_label, {columns}
FROM __input WHERE label IS NOT NULL GROUP BY label ORDER BY label
"""

ROC = """
WITH scored AS (
  SELECT score, count_if(label = {positive}) AS hits,
         count_if(label != {positive}) AS misses
  FROM __input WHERE label IS NOT NULL GROUP BY score
), running AS (
  SELECT score, sum(hits) OVER (ORDER BY score DESC) AS true_positives,
         sum(misses) OVER (ORDER BY score DESC) AS false_positives,
         sum(hits) OVER () AS positives, sum(misses) OVER () AS negatives
  FROM scored
)
SELECT score AS threshold, true_positives / nullif(positives, 0) AS recall,
       false_positives / nullif(negatives, 0) AS false_positive_rate,
       true_positives, false_positives, negatives - false_positives AS true_negatives,
       positives - true_positives AS false_negatives
FROM running ORDER BY score DESC
"""

IMPLICIT = """
SELECT avg(power(predicted - if(label > 0, 1, 0), 2)) AS mean_squared_error FROM __input
WHERE label IS NOT NULL AND predicted IS NOT NULL
"""

CLUSTERS = "SELECT avg(distance * distance) AS mean_squared_distance FROM __input"


def metrics_text(model: Model, options: dict[str, Any]) -> str:
    """The query of ML.EVALUATE."""
    match model.estimator.task:
        case "regression":
            return REGRESSION
        case "classification":
            two = len(model.classes) == 2
            if not two:
                return CLASSIFICATION.format(area="", only="")
            positive = _literal(model.classes[1])
            return CLASSIFICATION.format(
                area=AREA.format(positive=positive), only=f" WHERE label = {positive}"
            )
        case "recommendation":
            return IMPLICIT if model.options["feedback_type"] == "implicit" else REGRESSION
        case "clustering":
            return CLUSTERS
    ratio = sum(model.values("ratio")) if "ratio" in model.parameters else 0.0
    return f"SELECT {ratio!r}D AS total_explained_variance_ratio FROM __input LIMIT 1"


def confusion_text(model: Model, options: dict[str, Any]) -> str:
    """One row for each class, one column for each prediction."""
    columns = [
        f"count_if(predicted = {_literal(c)}) AS `{str(c).lower() if isinstance(c, bool) else c}`"
        for c in model.classes
    ]
    return CONFUSION.format(columns=", ".join(columns))


def roc_text(model: Model, options: dict[str, Any]) -> str:
    """One row for each score that rows have."""
    return ROC.format(positive=_literal(model.classes[1]))


def _literal(value: Any) -> str:
    """A class as SQL text."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, bool):
        return str(value).upper()
    return f"{value!r}D" if isinstance(value, float) else str(value)
