"""data_split_method = 'k_fold': a model for each part held out, side by side, and one of all rows, which is kept.

The kept model's metrics are the means over the parts; each part's own stand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, DataError
from sqlshell.ml.options import combination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.ml.model import Model
    from sqlshell.ml.search import Trial


def repeated(trials: list[Trial], transform: bool) -> list[Trial]:
    """The trials to run: the same options for each fold and for the model itself; others as they are."""
    options = trials[0].options
    if options["data_split_method"] != "k_fold":
        return trials
    if len(trials) > 1:
        raise combination("a search compares its trials on one split", "data_split_method = 'random'")
    if options.get("early_stop"):
        raise combination(
            "early_stop needs rows held out of the model itself", "data_split_method = 'random'"
        )
    if transform:
        raise combination(
            "TRANSFORM learns from all rows, so no fold would be held out of it",
            "compute features without statistics in the query, or data_split_method = 'random'",
        )
    return trials * (int(options["num_folds"]) + 1)


def gathered(results: Sequence[Any], models: Sequence[Model | None]) -> Model:
    """The model of all rows, with what the folds measured. Raises when a fold failed or holds no rows."""
    *folds, final = models
    for i, (result, model) in enumerate(zip(results, models, strict=True)):
        what = f"fold {i + 1}" if i < len(folds) else "the model of all rows"
        if model is None:
            raise AnalysisError(f"{what} failed: {result}", condition="FOLD_FAILED")
        if i < len(folds) and not any(v is not None for v in _numbers(model).values()):
            raise DataError(
                f"{what} holds no rows: there are too few for {len(folds)} folds",
                condition="TOO_FEW_TRAINING_ROWS", hint="fewer num_folds",
            )  # fmt: skip
    assert final is not None
    measured = [_numbers(m) for m in folds if m is not None]
    means: dict[str, Any] = {"measured_on": f"mean of {len(folds)} folds"}
    for name in measured[0]:
        values = [m[name] for m in measured if m[name] is not None]
        means[name] = sum(values) / len(values) if values else None
    final.data["metrics"], final.data["folds"] = means, measured
    return final


def _numbers(model: Model) -> dict[str, Any]:
    return {k: v for k, v in model.data["metrics"].items() if k != "measured_on"}
