"""A trained model in memory: what prediction and the ML.* functions read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from sqlshell.ml.estimators import Estimator
    from sqlshell.storage.models import ModelVersion, Parameter
    from sqlshell.types import SqlType


@dataclass(frozen=True)
class Feature:
    """One feature as the estimator sees it, after TRANSFORM.

    `kind` is numeric (NULL becomes `fill`), category (`categories` in order, one column each; a dummy encoding leaves
    out the first), dense (array) or sparse (vector); `width` is its number of columns.
    """

    name: str
    kind: str
    type: str
    width: int = 1
    fill: float = 0.0
    categories: tuple[str, ...] = ()
    dropped: bool = False
    slots: tuple[str, ...] = field(default=())
    """Names of a vector's elements, where they are known."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The categories that have a column."""
        return self.categories[1:] if self.dropped else self.categories


@dataclass(frozen=True)
class Model:
    """One version, ready to use."""

    name: str
    version: int
    data: dict[str, Any]
    parameters: dict[str, Parameter]
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Artifacts in a library's own format, by file name."""

    @property
    def estimator(self) -> Estimator:
        from sqlshell.ml import estimators

        return estimators.get(self.data["model_type"])

    @property
    def options(self) -> dict[str, Any]:
        return self.data["options"]  # type: ignore[no-any-return]

    @property
    def label(self) -> str | None:
        return self.data.get("label")

    @property
    def classes(self) -> tuple[Any, ...]:
        return tuple(self.data.get("classes") or ())

    @property
    def label_type(self) -> SqlType:
        return parse_type(self.data["label_type"])

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(**{**f, "categories": tuple(f["categories"]), "slots": tuple(f["slots"])})
            for f in self.data["features"]
        )

    def values(self, name: str) -> tuple[float, ...]:
        """A parameter's numbers."""
        return self.parameters[name].values

    def rows(self, name: str) -> list[tuple[float, ...]]:
        """A two-dimensional parameter by rows."""
        p = self.parameters[name]
        width = p.shape[1]
        return [p.values[i * width : (i + 1) * width] for i in range(p.shape[0])]


def of_version(version: ModelVersion) -> Model:
    """The model of a stored version."""
    return Model(version.name, version.version, version.data, version.parameters, version.files)
