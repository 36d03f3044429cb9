"""Metrics as SQL over `__input` (label, predicted, probs): one query for each kind of model."""

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
FROM (SELECT CAST(label AS DOUBLE) AS y, predicted AS p FROM __input WHERE label IS NOT NULL)
"""

# Of the second class when there are two, else averaged over the classes that occur (macro); a class never predicted
# has precision 0. Both as in scikit-learn.
CLASSIFICATION = """
WITH rows AS (
  SELECT label, predicted, element_at(filter(probs, x -> x.label = r.label), 1).prob AS share
  FROM __input AS r WHERE label IS NOT NULL
), counts AS (
  SELECT c.label, sum(CAST(r.label = c.label AND r.predicted = c.label AS INT)) AS hits,
         sum(CAST(r.predicted = c.label AS INT)) AS predicted, sum(CAST(r.label = c.label AS INT)) AS present
  FROM rows AS r CROSS JOIN (SELECT DISTINCT label FROM rows UNION SELECT DISTINCT predicted FROM rows) AS c
  GROUP BY c.label
), scores AS (
  SELECT avg(coalesce(hits / nullif(predicted, 0), 0)) AS precision,
         avg(coalesce(hits / nullif(present, 0), 0)) AS recall,
         avg(coalesce(2 * hits / nullif(predicted + present, 0), 0)) AS f1
  FROM counts{only}
)
SELECT any_value(s.precision) AS precision, any_value(s.recall) AS recall,
       avg(CAST(r.label = r.predicted AS INT)) AS accuracy, any_value(s.f1) AS f1_score,
       -avg(ln(greatest(coalesce(r.share, 0), 1e-15D))) AS log_loss{area}
FROM rows AS r CROSS JOIN scores AS s
"""

# The area under the ROC curve is the chance that a positive row scores above a negative one: ranks, ties halved.
AREA = """,
       (SELECT (sum(CASE WHEN positive THEN place END) - count_if(positive) * (count_if(positive) + 1) / 2)
               / nullif(count_if(positive) * count_if(NOT positive), 0)
        FROM (SELECT positive, rank() OVER (ORDER BY score) + (count(*) OVER (PARTITION BY score) - 1) / 2 AS place
              FROM (SELECT label = {positive} AS positive, element_at(probs, 2).prob AS score
                    FROM __input WHERE label IS NOT NULL))) AS roc_auc"""

CONFUSION = """
SELECT label AS expected_label, {columns}
FROM __input WHERE label IS NOT NULL GROUP BY label ORDER BY label
"""

ROC = """
WITH scored AS (
  SELECT element_at(probs, 2).prob AS score, count_if(label = {positive}) AS hits,
         count_if(label != {positive}) AS misses
  FROM __input WHERE label IS NOT NULL GROUP BY 1
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

CLUSTERS = """
WITH nearest AS (
  SELECT centroid_id, array_min(transform(nearest_centroids_distance, x -> x.distance)) AS distance FROM __input
)
SELECT avg(distance * distance) AS mean_squared_distance FROM nearest
"""


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
