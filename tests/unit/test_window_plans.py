"""Window functions over hand-made plans, against a plain Python reading of their definitions."""

from __future__ import annotations

import math
import random
from typing import Any

import polars as pl
import pytest

from sqlshell.exec.lower_expr import Kernel
from sqlshell.exec.lower_rank import packed_key
from sqlshell.exec.lower_window import lower_window
from sqlshell.expr.expr import AggCall, Column, Expr, Frame, Literal, SortKey, WindowCall
from sqlshell.functions import registry
from sqlshell.plan.logical import Named, Values, Window, fresh_column, fresh_id
from sqlshell.types import BIGINT, BOOLEAN, DATE, DAY_TIME, DOUBLE, INT, STRING, YEAR_MONTH, Decimal, SqlType

Row = dict[str, Any]
DEC = Decimal(12, 2)


class Table:
    """Random rows as a frame, a plan leaf, and Python dicts."""

    def __init__(self, rows: list[Row], **types: SqlType) -> None:
        k = Kernel()
        self.rows = rows
        self.columns = {n: Column(fresh_id(), n, t) for n, t in types.items()}
        self.frame = pl.DataFrame(
            [
                pl.Series(f"c{c.id}", [r[n] for r in rows], dtype=k.dtype(c.type))
                for n, c in self.columns.items()
            ]
        )
        self.plan = Values(tuple(self.columns.values()), ())

    def run(self, *calls: WindowCall) -> list[tuple[Any, ...]]:
        """Each row's number `id` and the calls' values, by id."""
        named = tuple(Named(fresh_column(c.call.fn, c), c) for c in calls)
        node = Window(self.plan, named)
        out = lower_window(Kernel(), self.frame.lazy(), node).collect(engine="streaming")
        assert out.columns == [f"c{c.id}" for c in node.output]
        wanted = [f"c{self.columns['id'].id}", *(f"c{n.column.id}" for n in named)]
        return sorted(out.select(wanted).rows())

    def call(
        self,
        fn: str,
        *args: Expr,
        frame: Frame,
        to: SqlType | None = None,
        order: tuple[SortKey, ...] | None = None,
        partition: tuple[str, ...] = ("p",),
        **more: Any,
    ) -> WindowCall:
        types = tuple(a.type for a in args)
        row = registry.get(fn)
        result = to or (row.returns(types, args) if row.returns else types[0])
        keys = (SortKey(self.columns["o"]), SortKey(self.columns["id"])) if order is None else order
        return WindowCall(
            AggCall(fn, args, result, **more), tuple(self.columns[p] for p in partition), keys, frame
        )


def make(seed: int, size: int = 60) -> Table:
    r = random.Random(seed)
    rows = [
        {
            "id": i,
            "p": r.choice(["a", "b", None]),
            "o": r.choice([None, 1, 2, 3, 5, 8]),
            "x": r.choice([None, 1, -2, 3, 7]),
            "d": r.choice([None, 100, -250, 399]),
            "f": r.choice([None, 0.5, -1.25, math.nan, 3.0]),
            "s": r.choice([None, "k", "m", "a"]),
        }
        for i in range(size)
    ]
    return Table(rows, id=INT, p=STRING, o=INT, x=INT, d=DEC, f=DOUBLE, s=STRING)


def partitions(rows: list[Row]) -> list[list[Row]]:
    """Rows by `p`, sorted by o (NULLs first), then id."""
    out = []
    for p in {r["p"] for r in rows}:
        part = [r for r in rows if r["p"] == p]
        part.sort(key=lambda r: (r["o"] is not None, r["o"] or 0, r["id"]))
        out.append(part)
    return out


def rows_frame(part: list[Row], i: int, frame: Frame) -> list[Row]:
    lo = 0 if frame.start is None else max(0, i + frame.start)
    hi = len(part) if frame.end is None else max(0, i + frame.end + 1)
    return part[lo:hi]


def nan_key(v: float) -> tuple[bool, float]:
    return (math.isnan(v), 0.0 if math.isnan(v) else v)


def expected(fn: str, column: str, frame_rows: list[Row]) -> Any:
    values = [r[column] for r in frame_rows]
    present = [v for v in values if v is not None]
    if fn == "count":
        return len(present)
    if fn == "collect_list":
        return present
    if fn == "first":
        return values[0] if values else None
    if fn == "last":
        return values[-1] if values else None
    if not present:
        return None
    if fn == "sum":
        return sum(present)
    if fn == "min":
        return min(present, key=nan_key) if column == "f" else min(present)
    if fn == "max":
        return max(present, key=nan_key) if column == "f" else max(present)
    if fn == "avg":
        return sum(present) / len(present)
    if fn == "var_pop":
        mean = sum(present) / len(present)
        return sum((v - mean) ** 2 for v in present) / len(present)
    raise AssertionError(fn)


