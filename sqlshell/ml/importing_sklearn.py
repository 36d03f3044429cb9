"""Models of scikit-learn from skops files: linear and logistic models, k-means, PCA, behind scalers, as our own.

A skops file may hold only types that skops trusts by itself (scikit-learn's and numpy's); what it holds is read for
its numbers, and the model scores as expressions: neither library is needed for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.ml.importing import Asked, Imported, content_of, features_of, numeric_inputs, settled, source_of
from sqlshell.ml.packages import need_module
from sqlshell.storage.models import Parameter
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, STRING

if TYPE_CHECKING:
    from collections.abc import Sequence

REGRESSIONS = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV")
SCALERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")
KNOWN = (*REGRESSIONS, "LogisticRegression", "LogisticRegressionCV", "KMeans", "PCA")


def read_skops(asked: Asked) -> Imported:
    """A skops file's model. Raises for types that are not trusted, and for models we cannot compute."""
    need_module("skops", "sklearn", "importing from scikit-learn")
    import skops.io

    content = content_of(asked.path)
    try:
        unknown = skops.io.get_untrusted_types(data=content)
    except Exception as e:  # zipfile, json, key errors: whatever a damaged file makes of skops
        raise AnalysisError(
            f"'{asked.path}' is no skops file: {type(e).__name__}", condition="UNSUPPORTED_MODEL_FORMAT",
            hint="skops.io.dump(model, 'model.skops') writes one",
        ) from None  # fmt: skip
    if unknown:
        raise NotSupportedError(
            f"'{asked.path}' holds types that are not trusted: {', '.join(sorted(unknown)[:5])}",
            condition="UNSAFE_MODEL_FILE",
            hint="only scikit-learn's own estimators, numbers and arrays are read",
        )
    steps = _steps(skops.io.loads(content, trusted=[]))
    *scalers, final = steps
    name = type(final).__name__
    wrong = [type(s).__name__ for s in scalers if type(s).__name__ not in SCALERS]
    if wrong or name not in KNOWN or not hasattr(steps[0], "n_features_in_"):
        what = wrong[0] if wrong else name if name not in KNOWN else f"{name}, which is not fitted"
        raise NotSupportedError(
            f"'{asked.path}' holds a {what}", condition="UNSUPPORTED_MODEL_FORMAT",
            hint=f"what can be imported: {', '.join(KNOWN)}, alone or behind {', '.join(SCALERS)}",
        )  # fmt: skip
    width = int(steps[0].n_features_in_)
    names = [str(n) for n in getattr(steps[0], "feature_names_in_", ())]
    inputs = numeric_inputs(asked, names, width)
    data, parameters = _converted(asked, final, *_scaling(scalers, width))
    data |= {
        "input": inputs, "features": features_of(inputs), "fit_statistics": {},
        "libraries": {"file": source_of(asked.path, content)["sha256"]},
    }  # fmt: skip
    return Imported(data, parameters)


def _steps(model: Any) -> list[Any]:
    if type(model).__name__ == "Pipeline":
        return [s for _, s in model.steps if s not in ("passthrough", None)]
    return [model]


def _scaling(scalers: Sequence[Any], width: int) -> tuple[Any, Any]:
    """What is taken away from inputs, then what they are divided by, all scalers together."""
    import numpy as np

    shift, scale = np.zeros(width), np.ones(width)
    for s in scalers:
        name = type(s).__name__
        if name == "StandardScaler":
            off = np.zeros(width) if s.mean_ is None or not s.with_mean else s.mean_
            by = np.ones(width) if s.scale_ is None or not s.with_std else s.scale_
        elif name == "MinMaxScaler":
            if s.clip:
                raise NotSupportedError("MinMaxScaler(clip=True) is not supported")
            off, by = -s.min_ / s.scale_, 1.0 / s.scale_
        elif name == "MaxAbsScaler":
            off, by = np.zeros(width), s.scale_
        else:
            off = s.center_ if s.with_centering else np.zeros(width)
            by = s.scale_ if s.with_scaling else np.ones(width)
        shift, scale = shift + scale * off, scale * by
    return shift, scale


def _converted(asked: Asked, m: Any, shift: Any, scale: Any) -> tuple[dict[str, Any], dict[str, Parameter]]:
    import numpy as np

    name = type(m).__name__
    label: dict[str, Any] = {"label": None, "label_type": None, "classes": []}
    if name in REGRESSIONS or name.startswith("Logistic"):
        weights = np.atleast_2d(m.coef_) / scale
        intercepts = np.broadcast_to(np.atleast_1d(m.intercept_), len(weights)) - weights @ shift
        if name in REGRESSIONS:
            if len(weights) > 1:
                raise NotSupportedError(
                    f"'{asked.path}' predicts {len(weights)} numbers: one can be imported"
                )
            kind = "linear_reg"
            label |= {"label": asked.label, "label_type": str(DOUBLE)}
            parameters = {"weights": weights[0], "intercept": intercepts}
        else:
            kind = "logistic_reg"
            classes, kind_of_class = _classes(m.classes_)
            label |= {"label": asked.label, "label_type": str(kind_of_class), "classes": classes}
            parameters = {"weights": weights, "intercepts": intercepts}
        label["options"] = settled(kind, input_label_cols=[asked.label])
    elif name == "KMeans":
        kind = "kmeans"
        parameters = {"centroids": m.cluster_centers_ * scale + shift, "scale": scale,
                      "counts": np.bincount(m.labels_, minlength=len(m.cluster_centers_))}  # fmt: skip
        label["options"] = settled(kind, num_clusters=len(m.cluster_centers_))
    else:
        if m.whiten:
            raise NotSupportedError("PCA(whiten=True) is not supported")
        kind = "pca"
        parameters = {"components": m.components_, "variance": m.explained_variance_,
                      "ratio": m.explained_variance_ratio_, "scale": scale,
                      "mean": shift + scale * m.mean_}  # fmt: skip
        label["options"] = settled(kind, num_principal_components=len(m.components_))
    stored = {}
    for n, v in parameters.items():
        array = np.asarray(v, dtype=np.float64)
        stored[n] = Parameter(tuple(int(s) for s in array.shape), tuple(array.ravel().tolist()))
    return {"model_type": kind, **label}, stored


def _classes(found: Any) -> tuple[list[Any], Any]:
    listed = found.tolist()
    for kind, t in ((bool, BOOLEAN), (int, BIGINT), (float, DOUBLE), (str, STRING)):
        if all(type(c) is kind for c in listed):
            return listed, t
    raise NotSupportedError(f"classes of type {found.dtype} cannot be imported")
