"""CREATE MODEL ... OPTIONS(model_type = 'sqlshell' | 'xgboost' | 'sklearn' | 'onnx', path = '...'): files to versions.

Nothing is unpickled: our own files are JSON and Arrow with checksums, xgboost's JSON or UBJSON, skops files hold
only types that skops itself trusts, ONNX is a graph of operators. What we know how to compute becomes a model of our
own (a scikit-learn regression is a linear_reg) and scores as expressions.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, CorruptInputError, NotSupportedError
from sqlshell.records import dataclass, field
from sqlshell.storage import object_files
from sqlshell.storage.models import Parameter, parameter_hash, read_contents
from sqlshell.types import BIGINT, DOUBLE, Numeric, SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.errors import Span
    from sqlshell.parser.statement_model import CreateModel, ModelOption

OPTIONS = ("model_type", "path", "model_path", "description", "comment", "input_label_cols", "label")
PICKLES = (".pkl", ".pickle", ".joblib", ".sav")


@dataclass(frozen=True)
class Imported:
    """What a version is made of."""

    data: dict[str, Any]
    parameters: dict[str, Parameter]
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """An import statement: a path, the input columns it names, the label's name."""

    path: str
    inputs: tuple[tuple[str, SqlType], ...]
    label: str
    span: Span | None


def is_import(options: Sequence[ModelOption]) -> bool:
    """Whether OPTIONS name a file format instead of a model type."""
    return any(o.name == "model_type" and str(o.value).lower() in _READERS for o in options)


def read(s: CreateModel) -> tuple[Imported, str]:
    """The version that a statement imports, and its description."""
    given = {}
    for o in s.options:
        if o.name not in OPTIONS:
            raise AnalysisError(
                f"an import has no option `{o.name}`", condition="UNKNOWN_MODEL_OPTION", span=o.span,
                hint="options are model_type, path, label, description",
            )  # fmt: skip
        given[o.name] = o.value
    path = given.get("path", given.get("model_path"))
    if not isinstance(path, str) or not path:
        raise AnalysisError(
            "an import needs the path of the model's file", condition="MISSING_MODEL_OPTION", span=s.name_span,
            hint="OPTIONS(model_type = 'xgboost', path = 'model.ubj')",
        )  # fmt: skip
    label = given.get("label", given.get("input_label_cols", "label"))
    label = label[0] if isinstance(label, tuple) else str(label)
    if path.lower().endswith(PICKLES):
        raise NotSupportedError(
            f"'{path}' is a pickle: loading one runs whatever code is in it", condition="UNSAFE_MODEL_FILE",
            hint="scikit-learn: skops.io.dump(model, 'model.skops'); xgboost: booster.save_model('model.ubj')",
        )  # fmt: skip
    form = str(given["model_type"]).lower()
    found = _READERS[form](Asked(path, s.inputs, label, s.name_span))
    if form != "sqlshell":
        found.data.update({
            "query": "", "statement": s.text, "sources": [], "reproducible": False, "statistics": {},
            "reason": f"the model comes from '{path}'", "transform": None, "format": 1, "warnings": [],
            "parameter_sha256": parameter_hash(found.parameters, found.files), "log": [],
        })  # fmt: skip
    found.data["imported"] = {"path": path, "format": form}
    return found, str(given.get("description", given.get("comment", "")))