FRAMES = [
    Frame("rows", None, 0),
    Frame("rows", None, None),
    Frame("rows", 0, None),
    Frame("rows", -2, 1),
    Frame("rows", -3, -2),
    Frame("rows", 1, 4),
    Frame("rows", None, -1),
]
CASES = [
    ("sum", "x"),
    ("count", "x"),
    ("avg", "x"),
    ("min", "x"),
    ("max", "x"),
    ("sum", "d"),
    ("min", "s"),
    ("max", "s"),
    ("sum", "f"),
    ("min", "f"),
    ("max", "f"),
    ("avg", "f"),
    ("first", "x"),
    ("last", "s"),
    ("collect_list", "x"),
    ("var_pop", "f"),
]


def close(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, (int, float)):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return bool(a == b)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_aggregates_over_row_frames(frame: Frame) -> None:
    t = make(7)
    result_types = {"count": BIGINT, "var_pop": DOUBLE}
    calls = [t.call(f, t.columns[c], frame=frame, to=result_types.get(f)) for f, c in CASES]
    got = t.run(*calls)
    wanted = {
        part[i]["id"]: [expected(f, c, rows_frame(part, i, frame)) for f, c in CASES]
        for part in partitions(t.rows)
        for i in range(len(part))
    }
    for row_id, *values in got:
        for case, value, want in zip(CASES, values, wanted[row_id], strict=True):
            assert close(value, want), (case, row_id)


