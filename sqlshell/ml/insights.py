"""What a model says about itself beyond its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.ml.constant_rows import constant_rows
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, STRING

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.ml.model import Model
    from sqlshell.plan.context import BoundQuery
    from sqlshell.types import SqlType


def feature_importance(
    f: Any, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> tuple[BoundQuery, None]:
    """ML.FEATURE_IMPORTANCE: by feature how often trees split on it, what a split gains, how many rows it parts."""
    found = model.data.get("fit_statistics", {})
    if "importance_weight" not in found:
        raise AnalysisError(
            f"ML.FEATURE_IMPORTANCE needs trees; `{model.name}` is a {model.estimator.name}",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
            hint="ML.WEIGHTS is for linear and logistic models",
        )
    rows = []
    at = 0
    for x in model.features:
        weight, gain, cover = (
            sum(found[f"importance_{k}"][at : at + x.width]) for k in ("weight", "total_gain", "total_cover")
        )
        at += x.width
        rows.append((x.name, weight, gain / weight if weight else 0.0, cover / weight if weight else 0.0))
    names = ("importance_weight", "importance_gain", "importance_cover")
    return constant_rows([("feature", STRING), *((n, DOUBLE) for n in names)], rows), None


def trial_info(
    f: Any, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> tuple[BoundQuery, None]:
    """ML.TRIAL_INFO: the trials of a search, their values, what they reached."""
    trials = model.data.get("trials")
    if not trials:
        raise AnalysisError(
            f"`{model.name}` was trained without a search",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
            hint="HPARAM_CANDIDATES([...]) or HPARAM_RANGE(low, high) as an option's value makes one",
        )
    names = list(trials[0]["searched"])
    kinds = {n: STRING if any(isinstance(t["searched"][n], str) for t in trials) else DOUBLE for n in names}
    columns: list[tuple[str, SqlType]] = [("trial_id", BIGINT)]
    columns += [(n, kinds[n]) for n in names]
    columns += [
        ("objective", STRING), ("value", DOUBLE), ("training_loss", DOUBLE), ("status", STRING),
        ("error_message", STRING), ("is_optimal", BOOLEAN),
    ]  # fmt: skip
    rows = [
        (
            i, *(str(t["searched"][n]) if kinds[n] == STRING else float(t["searched"][n]) for n in names),
            t["objective"], t["value"], t["training_loss"], "FAILED" if t["error"] else "SUCCEEDED",
            t["error"] or None, t["best"],
        )
        for i, t in enumerate(trials, 1)
    ]  # fmt: skip
    return constant_rows(columns, rows), None
