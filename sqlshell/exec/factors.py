"""Factors of users and items over a batch of rows: what a pair is rated, what somebody would rate best.

A side (users, or items) is an Arrow file with the columns `id` (bigint or string), `count` and `factors` (a fixed
number of doubles), rows by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.records import dataclass

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

KEPT = 8
"""Sides a worker keeps unpacked."""
CHUNK = 1 << 22
"""Scores computed at a time."""
_loaded: dict[bytes, Side] = {}


@dataclass(frozen=True)
class Side:
    """Ids in order, and their factors."""

    ids: pl.DataFrame
    factors: Array

    def places(self, wanted: pl.Series) -> Array:
        """The row of each id, -1 for NULL and ids that were not there in training."""
        given = pl.DataFrame({"id": wanted.cast(self.ids["id"].dtype)})
        found = given.join(self.ids, on="id", how="left", maintain_order="left")["at"]
        return found.fill_null(-1).to_numpy()


def side(data: bytes) -> Side:
    """The side that an Arrow file holds; kept for the next batch."""
    found = _loaded.get(data)
    if found is None:
        import pyarrow as pa

        table = pa.ipc.open_file(pa.BufferReader(data)).read_all().combine_chunks()
        ids: Any = pl.from_arrow(table.select(["id"]))
        width = table.schema.field("factors").type.list_size
        factors = np.asarray(table["factors"].chunk(0).flatten()).reshape(-1, width)
        found = Side(ids.with_row_index("at").with_columns(pl.col("at").cast(pl.Int64)), factors)
        if len(_loaded) >= KEPT:
            _loaded.pop(next(iter(_loaded)))
        _loaded[data] = found
    return found


def rating(users: bytes, items: bytes, user: pl.Expr, item: pl.Expr) -> pl.Expr:
    """The product of a user's and an item's factors; NULL where training saw one of them never."""

    def run(s: pl.Series) -> pl.Series:
        u, i = side(users), side(items)
        at_user, at_item = u.places(s.struct.field("u")), i.places(s.struct.field("i"))
        found = np.einsum("ij,ij->i", u.factors[at_user], i.factors[at_item])
        known = pl.Series((at_user >= 0) & (at_item >= 0))
        return pl.DataFrame({"v": found}).select(pl.when(known).then("v").alias("v"))["v"]

    packed = pl.struct(user.alias("u"), item.alias("i"))
    return packed.map_batches(run, return_dtype=pl.Float64, is_elementwise=True)


def recommended(own: bytes, other: bytes, who: pl.Expr, most: int | None, id_type: Any) -> pl.Expr:
    """By row the other side's ids with the best ratings, best first (equal ones by id); NULL for unknown rows.

    `most` None gives all of them, by id.
    """

    def run(s: pl.Series) -> pl.Series:
        mine, theirs = side(own), side(other)
        at = mine.places(s)
        known = at >= 0
        count = len(theirs.ids)
        width = count if most is None else min(most, count)
        chosen = np.empty((int(known.sum()), width), dtype=np.int64)
        scores = np.empty(chosen.shape)
        rows = at[known]
        step = max(1, CHUNK // max(count, 1))
        for start in range(0, len(rows), step):
            found = mine.factors[rows[start : start + step]] @ theirs.factors.T
            places = np.broadcast_to(np.arange(count), found.shape) if most is None else _best(found, width)
            chosen[start : start + step] = places
            scores[start : start + step] = np.take_along_axis(found, places, axis=1)
        return _pairs(theirs.ids["id"].gather(chosen.ravel()), scores.ravel(), known, width)

    kind = pl.List(pl.Struct({"id": id_type, "rating": pl.Float64}))
    return who.map_batches(run, return_dtype=kind, is_elementwise=True).cast(kind)


def _best(scores: Array, width: int) -> Array:
    """The places of the largest scores of each row, largest first, equal ones in order."""
    if width * 4 >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")[:, :width]
    # Everything above the width-th score, then the first of those that equal it.
    least = -np.partition(-scores, width - 1, axis=1)[:, width - 1 : width]
    above, equal = scores > least, scores == least
    room = width - above.sum(axis=1, keepdims=True)
    taken = above | (equal & (np.cumsum(equal, axis=1) <= room))
    places = np.nonzero(taken)[1].reshape(len(scores), width)
    order = np.argsort(-np.take_along_axis(scores, places, axis=1), axis=1, kind="stable")
    found: Array = np.take_along_axis(places, order, axis=1)
    return found


def _pairs(ids: pl.Series, scores: Array, known: Array, width: int) -> pl.Series:
    import pyarrow as pa

    offsets = np.concatenate(([0], np.cumsum(np.where(known, width, 0))))
    flat = pa.StructArray.from_arrays(
        [ids.to_arrow(compat_level=pl.CompatLevel.oldest()), pa.array(scores)], ["id", "rating"]
    )
    listed: Any = pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat))
    if known.all():
        return pl.Series("v", listed)
    return pl.DataFrame({"v": listed}).select(pl.when(pl.Series(known)).then("v").alias("v"))["v"]


def ids(data: bytes, id_type: Any) -> pl.Expr:
    """All ids of a side, as one list."""
    return pl.lit(pl.Series("v", [side(data).ids["id"]], dtype=pl.List(id_type)), allow_object=False)