@pytest.mark.parametrize("column", ["o", "wide", "s"])
def test_ranking(column: str) -> None:
    """Over one key (no sorted rows), over one the rows are sorted by, and over text."""
    t = make(3)
    o = t.columns["o"]
    if column == "s":
        for r in t.rows:
            r["o"] = r["s"]
        o = t.columns["s"]
    order = (SortKey(o),) if column != "wide" else (SortKey(o), SortKey(Literal(1, INT)))
    frame = Frame("rows", None, 0)
    names = ["rank", "dense_rank", "percent_rank", "cume_dist"]
    calls = [t.call(n, frame=frame, order=order, to=INT) for n in names]
    calls += [
        t.call("row_number", frame=frame, order=order, to=INT),
        t.call("ntile", Literal(4, INT), frame=frame, order=order, to=INT),
    ]
    got = {r[0]: r[1:] for r in t.run(*calls)}
    for part in partitions(t.rows):
        keys = [r["o"] for r in part]
        n = len(part)
        sizes = [n // 4 + (b < n % 4) for b in range(4)]
        assert sorted(got[r["id"]][4] for r in part) == list(range(1, n + 1))
        for i, r in enumerate(part):
            before = keys.index(r["o"])
            upto = n - keys[::-1].index(r["o"])
            rank, dense, percent, dist, number, tile = got[r["id"]]
            assert rank == before + 1
            assert dense == len(dict.fromkeys(keys[: i + 1]))
            assert math.isclose(percent, before / (n - 1) if n > 1 else 0)
            assert math.isclose(dist, upto / n)
            assert before < number <= upto
            assert tile == next(b + 1 for b in range(4) if number <= sum(sizes[: b + 1]))


def test_running_range_includes_peers() -> None:
    t = make(5)
    frame = Frame("range", None, 0)
    got = dict(t.run(t.call("sum", t.columns["x"], frame=frame, order=(SortKey(t.columns["o"]),))))
    for part in partitions(t.rows):
        for r in part:
            upto = len(part) - [q["o"] for q in part][::-1].index(r["o"])
            assert got[r["id"]] == expected("sum", "x", part[:upto])


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize(("start", "end"), [(-2, 1), (-1, 0), (None, -2), (1, 3), (0, None)])
def test_range_offsets(start: int | None, end: int | None, ascending: bool) -> None:
    t = make(11)
    bound = [b if b in (None, 0) else Literal(b, INT) for b in (start, end)]
    order = (SortKey(t.columns["o"], ascending, ascending),)
    calls = [
        t.call(f, t.columns[c], frame=Frame("range", *bound), order=order, to=r)
        for f, c, r in [("sum", "x", BIGINT), ("count", "f", BIGINT), ("max", "d", DEC)]
    ]
    got = {r[0]: r[1:] for r in t.run(*calls)}
    for part in partitions(t.rows):
        for i, r in enumerate(part):
            frame_rows = range_frame(part, r, start, end, ascending)
            wanted = tuple(
                expected(f, c, frame_rows) for f, c in [("sum", "x"), ("count", "f"), ("max", "d")]
            )
            assert got[r["id"]] == wanted, (i, r)


def range_frame(part: list[Row], r: Row, start: int | None, end: int | None, ascending: bool) -> list[Row]:
    """Rows whose key lies between key + start and key + end along the sort direction."""
    sign = 1 if ascending else -1
    ordered = (
        part if ascending else [q for q in part if q["o"] is not None] + [q for q in part if q["o"] is None]
    )
    first = ordered.index(next(q for q in ordered if q["o"] == r["o"]))
    last = max(n for n, q in enumerate(ordered) if q["o"] == r["o"])
    if r["o"] is None:
        return ordered[0 if start is None else first : len(ordered) if end is None else last + 1]

    def distance(q: Row) -> int:
        return sign * (q["o"] - r["o"])

    out = []
    for n, q in enumerate(ordered):
        after_start = start is None or (q["o"] is not None and distance(q) >= start)
        before_end = end is None or (q["o"] is not None and distance(q) <= end)
        if q["o"] is None:
            after_start = start is None if n < first else after_start or n > last
            before_end = end is None if n > last else before_end or n < first
        if after_start and before_end:
            out.append(q)
    return out


def test_range_by_intervals() -> None:
    days = [0, 1, 31, 32, 62, None]
    t = Table(
        [{"id": i, "p": "a", "o": d, "x": 1} for i, d in enumerate(days)], id=INT, p=STRING, o=DATE, x=INT
    )
    t.frame = t.frame.with_columns(pl.col(f"c{t.columns['o'].id}").cast(pl.Date))
    order = (SortKey(t.columns["o"]),)
    month = Frame("range", Literal(-1, YEAR_MONTH), 0)
    week = Frame("range", Literal(-7 * 86_400_000_000, DAY_TIME), 0)
    got = t.run(*(t.call("sum", t.columns["x"], frame=f, order=order) for f in (month, week)))
    assert [r[1:] for r in got] == [(1, 1), (2, 2), (3, 1), (3, 2), (1, 1), (1, 1)]


def test_lag_lead_and_values() -> None:
    rows = [{"id": i, "p": "a", "o": i, "x": v} for i, v in enumerate([10, None, 30, None, 50])]
    t = Table(rows, id=INT, p=STRING, o=INT, x=INT)
    x, whole, running = t.columns["x"], Frame("rows", None, None), Frame("rows", None, 0)
    got = t.run(
        t.call("lag", x, frame=whole),
        t.call("lag", x, Literal(1, INT), Literal(-1, INT), frame=whole),
        t.call("lead", x, Literal(2, INT), frame=whole),
        t.call("lag", x, frame=whole, ignore_nulls=True),
        t.call("lead", x, Literal(1, INT), frame=whole, ignore_nulls=True),
        t.call("last", x, frame=running, ignore_nulls=True),
        t.call("nth_value", x, Literal(2, INT), frame=running),
        t.call("nth_value", x, Literal(2, INT), frame=running, ignore_nulls=True),
        t.call("first", x, frame=Frame("rows", 1, 3), ignore_nulls=True),
    )
    assert [r[1:] for r in got] == [
        (None, -1, 30, None, 30, 10, None, None, 30),
        (10, 10, None, 10, 30, 10, None, None, 30),
        (None, None, 50, 10, 50, 30, None, 30, 50),
        (30, 30, None, 30, 50, 30, None, 30, 50),
        (None, None, None, 30, None, 50, None, 30, None),
    ]


def test_without_partition_or_order() -> None:
    t = make(2, 10)
    frame = Frame("rows", None, None)
    got = t.run(
        t.call("sum", t.columns["d"], frame=frame, order=(), partition=()),
        t.call("count", Literal(1, INT), frame=frame, order=(), partition=(), to=BIGINT),
        t.call("avg", t.columns["d"], frame=frame, order=()),
    )
    total = sum(r["d"] for r in t.rows if r["d"] is not None)
    assert {r[1:3] for r in got} == {(total, 10)}
    empty = Table([], id=INT, p=STRING, o=INT, x=INT)
    calls = [
        empty.call("sum", empty.columns["x"], frame=frame, order=(), partition=()),
        empty.call("sum", empty.columns["x"], frame=Frame("rows", -1, 0)),
        empty.call("rank", frame=Frame("rows", None, 0), to=INT),
        empty.call("max", empty.columns["x"], frame=Frame("rows", -1, 0)),
    ]
    assert empty.run(*calls) == []


@pytest.mark.parametrize("seed", range(4))
def test_packed_keys_sort_as_columns_do(seed: int) -> None:
    r = random.Random(seed)
    k = Kernel()
    types: list[SqlType] = [INT, BOOLEAN, DATE, Decimal(9, 2)]
    columns = [Column(fresh_id(), f"x{i}", t) for i, t in enumerate(types)]
    values: list[list[Any]] = [[-(2**31), -1, 0, 2**31 - 1], [True, False], [-5, 0, 9], [-999_999_999, 7]]
    frame = pl.DataFrame(
        [
            pl.Series(f"c{c.id}", [r.choice([None, *v]) for _ in range(80)]).cast(k.dtype(c.type))
            for c, v in zip(columns, values, strict=True)
        ]
    )
    keys = [SortKey(c, r.random() < 0.5, r.random() < 0.5) for c in columns]
    names = [pl.col(f"c{c.id}") for c in columns]
    packed = packed_key(names, keys)
    assert packed is not None
    by_columns = frame.sort(
        names, descending=[not s.ascending for s in keys], nulls_last=[not s.nulls_first for s in keys]
    )
    assert frame.sort(packed).equals(by_columns)
    assert packed_key([pl.col("a")] * 2, [SortKey(Column(1, "a", BIGINT))] * 2) is None