def content_of(path: str) -> bytes:
    """A file's bytes. Raises PATH_NOT_FOUND."""
    try:
        return object_files.read(os.path.expanduser(path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise AnalysisError(
            f"there is no file '{path}'",
            condition="PATH_NOT_FOUND",
            hint="the path is taken from this folder",
        ) from None


def source_of(path: str, content: bytes) -> dict[str, str]:
    """How DESCRIBE and system.ml show where an imported file came from."""
    return {"file": path, "sha256": hashlib.sha256(content).hexdigest()}


def numeric_inputs(asked: Asked, names: Sequence[str] | None, width: int) -> list[dict[str, Any]]:
    """The input columns: those of INPUT (...), else by the file's names. Raises when their number is wrong."""
    columns = asked.inputs or tuple((n, DOUBLE) for n in names or ())
    if len(columns) != width:
        raise AnalysisError(
            f"the model takes {width} numbers"
            + (f", INPUT names {len(columns)}" if columns else "; the file does not name them"),
            condition="MODEL_INPUT_MISSING",
            span=asked.span,
            hint=f"CREATE MODEL ... INPUT (a double, b double ...) with {width} columns",
        )
    for name, t in columns:
        if not isinstance(t, Numeric):
            raise AnalysisError(
                f"the input `{name}` is {t}, not a number",
                condition="UNSUPPORTED_FEATURE_TYPE",
                span=asked.span,
            )
    return [{"name": n, "type": str(t), "used": True} for n, t in columns]


def features_of(inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each input as a feature of its own."""
    from sqlshell.ml.model import Feature
    from sqlshell.ml.record import as_json

    return [as_json(Feature(c["name"], "numeric", c["type"])) for c in inputs]


def settled(model_type: str, **options: Any) -> dict[str, Any]:
    """The options of a model type at their defaults, and some that the file says."""
    from sqlshell.ml import estimators
    from sqlshell.ml.options import settle

    found = settle(estimators.get(model_type), [])
    return {k: list(v) if isinstance(v, tuple) else v for k, v in {**found, **options}.items()}


def _own(asked: Asked) -> Imported:
    """A directory that EXPORT MODEL wrote."""
    names = object_files.names_in(os.path.expanduser(asked.path))
    if "manifest.json" not in names:
        raise AnalysisError(
            f"'{asked.path}' is no exported model: it has no manifest.json", condition="PATH_NOT_FOUND",
            hint="EXPORT MODEL m TO 'folder' writes one",
        )  # fmt: skip
    folder = os.path.expanduser(asked.path)
    data, parameters, files = read_contents(folder, None, asked.path)
    if data.get("format") != 1 or "model_type" not in data:
        raise CorruptInputError(
            f"'{asked.path}' was written by another version of sqlshell", condition="MODEL_ARTIFACT_DAMAGED"
        )
    if parameter_hash(parameters, files) != data.get("parameter_sha256", parameter_hash(parameters, files)):
        raise CorruptInputError(
            f"the parameters in '{asked.path}' are not those of its model.json",
            condition="MODEL_ARTIFACT_DAMAGED",
        )
    for key in ("version", "created_ms"):
        data.pop(key, None)
    return Imported(data, parameters, files)


_OBJECTIVES = {
    "reg:squarederror": ("regressor", 0), "binary:logistic": ("classifier", 2), "multi:softprob": ("classifier", 0),
    "multi:softmax": ("classifier", 0),
}  # fmt: skip


def _xgboost(asked: Asked) -> Imported:
    """A file of xgboost: JSON or UBJSON."""
    from sqlshell.ml import estimators
    from sqlshell.ml.estimators.trees import BOOSTER, parameters_of
    from sqlshell.ml.packages import need_package
    from sqlshell.ml.solvers.trees import read_booster

    need_package(estimators.get("boosted_tree_regressor"))
    content = content_of(asked.path)
    try:
        booster, learner, fit = read_booster(content)
    except ValueError as e:
        raise AnalysisError(
            f"'{asked.path}' is no model of xgboost: {str(e).strip().splitlines()[-1]}",
            condition="UNSUPPORTED_MODEL_FORMAT", hint="booster.save_model('model.ubj') writes one",
        ) from None  # fmt: skip
    objective = learner["objective"]["name"]
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree" or objective not in _OBJECTIVES or "c" in (booster.feature_types or ()):
        what = f"booster {kind}" if kind != "gbtree" else f"objective {objective}"
        if "c" in (booster.feature_types or ()):
            what = "categorical feature (xgboost's own)"
        raise NotSupportedError(
            f"'{asked.path}' has the {what}", condition="UNSUPPORTED_MODEL_FORMAT",
            hint="what can be imported: gbtree with " + ", ".join(_OBJECTIVES),
        )  # fmt: skip
    role, count = _OBJECTIVES[objective]
    classes = count or int(learner["learner_model_param"]["num_class"])
    names = list(booster.feature_names or learner.get("feature_names") or ())
    inputs = numeric_inputs(asked, names, booster.num_features())
    model_type = f"boosted_tree_{role}"
    data = {
        "model_type": model_type, "label": asked.label, "options": settled(model_type, input_label_cols=[asked.label]),
        "label_type": str(BIGINT if role == "classifier" else DOUBLE), "input": inputs, "features": features_of(inputs),
        "classes": list(range(classes)) if role == "classifier" else [],
        "libraries": {"file": source_of(asked.path, content)["sha256"]},
        "fit_statistics": {
            **{f"importance_{k}": v.tolist() for k, v in fit.importance.items()},
            "rounds": float(booster.num_boosted_rounds()), "splits": float(fit.splits),
        },
    }  # fmt: skip
    parameters = {
        n: Parameter((len(v),), tuple(float(x) for x in v))
        for n, v in parameters_of(fit.base, fit.trees).items()
    }
    return Imported(data, parameters, {BOOSTER: fit.booster})


def _sklearn(asked: Asked) -> Imported:
    from sqlshell.ml.importing_sklearn import read_skops

    return read_skops(asked)


def _onnx(asked: Asked) -> Imported:
    from sqlshell.ml.importing_onnx import read_onnx

    return read_onnx(asked)


_READERS: dict[str, Callable[[Asked], Imported]] = {
    "sqlshell": _own,
    "xgboost": _xgboost,
    "sklearn": _sklearn,
    "onnx": _onnx,
}
