"""EXPORT MODEL: a version as files that others (or another warehouse) can read.

`sqlshell`   a directory: model.json, parameters.json or .arrow, artifacts, and manifest.json with sha256 of each
`xgboost`    the trees as xgboost's own file: JSON when the path ends in .json, else UBJSON
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.ml.packages import need_package
from sqlshell.storage.models import contents_of

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.storage.models import ModelVersion

FORMATS = ("sqlshell", "xgboost")
_SUFFIXES = {"ubj": "xgboost", "json": "xgboost"}


def files_of(version: ModelVersion, path: str, form: str | None, span: Span | None) -> dict[str, bytes]:
    """What to write: by name within the directory, or under "" the one file. Raises for unknown formats."""
    form = (form or _SUFFIXES.get(path.rpartition(".")[2].lower(), "sqlshell")).lower()
    if form == "sqlshell":
        data = {**version.data, "version": version.version, "created_ms": version.created_ms}
        return contents_of(data, version.parameters, version.files)
    if form == "xgboost":
        return {"": _booster(version, path, span)}
    raise AnalysisError(
        f"there is no model format {form}", condition="UNSUPPORTED_MODEL_FORMAT", span=span,
        hint="formats are " + ", ".join(FORMATS),
    )  # fmt: skip


def _booster(version: ModelVersion, path: str, span: Span | None) -> bytes:
    from sqlshell.ml.column_names import column_names
    from sqlshell.ml.estimators.trees import BOOSTER
    from sqlshell.ml.model import of_version

    model = of_version(version)
    content = version.files.get(BOOSTER)
    if content is None:
        raise AnalysisError(
            f"the format xgboost is for trees; `{version.name}` is a {model.estimator.name}",
            condition="UNSUPPORTED_MODEL_FORMAT",
            span=span,
            hint="FORMAT sqlshell writes any model",
        )
    need_package(model.estimator)
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    names = [n for f in model.features for n in column_names(f)]
    # xgboost refuses [, ] and < in names.
    booster.feature_names = [n.translate(str.maketrans("[]<", "()_")) for n in names]
    return bytes(booster.save_raw("json" if path.lower().endswith(".json") else "ubj"))
