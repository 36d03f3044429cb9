"""The body of a gang that factorizes ratings: ids to codes, ratings to every rank, factors to files. Runs in ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.errors import AnalysisError, DataError
from sqlshell.ml.body import TrainResult
from sqlshell.ml.columns import set_aside
from sqlshell.ml.recommend import ITEMS, USERS, roles
from sqlshell.ml.solvers.als import Ratings, Settings, fit_als
from sqlshell.ml.split import auto_fraction, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.ml.blocks import Array
    from sqlshell.ml.body import TrainingSpec
    from sqlshell.ml.columns import Columns
    from sqlshell.ml.gang import Gang


def train(gang: Gang, parts: Sequence[Columns], spec: TrainingSpec) -> TrainResult:
    """Ratings of (user, item) pairs to the factors of both."""
    options = spec.options
    all_rows = _sum(gang, [p.rows for p in parts])
    share = auto_fraction(all_rows) if spec.eval_fraction is None else spec.eval_fraction
    held_out = None
    if share:
        masks = [kept(p.numbers("fraction")[0], share, spec.fold) for p in parts]
        held_out = [p.keep(~m) for p, m in zip(parts, masks, strict=True)]
        parts = [p.keep(m) for p, m in zip(parts, masks, strict=True)]
    if not _sum(gang, [p.rows for p in parts]):
        raise DataError("there are no rows to train on", condition="NO_TRAINING_ROWS")
    measured_on, measured = set_aside(gang, spec, parts, held_out)
    places = roles(spec.features, options)
    user_ids, users = _codes(gang, parts, f"f{places[0]}", options["user_col"])
    item_ids, items = _codes(gang, parts, f"f{places[1]}", options["item_col"])
    gathered = gang.all_gather((users, items, _values(gang, parts, options["rating_col"])))
    ratings = Ratings(*(np.concatenate([g[i] for g in gathered]) for i in range(3)))
    implicit = options["feedback_type"] == "implicit"
    if implicit and not (ratings.values > 0).any():
        raise DataError(
            f"no row has a positive `{options['rating_col']}`", condition="INVALID_LABELS",
            hint="implicit feedback counts what people did: 0 and below is nothing",
        )  # fmt: skip
    found = fit_als(gang, ratings, len(user_ids), len(item_ids), Settings(
        options["num_factors"], options["l2_reg"], options["wals_alpha"] if implicit else None,
        options["max_iterations"], options["min_rel_progress"], options["seed"], options["checkpoint_interval"],
    ), _start(spec, item_ids))  # fmt: skip
    statistics = {
        "users": float(len(user_ids)), "items": float(len(item_ids)), "training_loss": found.loss,
        "mean_squared_error": found.error,
    }  # fmt: skip
    warnings: list[str] = []
    files = {}
    if gang.rank == 0:
        files[USERS] = _file(user_ids, np.bincount(ratings.users, minlength=len(user_ids)), found.users)
        files[ITEMS] = _file(item_ids, np.bincount(ratings.items, minlength=len(item_ids)), found.items)
    return TrainResult({}, spec.features, (), found.log, statistics, warnings, ratings.count, files, measured_on,
                       measured)  # fmt: skip


def _start(spec: TrainingSpec, ids: list[Any]) -> dict[int, Array]:
    """The factors that the current version has for items of today."""
    if not spec.start_files:
        return {}
    import pyarrow as pa

    table = pa.ipc.open_file(pa.BufferReader(spec.start_files[ITEMS])).read_all().combine_chunks()
    width = table.schema.field("factors").type.list_size
    if width != spec.options["num_factors"]:
        raise AnalysisError(
            f"the current version has {width} factors, not {spec.options['num_factors']}",
            condition="INVALID_WARM_START", hint=f"num_factors = {width}",
        )  # fmt: skip
    factors = np.asarray(table["factors"].chunk(0).flatten()).reshape(-1, width)
    at = {v: i for i, v in enumerate(table["id"].to_pylist())}
    return {i: factors[at[v]] for i, v in enumerate(ids) if v in at}


def _sum(gang: Gang, counts: Sequence[int]) -> int:
    return sum(c for rank in gang.all_gather(list(counts)) for c in rank)


def _codes(gang: Gang, parts: Sequence[Columns], column: str, name: str) -> tuple[list[Any], Array]:
    """All ids in order, and the position of each of this rank's rows among them."""
    read = [p.values(column) for p in parts]
    absent = _sum(gang, [int((codes < 0).sum()) for codes, _ in read])
    if absent:
        raise DataError(
            f"{absent} rows have NULL in `{name}`", condition="NULL_IDS",
            hint=f"leave them out: WHERE {name} IS NOT NULL",
        )  # fmt: skip
    found = sorted({v for rank in gang.all_gather([d for _, d in read]) for d in rank for v in d})
    at = {v: i for i, v in enumerate(found)}
    own = [np.array([at[v] for v in distinct] or [0], dtype=np.int32)[codes] for codes, distinct in read]
    return found, np.concatenate([np.zeros(0, dtype=np.int32), *own])


def _values(gang: Gang, parts: Sequence[Columns], name: str) -> Array:
    read = [p.numbers("label") for p in parts]
    bad = _sum(gang, [int((nulls | ~np.isfinite(v)).sum()) for v, nulls in read])
    if bad:
        raise DataError(
            f"{bad} ratings in `{name}` are NULL, NaN or infinite", condition="INVALID_LABELS",
            hint=f"leave them out: WHERE {name} IS NOT NULL",
        )  # fmt: skip
    return np.concatenate([np.zeros(0), *(v for v, _ in read)])


def _file(ids: list[Any], counts: Array, factors: Array) -> bytes:
    """A side as `exec.factors` reads it."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(factors).ravel())
    table = pa.table({
        "id": pa.array(ids, pa.string() if isinstance(ids[0], str) else pa.int64()),
        "count": pa.array(counts, pa.int64()),
        "factors": pa.FixedSizeListArray.from_arrays(flat, factors.shape[1]),
    })  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
