"""What every rank of a training gang runs: rows to features, features to a fit. Runs in a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.errors import AnalysisError, DataError
from sqlshell.ml import estimators
from sqlshell.ml.blocks import Array, Block, Dense, Matrix, Sparse, beside
from sqlshell.ml.column_names import column_names
from sqlshell.ml.columns import Columns, set_aside
from sqlshell.ml.solvers.common import Rows
from sqlshell.ml.solvers.linear import Singular
from sqlshell.ml.split import auto_fraction, kept
from sqlshell.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.ml.gang import Gang
    from sqlshell.ml.model import Feature

MAX_CATEGORIES = 50_000
MAX_DENSE = 20_000
"""Columns up to which a matrix of numbers and categories is dense."""


@dataclass(frozen=True)
class TrainingSpec:
    """What the driver tells the ranks. Columns are `f0` ..., `label`, `weight` and `fraction`."""

    model_type: str
    options: dict[str, Any]
    features: tuple[Feature, ...]
    label: str | None = None
    weighted: bool = False
    eval_fraction: float | None = 0.0
    """The share of rows held out; None: by their number."""
    fold: int | None = None
    """Which of the folds, each the same share, is held out."""
    dummy: bool = False
    start: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] | None = None
    start_features: tuple[Feature, ...] = ()
    start_files: dict[str, bytes] = field(default_factory=dict)
    folder: str = ""
    """Where the rows that metrics are taken on are written."""


@dataclass
class Fitted:
    """What an estimator found."""

    parameters: dict[str, Any]
    log: list[dict[str, float]]
    statistics: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class TrainResult:
    """What rank 0 gives back to the driver."""

    parameters: dict[str, tuple[tuple[int, ...], tuple[float, ...]]]
    features: tuple[Feature, ...]
    classes: tuple[Any, ...]
    log: list[dict[str, float]]
    statistics: dict[str, Any]
    warnings: list[str]
    count: int
    files: dict[str, bytes]
    measured_on: str
    measured: tuple[tuple[str, int], ...]
    """Files with the rows that metrics are taken on (Arrow, the gang's input columns), and how many each has."""


class Training:
    """One rank's training rows as estimators want them."""

    def __init__(self, gang: Gang, parts: Sequence[Columns], spec: TrainingSpec) -> None:
        self.gang, self.spec = gang, spec
        self.warnings: list[str] = []
        self.parts = parts
        self.all_rows = int(self._sum([p.rows for p in parts]))
        share = auto_fraction(self.all_rows) if spec.eval_fraction is None else spec.eval_fraction
        self._masks: list[Array] | None = None
        held_out = None
        if share:
            masks = [kept(p.numbers("fraction")[0], share, spec.fold) for p in parts]
            held_out = [p.keep(~m) for p, m in zip(parts, masks, strict=True)]
            if spec.options.get("early_stop"):
                self._masks = masks
            else:
                self.parts = parts = [p.keep(m) for p, m in zip(parts, masks, strict=True)]
        self.count = int(self._sum([p.rows for p in parts]))
        if self.count == 0:
            raise DataError("there are no rows to train on", condition="NO_TRAINING_ROWS")
        self.measured_on, self.measured = set_aside(gang, spec, parts, held_out)
        self.classes: tuple[Any, ...] = ()
        self._labels: list[Array] = self._read_labels()
        self._weights = self._read_weights()
        self._matrices: list[dict[str, Matrix]] = [{} for _ in parts]
        self._numeric = [(i, f) for i, f in enumerate(spec.features) if f.kind == "numeric"]
        self._numbers = [np.empty((len(self._numeric), p.rows)) for p in parts]
        numeric = {f.name: f for f in self._read_numbers()}
        self.features = tuple(numeric.get(f.name) or self._read(i, f) for i, f in enumerate(spec.features))
        self._check_rows()
        self.rows = replace(self.subset([f.name for f in self.features]), own=True)
        self.held_out: Rows | None = None
        """The rows held out, for estimators that stop early by them."""
        if self._masks is not None:
            self._divide(self._masks)
        self.start = self._start()

    def _sum(self, counts: Sequence[float]) -> Any:
        """A small sum over all partitions of all ranks."""
        return sum(c for rank in self.gang.all_gather(list(counts)) for c in rank)

    def subset(self, names: Sequence[str]) -> Rows:
        """The rows with some of the features."""
        all_numbers = list(names) == [f.name for _, f in self._numeric]
        blocks = []
        for i, (p, y, w) in enumerate(zip(self.parts, self._labels, self._weights, strict=True)):
            x = Dense(self._numbers[i].T) if all_numbers else beside([self._matrices[i][n] for n in names])
            blocks.append(Block(p.index, x, y, w))
        return Rows(self.gang, blocks, sum(f.width for f in self.features if f.name in names))

    def _divide(self, masks: list[Array]) -> None:
        """Training rows and rows held out, read together."""
        whole = self.rows
        self.held_out = whole.with_blocks([b.take(~m) for b, m in zip(whole.blocks, masks, strict=True)])
        self.rows = whole.with_blocks([b.take(m) for b, m in zip(whole.blocks, masks, strict=True)])
        self.count = int(self._sum([b.rows for b in self.rows.blocks]))
        if not self.count or self.count == self.all_rows:
            raise DataError(
                "early_stop needs rows to train on and rows held out", condition="TOO_FEW_TRAINING_ROWS",
                hint="set early_stop = FALSE, or another data_split_eval_fraction",
            )  # fmt: skip

    def solve(self, solver: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a solver; features that depend on one another are named."""
        try:
            return solver(*args, **options)
        except Singular as e:
            names = [self._column_names()[c] for c in e.columns]
            listed = ", ".join(f"`{n}`" for n in names) or "there are not more rows than features"
            raise AnalysisError(
                f"the features are not independent: {listed}"
                + (" can be computed from the others" if names else ""),
                condition="SINGULAR_FEATURES",
                hint="leave them out, or set l2_reg > 0",
            ) from None

    def _column_names(self) -> list[str]:
        return [n for f in self.features for n in column_names(f)]

    # -- labels and weights

    def _read_labels(self) -> list[Array]:
        spec = self.spec
        if spec.label is None:
            return [np.zeros(p.rows) for p in self.parts]
        task = estimators.get(spec.model_type).task
        if task == "classification":
            return self._read_classes()
        read = [p.numbers("label") for p in self.parts]
        self._refuse_null_labels(self._sum([int(nulls.sum()) for _, nulls in read]))
        bad = self._sum([int((~np.isfinite(v)).sum()) for v, _ in read])
        if bad:
            raise DataError(f"{bad} labels in `{spec.label}` are NaN or infinite", condition="INVALID_LABELS")
        return [v for v, _ in read]

    def _refuse_null_labels(self, count: int) -> None:
        if count:
            raise DataError(
                f"{count} rows have NULL in the label `{self.spec.label}`",
                condition="NULL_LABELS",
                hint=f"leave them out: WHERE {self.spec.label} IS NOT NULL",
            )

    def _read_classes(self) -> list[Array]:
        read = [p.values("label") for p in self.parts]
        self._refuse_null_labels(self._sum([int((codes < 0).sum()) for codes, _ in read]))
        found = sorted({v for rank in self.gang.all_gather([d for _, d in read]) for d in rank for v in d})
        if len(found) < 2:
            raise DataError(
                f"the label `{self.spec.label}` has one value only: {found[0]!r}", condition="SINGLE_CLASS_LABEL",
                hint="a classifier needs rows of two classes or more",
            )  # fmt: skip
        if len(found) > 1000:
            raise DataError(
                f"the label `{self.spec.label}` has {len(found)} classes", condition="TOO_MANY_CLASSES",
                hint="at most 1000; for numbers use a regression such as linear_reg",
            )  # fmt: skip
        self.classes = tuple(found)
        at = {v: float(i) for i, v in enumerate(found)}
        return [np.array([at[v] for v in distinct] or [0.0])[codes] for codes, distinct in read]

    def _read_weights(self) -> list[Array | None]:
        options, spec = self.spec.options, self.spec
        weights: list[Array | None] = [None] * len(self.parts)
        if spec.weighted:
            read = [p.numbers("weight") for p in self.parts]
            if self._sum([int((nulls | ~(v >= 0) | ~np.isfinite(v)).sum()) for v, nulls in read]):
                raise DataError(
                    f"weights in `{options['weight_col']}` must be numbers of at least 0",
                    condition="INVALID_WEIGHTS",
                )
            weights = [v for v, _ in read]
        by_class = self._class_weights()
        if by_class is not None:
            weights = [
                (by_class[y.astype(np.int64)] * (1.0 if w is None else w))
                for y, w in zip(self._labels, weights, strict=True)
            ]
        return weights

    def _class_weights(self) -> Array | None:
        options = self.spec.options
        if options.get("auto_class_weights"):
            counts = np.sum(
                [c for r in self.gang.all_gather([
                    np.bincount(y.astype(np.int64), minlength=len(self.classes)) for y in self._labels
                ]) for c in r], axis=0)  # fmt: skip
            found: Array = self.count / (len(self.classes) * counts)
            return found
        if options.get("class_weights"):
            given = dict(options["class_weights"])
            unknown = [k for k in given if k not in self.classes]
            if unknown:
                raise AnalysisError(
                    f"class_weights names {unknown[0]!r}, which is no class of `{self.spec.label}`",
                    condition="INVALID_MODEL_OPTION_VALUE",
                    hint="classes are " + ", ".join(map(repr, self.classes[:10])),
                )
            return np.array([float(given.get(c, 1.0)) for c in self.classes])
        return None

    # -- features

    def _read(self, i: int, f: Feature) -> Feature:
        column = f"f{i}"
        return self._read_categories(column, f) if f.kind == "category" else self._read_vectors(column, f)

    def _read_numbers(self) -> list[Feature]:
        """All numeric features: a row of `_numbers` each."""
        absent = [
            [p.fill(f"f{i}", out[j]) for j, (i, _) in enumerate(self._numeric)]
            for p, out in zip(self.parts, self._numbers, strict=True)
        ]
        sums = [out.sum(axis=1) for out in self._numbers]
        bad = [
            [0 if np.isfinite(s) else int((~np.isfinite(v)).sum()) for v, s in zip(out, total, strict=True)]
            for out, total in zip(self._numbers, sums, strict=True)
        ]
        nulls = [[0 if n is None else int(n.sum()) for n in part] for part in absent]
        told = self.gang.all_gather([np.array([b, n]) for b, n in zip(bad, nulls, strict=True)])
        counts = np.sum([c for rank in told for c in rank], axis=0)
        for (_, f), infinite, missing in zip(self._numeric, counts[0], counts[1], strict=True):
            if infinite:
                raise DataError(
                    f"the feature `{f.name}` is NaN or infinite in {infinite} rows",
                    condition="INVALID_FEATURE_VALUE",
                    hint=f"leave them out, or use nanvl({f.name}, 0) or ML.IMPUTER",
                )
            if missing == self.count:
                raise DataError(
                    f"the feature `{f.name}` is NULL in every row", condition="INVALID_FEATURE_VALUE",
                    hint="leave the column out",
                )  # fmt: skip
        fills = np.zeros(len(self._numeric))
        kept = estimators.get(self.spec.model_type).takes_missing
        if counts[1].any() and not kept:
            fills = np.where(counts[1] > 0, self.gang.all_reduce(sums) / (self.count - counts[1]), 0.0)
        for part, matrices, out in zip(absent, self._matrices, self._numbers, strict=True):
            for j, ((_, f), where) in enumerate(zip(self._numeric, part, strict=True)):
                if where is not None:
                    out[j][where] = np.nan if kept else fills[j]
                matrices[f.name] = Dense(out[j : j + 1].T)
        return [replace(f, fill=float(fills[j])) for j, (_, f) in enumerate(self._numeric)]

    def _read_categories(self, column: str, f: Feature) -> Feature:
        read = [p.values(column) for p in self.parts]
        found = sorted(
            {
                v
                for rank in self.gang.all_gather([d for _, d in read])
                for d in rank
                for v in d
                if v is not None
            }
        )
        if len(found) > MAX_CATEGORIES:
            raise DataError(
                f"the feature `{f.name}` has {len(found)} different values", condition="TOO_MANY_CATEGORIES",
                hint=f"use ML.HASH_BUCKETIZE({f.name}, 1000), or ML.TF_IDF(ML.TOKENIZE({f.name})) for text",
            )  # fmt: skip
        if not found:
            raise DataError(f"the feature `{f.name}` is NULL in every row", condition="INVALID_FEATURE_VALUE")
        dropped = self.spec.dummy
        first = 1 if dropped else 0
        at = {v: i - first for i, v in enumerate(found)}
        width = len(found) - first
        for matrices, (codes, distinct) in zip(self._matrices, read, strict=True):
            columns = np.array([at.get(v, -1) for v in distinct] + [-1])[codes]
            present = columns >= 0
            starts = np.concatenate(([0], np.cumsum(present)))
            hot = Sparse(starts, columns[present], np.ones(int(present.sum())), width)
            matrices[f.name] = Dense(hot.dense()) if width <= self._dense_width() else hot
        return replace(f, categories=tuple(found), dropped=dropped, width=width)

    def _dense_width(self) -> int:
        """How wide a category may be and still be dense: estimators that need dense rows take any width."""
        return MAX_DENSE if estimators.get(self.spec.model_type).needs_dense else 64

    def _read_vectors(self, column: str, f: Feature) -> Feature:
        sizes: set[int] = set()
        made: list[Matrix] = []
        for p in self.parts:
            if f.kind == "dense":
                try:
                    matrix, _ = p.dense(column)
                except ValueError as e:
                    sizes |= {int(a) for a in e.args}
                    made.append(Dense(np.zeros((p.rows, 0))))
                    continue
                sizes |= {matrix.shape[1]} if matrix.shape[1] or p.rows else set()
                made.append(matrix)
            else:
                sparse, said = p.sparse(column)
                sizes |= set(said)
                made.append(sparse)
        sizes = {s for rank in self.gang.all_gather(sizes) for s in rank} - {0}
        if len(sizes) != 1:
            raise DataError(
                f"the vectors in `{f.name}` have {'different lengths: ' if sizes else 'no elements'}"
                + ", ".join(map(str, sorted(sizes)[:5])),
                condition="INVALID_FEATURE_VALUE",
            )
        (width,) = sizes
        for p, matrices, found in zip(self.parts, self._matrices, made, strict=True):
            matrices[f.name] = _of_width(found, width, p.rows)
        values = [getattr(m[f.name], "values") for m in self._matrices]  # noqa: B009
        bad = self._sum([int((~np.isfinite(v)).sum()) for v in values])
        if bad:
            raise DataError(
                f"{bad} elements of the vectors in `{f.name}` are NaN or infinite",
                condition="INVALID_FEATURE_VALUE",
            )
        return replace(f, width=width)

    def _check_rows(self) -> None:
        if self.classes and self.count < len(self.classes):
            raise DataError(
                f"{self.count} rows are fewer than {len(self.classes)} classes",
                condition="TOO_FEW_TRAINING_ROWS",
            )
        width = sum(f.width for f in self.features)
        if width == 0:
            raise AnalysisError("the model has no features", condition="NO_FEATURES")
        if estimators.get(self.spec.model_type).needs_dense and width > MAX_DENSE:
            raise AnalysisError(
                f"{self.spec.model_type} takes up to {MAX_DENSE} feature columns, not {width}",
                condition="TOO_MANY_FEATURES",
                hint="use fewer hash buckets",
            )

    def _start(self) -> dict[str, Array] | None:
        """The parameters of the model's current version, when they fit these features."""
        if self.spec.start is None:
            return None
        if self.spec.start_features != self.features:
            before = {f.name: f for f in self.spec.start_features}
            changed = [f.name for f in self.features if before.get(f.name) != replace(f, fill=before[f.name].fill
                       if f.name in before else 0.0)]  # fmt: skip
            if changed or len(before) != len(self.features):
                raise AnalysisError(
                    "warm_start needs the features of the current version"
                    + (f"; `{changed[0]}` is different" if changed else ""),
                    condition="INVALID_WARM_START",
                )
        return {n: np.array(values).reshape(shape) for n, (shape, values) in self.spec.start.items()}


def _of_width(matrix: Matrix, width: int, rows: int) -> Matrix:
    if isinstance(matrix, Sparse):
        return Sparse(matrix.starts, matrix.indices, matrix.values, width)
    return matrix if matrix.shape[1] == width else Dense(np.zeros((rows, width)))


def train(gang: Gang, parts: Sequence[Columns], spec: TrainingSpec) -> TrainResult:
    """The body of a training gang."""
    row = estimators.get(spec.model_type)
    if row.train is not None:
        own: TrainResult = row.train(gang, parts, spec)
        return own
    training = Training(gang, parts, spec)
    fit = row.fit
    assert fit is not None
    fitted: Fitted = fit(training, spec.options)
    parameters = {}
    for name, value in fitted.parameters.items():
        array = np.asarray(value, dtype=np.float64)
        parameters[name] = (tuple(int(s) for s in array.shape), tuple(array.ravel().tolist()))
    statistics = {
        k: v.tolist() if isinstance(v, np.ndarray) else float(v) for k, v in fitted.statistics.items()
    }
    return TrainResult(
        parameters, training.features, training.classes, fitted.log, statistics,
        [*training.warnings, *fitted.warnings], training.count, fitted.files, training.measured_on,
        training.measured,
    )  # fmt: skip


def columns_of(partitions: Sequence[Any]) -> list[Columns]:
    """A gang's partitions as the estimators read them."""
    from sqlshell.exec.gang_input import tables

    return [Columns(p.index, t) for p, t in zip(partitions, tables(partitions), strict=True)]


def run(ctx: Any, partitions: Sequence[Any], spec: TrainingSpec) -> TrainResult | None:
    """`train` over a gang's partitions (`exec.gang_input`); rank 0 answers."""
    result = train(ctx, columns_of(partitions), spec)
    return result if ctx.rank == 0 else None


def moments(ctx: Any, partitions: Sequence[Any], columns: int) -> list[tuple[float, float]]:
    """(mean, sample deviation) of columns f0, f1 ..., NULL left out: sums in the order of partitions."""
    parts = columns_of(partitions)
    read = [[p.numbers(f"f{i}") for i in range(columns)] for p in parts]
    sums = ctx.all_reduce([np.array([[(~n).sum(), v[~n].sum()] for v, n in part]) for part in read])
    counts, mean = sums[:, 0], sums[:, 1] / np.maximum(sums[:, 0], 1.0)
    squares = ctx.all_reduce([
        np.array([((v[~n] - mean[i]) ** 2).sum() for i, (v, n) in enumerate(part)]) for part in read
    ])  # fmt: skip
    std = np.sqrt(squares / np.maximum(counts - 1.0, 1.0))
    return [(float(m), float(s)) for m, s in zip(mean, std, strict=True)]
