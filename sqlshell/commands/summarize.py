"""SUMMARIZE: what the columns of a relation hold, in two passes: aggregates, then histograms between the extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.errors import Error
from sqlshell.result import Result
from sqlshell.types import BIGINT, DOUBLE, STRING, Field, quote_name

if TYPE_CHECKING:
    from sqlshell.parser.statement import Summarize
    from sqlshell.session import Session

BARS = " ▁▂▃▄▅▆▇█"
BUCKETS = 12
FIELDS = (
    Field("column_name", STRING), Field("column_type", STRING), Field("count", BIGINT), Field("null_share", DOUBLE),
    Field("approx_distinct", BIGINT), Field("min", STRING), Field("max", STRING), Field("avg", DOUBLE),
    Field("stddev", DOUBLE), Field("q25", DOUBLE), Field("median", DOUBLE), Field("q75", DOUBLE),
    Field("histogram", STRING),
)  # fmt: skip
_NESTED = (t.Array, t.Map, t.Struct, t.Variant)


def summarize(session: Session, s: Summarize) -> Result:
    """One row per column."""
    bound = session.bind_text(s.source)
    names = [f"c{i}" for i in range(len(bound.names))]
    types = [c.type for c in bound.plan.output]
    relation = f"({s.source}) AS summarized({', '.join(names)})"
    try:
        facts = _facts(session, names, types, relation)
        bars = _histograms(session, names, types, relation, facts)
    except Error as e:
        e.span = None  # it counts in a text that nobody has seen
        e.statement = s.text
        raise
    rows = []
    for i, (name, kind) in enumerate(zip(bound.names, types, strict=True)):
        f = facts[i]
        total, count = f["total"], f["count"]
        share = None if not total else round((total - count) / total, 4)
        quantiles = f.get("quantiles") or [None] * 3
        rows.append((name, str(kind), count, share, f.get("distinct"), f.get("low"), f.get("high"), f.get("avg"),
                     f.get("stddev"), *quantiles, bars.get(i)))  # fmt: skip
    return Result(FIELDS, rows)


def _facts(session: Session, names: list[str], types: list[t.SqlType], relation: str) -> list[dict[str, Any]]:
    """The aggregates of every column, by name."""
    wanted: list[tuple[int, str, str]] = []
    for i, (c, kind) in enumerate(zip(names, types, strict=True)):
        wanted += [(i, "total", "count(*)"), (i, "count", f"count({c})")]
        if isinstance(kind, _NESTED):
            continue
        wanted.append((i, "distinct", f"approx_count_distinct({c})"))
        wanted += [(i, "low", f"string(min({c}))"), (i, "high", f"string(max({c}))")]
        if isinstance(kind, t.Numeric):
            d = f"double({c})"
            wanted += [(i, "avg", f"avg({d})"), (i, "stddev", f"stddev({d})")]
            wanted.append((i, "quantiles", f"percentile_approx({d}, array(0.25, 0.5, 0.75))"))
            wanted += [(i, "from", f"min({d})"), (i, "to", f"max({d})")]
    row = _row(session, [text for _, _, text in wanted], relation)
    facts: list[dict[str, Any]] = [{} for _ in names]
    for (i, fact, _), value in zip(wanted, row, strict=True):
        facts[i][fact] = value
    return facts


def _histograms(
    session: Session, names: list[str], types: list[t.SqlType], relation: str, facts: list[dict[str, Any]]
) -> dict[int, str]:
    """A bar per bucket of every numeric column that varies."""
    drawn = [i for i, kind in enumerate(types) if isinstance(kind, t.Numeric) and _varies(facts[i])]
    if not drawn:
        return {}
    items = []
    for i in drawn:
        low, high = facts[i]["from"], facts[i]["to"]
        bucket = f"least(width_bucket(double({names[i]}), double('{low!r}'), double('{high!r}'), {BUCKETS}), {BUCKETS})"
        items.append(f"{bucket} AS {quote_name(names[i])}")
    buckets = f"(SELECT {', '.join(items)} FROM {relation}) AS bucketed"
    counts = [f"count_if({names[i]} = {b})" for i in drawn for b in range(1, BUCKETS + 1)]
    row = _row(session, counts, buckets)
    return {i: sparkline(row[n * BUCKETS : (n + 1) * BUCKETS]) for n, i in enumerate(drawn)}


def _varies(facts: dict[str, Any]) -> bool:
    low, high = facts["from"], facts["to"]
    return low is not None and high is not None and low < high and high - low < float("inf")


def sparkline(counts: tuple[int, ...] | list[int]) -> str:
    """Counts as bars; only an empty bucket has none."""
    top = max(counts, default=0)
    return "".join(BARS[0 if not n else max(1, round(n / top * 8))] for n in counts) if top else ""


def _row(session: Session, items: list[str], relation: str) -> tuple[Any, ...]:
    result = session.run_bound(session.bind_text(f"SELECT {', '.join(items)} FROM {relation}"))
    try:
        return next(iter(result.rows()))
    finally:
        result.close()
