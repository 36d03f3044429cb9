"""Random queries over small tables with NULLs, for comparison with another engine.

They lean towards what an optimizer can get wrong: correlated subqueries at any depth, outer joins with predicates in
odd places, grouping, set operations. One seed gives one query.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {"t": 25, "u": 20, "w": 8}
Scope = list[tuple[str, str]]
"""Columns in reach: (how to write it, "n" for numbers or "s" for text)."""


def write_tables(folder: Path) -> dict[str, Path]:
    """The tables as Parquet files; always the same ones."""
    rnd = random.Random(7)

    def numbers(count: int, below: int, nulls: float = 0.15) -> list[int | None]:
        return [None if rnd.random() < nulls else rnd.randrange(below) for _ in range(count)]

    paths = {}
    for name, count in ROWS.items():
        table = pa.table(
            {
                "a": pa.array(numbers(count, 6), pa.int32()),
                "b": pa.array(numbers(count, 5), pa.int32()),
                "c": pa.array(numbers(count, 20, 0.3), pa.int64()),
                "d": pa.array([rnd.choice(["x", "y", "z", None]) for _ in range(count)]),
                "id": pa.array(range(count), pa.int32()),
            }
        )
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(table, paths[name])
    return paths


def random_query(seed: int, depth: int = 2) -> str:
    """A query that Spark and DuckDB both understand."""
    maker = _Maker(random.Random(seed))
    return maker.select(depth, [], maker.r.randrange(1, 4))[0]


def _numbers(scope: Scope) -> list[str]:
    return [name for name, kind in scope if kind == "n"]


class _Maker:
    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.aliases = 0

    def alias(self) -> str:
        self.aliases += 1
        return f"q{self.aliases}"

    def number(self, scope: Scope) -> str:
        columns, dice = _numbers(scope), self.r.random()
        if columns and dice < 0.8:
            return self.r.choice(columns)
        if columns and dice < 0.88:
            return f"coalesce({self.r.choice(columns)}, {self.r.randrange(4)})"
        return str(self.r.randrange(6))

    def predicate(self, scope: Scope, depth: int, outer: Scope) -> str:
        r, dice, reach = self.r, self.r.random(), scope + outer * 2
        texts = [name for name, kind in reach if kind == "s"]
        if dice < 0.30:
            return f"{self.number(reach)} {r.choice(['=', '<', '>', '<=', '<>'])} {self.number(scope)}"
        if dice < 0.38:
            return f"{self.number(scope)} is {r.choice(['', 'not '])}null"
        if dice < 0.45 and texts:
            return f"{r.choice(texts)} = '{r.choice('xyz')}'"
        if dice < 0.52:
            return f"{self.number(scope)} in (1, 2, {r.randrange(9)})"
        if dice < 0.60:
            return f"({self.predicate(scope, depth, outer)} or {self.predicate(scope, depth, outer)})"
        if dice < 0.65:
            return f"not ({self.predicate(scope, depth, outer)})"
        if dice < 0.70:
            return f"({self.predicate(scope, depth, outer)} and {self.predicate(scope, depth, outer)})"
        if depth > 0:
            return self.subquery_predicate(scope, depth, reach)
        return f"{self.number(reach)} = {self.number(scope)}"

    def subquery_predicate(self, scope: Scope, depth: int, reach: Scope) -> str:
        r, dice = self.r, self.r.random()
        negated = r.choice(["", "not "])
        if dice < 0.35:
            return f"{negated}exists ({self.select(depth - 1, reach, 1)[0]})"
        if dice < 0.70:
            inner = self.select(depth - 1, reach, 1, plain=True)[0]
            return f"{self.number(reach)} {negated}in ({inner})"
        return f"{self.number(scope)} {r.choice(['=', '<', '>'])} {self.scalar(reach, depth - 1)}"

    def scalar(self, outer: Scope, depth: int) -> str:
        source, scope = self.source(depth)
        numeric: Scope = [c for c in scope if c[1] == "n"]
        function = self.r.choice(["count(*)", "sum({})", "min({})", "max({})", "count({})"])
        value = function.format(self.number(numeric))
        if self.r.random() < 0.2:
            value = f"coalesce({value}, 0)"
        return f"(select {value} from {source} where {self.where(scope, depth, outer)})"

    def where(self, scope: Scope, depth: int, outer: Scope) -> str:
        parts = [self.predicate(scope, depth, outer) for _ in range(self.r.randrange(1, 3))]
        if _numbers(outer) and _numbers(scope) and self.r.random() < 0.8:
            parts.append(f"{self.r.choice(_numbers(scope))} = {self.r.choice(_numbers(outer))}")
        return " and ".join(parts)

    def relation(self, depth: int) -> tuple[str, Scope]:
        if depth > 0 and self.r.random() < 0.3:
            query, columns = self.select(depth - 1, [], self.r.randrange(1, 4))
            alias = self.alias()
            return f"({query}) {alias}", [(f"{alias}.{name}", kind) for name, kind in columns]
        table, alias = self.r.choice(list(ROWS)), self.alias()
        scope = [(f"{alias}.{c}", "s" if c == "d" else "n") for c in ("a", "b", "c", "d", "id")]
        return f"{table} {alias}", scope

    def source(self, depth: int) -> tuple[str, Scope]:
        r = self.r
        text, scope = self.relation(depth)
        for _ in range(r.choice([0, 0, 1, 1, 2])):
            other, more = self.relation(depth)
            kind = r.choice(["join", "join", "left join", "right join", "full join", "cross join"])
            left, right = _numbers(scope), _numbers(more)
            if kind == "cross join" or not left or not right:
                text = f"{text} cross join {other}"
            else:
                on = f"{r.choice(left)} = {r.choice(right)}"
                if kind != "full join" and r.random() < 0.4:
                    on += f" and {self.predicate(scope + more, 0, [])}"
                text = f"{text} {kind} {other} on {on}"
            scope = scope + more
        return text, scope

    def select(self, depth: int, outer: Scope, width: int, plain: bool = False) -> tuple[str, Scope]:
        r = self.r
        source, scope = self.source(depth)
        filtered = bool(outer) or r.random() < 0.8
        where = f" where {self.where(scope, depth, outer)}" if filtered else ""
        if not plain and _numbers(scope) and r.random() < 0.3:
            return self.grouped(source, scope, where, width)
        items: list[str] = []
        columns: Scope = []
        for i in range(width):
            value, kind = self.item(scope, depth, outer, plain)
            items.append(f"{value} as v{i}")
            columns.append((f"v{i}", kind))
        distinct = "distinct " if r.random() < 0.2 else ""
        query = f"select {distinct}{', '.join(items)} from {source}{where}"
        if not outer and r.random() < 0.1:
            other, kinds = self.select(0, [], width)
            if [k for _, k in kinds] == [k for _, k in columns]:
                query = f"{query} {r.choice(['union all', 'union', 'except', 'intersect'])} {other}"
        return query, columns

    def item(self, scope: Scope, depth: int, outer: Scope, plain: bool) -> tuple[str, str]:
        dice = self.r.random()
        if not plain and dice < 0.15:
            return self.r.choice(scope)
        if not outer and depth > 0 and dice < 0.25:
            return self.scalar(scope, depth - 1), "n"
        if not outer and _numbers(scope) and dice < 0.32:
            order = ", ".join(f"{name} nulls first" for name, _ in scope)
            by = self.r.choice(_numbers(scope))
            return f"row_number() over (partition by {by} order by {order})", "n"
        return self.number(scope), "n"

    def grouped(self, source: str, scope: Scope, where: str, width: int) -> tuple[str, Scope]:
        r = self.r
        keys = [r.choice(scope) for _ in range(max(1, width - 1))]
        items = [f"{name} as k{i}" for i, (name, _) in enumerate(keys)]
        columns = [(f"k{i}", kind) for i, (_, kind) in enumerate(keys)]
        function = r.choice(["count(*)", "sum({})", "max({})", "count(distinct {})"])
        value = function.format(r.choice(_numbers(scope)))
        if width > 1:
            items.append(f"{value} as g")
            columns.append(("g", "n"))
        having = f" having {value} > 1" if r.random() < 0.3 else ""
        by = ", ".join(name for name, _ in keys)
        return f"select {', '.join(items)} from {source}{where} group by {by}{having}", columns
