"""Hypothesis strategies: tiny tables, and queries over them that Spark and DuckDB read alike.

Everything a query gives is a bag that does not depend on ties or on the order of additions: windows and LIMIT order
by all columns, floats are sums of halves, no expression can fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTS = st.one_of(st.none(), st.integers(-2, 4))
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int": (pa.int32(), INTS),
    "long": (pa.int64(), INTS),
    "str": (pa.string(), st.sampled_from([None, "", "a", "b", "ab", "é"])),
    "dec": (pa.decimal128(6, 2), st.sampled_from([None, Decimal("0.00"), Decimal("1.50"), Decimal("-2.25")])),
    "date": (pa.date32(), st.sampled_from([None, date(2024, 1, 1), date(2024, 2, 29), date(1969, 12, 31)])),
    "bool": (pa.bool_(), st.sampled_from([None, True, False])),
    "dbl": (pa.float64(), st.sampled_from([None, 0.0, 0.5, -1.5, 2.0])),
}
TABLES: dict[str, dict[str, str]] = {
    "t": {"a": "int", "b": "int", "s": "str", "d": "dec", "e": "date", "x": "dbl"},
    "u": {"a": "int", "f": "long", "s": "str", "p": "bool"},
    "v": {"a": "int", "b": "int", "s": "str"},
}


@st.composite
def tables(draw: Any) -> dict[str, pa.Table]:
    """Every table with up to eight rows; NULLs and duplicates are frequent."""
    out = {}
    for name, columns in TABLES.items():
        rows = draw(st.lists(st.tuples(*(COLUMNS[k][1] for k in columns.values())), max_size=8))
        schema = pa.schema([(n, COLUMNS[k][0]) for n, k in columns.items()])
        arrays = [pa.array([r[i] for r in rows], f.type) for i, f in enumerate(schema)]
        out[name] = pa.Table.from_arrays(arrays, schema=schema)
    return out


@dataclass(frozen=True)
class Relation:
    """A query in parentheses, or a table, with its columns by name and kind."""

    sql: str
    columns: dict[str, str]

    def of(self, kind: str) -> list[str]:
        return [n for n, k in self.columns.items() if k == kind]


class Grammar:
    """One random query; `draw` decides everything."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._names = 0

    def pick(self, options: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(list(options)))

    def chance(self, percent: int) -> bool:
        return bool(self._draw(st.integers(0, 99)) < percent)

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    # Expressions; `columns` are qualified names by kind

    def value(self, columns: dict[str, str], kind: str, depth: int = 2) -> str:
        """An expression of a kind."""
        known = [n for n, k in columns.items() if k == kind]
        if depth == 0 or self.chance(45):
            if known and self.chance(80):
                return str(self.pick(known))
            return self.literal(kind)
        if self.chance(25):
            test = self.test(columns, depth - 1)
            one, two = self.value(columns, kind, depth - 1), self.value(columns, kind, depth - 1)
            return self.pick(
                [
                    f"CASE WHEN {test} THEN {one} ELSE {two} END",
                    f"coalesce({one}, {two})",
                    f"nullif({one}, {two})",
                ]
            )
        inner = self.value(columns, kind, depth - 1)
        if kind in {"int", "long"}:
            other = self.value(columns, kind, depth - 1)
            text = self.value(columns, "str", depth - 1)
            lengths = [f"length({text})"] if kind == "int" else []
            return self.pick(
                [f"({inner} + {other})", f"({inner} - {other})", f"abs({inner})", f"({inner} % 3)", *lengths]
            )
        if kind == "str":
            other = self.value(columns, kind, depth - 1)
            return self.pick([f"upper({inner})", f"({inner} || {other})", f"substring({inner}, 1, 1)"])
        if kind in {"dec", "dbl"}:
            return self.pick([f"({inner} + {self.literal(kind)})", f"(-{inner})"])
        return inner

    def literal(self, kind: str) -> str:
        choices = {
            "int": ["0", "1", "2", "-1", "CAST(NULL AS INT)"],
            "long": ["CAST(1 AS BIGINT)", "CAST(3 AS BIGINT)", "CAST(NULL AS BIGINT)"],
            "str": ["''", "'a'", "'b'", "'é'", "CAST(NULL AS STRING)"],
            "dec": ["1.50", "CAST(NULL AS DECIMAL(6,2))", "0.25"],
            "date": ["DATE '2024-01-01'", "DATE '2024-02-29'"],
            "bool": ["true", "false", "CAST(NULL AS BOOLEAN)"],
            "dbl": ["CAST(0.5 AS DOUBLE)", "CAST(2 AS DOUBLE)"],
        }
        return str(self.pick(choices[kind]))

    def test(self, columns: dict[str, str], depth: int = 2) -> str:
        """A boolean expression."""
        if depth > 0 and self.chance(35):
            one, two = self.test(columns, depth - 1), self.test(columns, depth - 1)
            return self.pick([f"({one} AND {two})", f"({one} OR {two})", f"(NOT {one})"])
        kind = self.pick(sorted(set(columns.values()) - {"bool"}) or ["int"])
        one, two = self.value(columns, kind, min(depth, 1)), self.value(columns, kind, min(depth, 1))
        comparison = self.pick(["=", "<>", "<", "<=", ">", ">=", "IS NOT DISTINCT FROM"])
        forms = [
            f"({one} {comparison} {two})",
            f"({one} {comparison} {two})",
            f"({one} IS NULL)",
            f"({one} IS NOT NULL)",
            f"({one} IN ({two}, {self.literal(kind)}))",
            f"({one} BETWEEN {two} AND {self.literal(kind)})",
        ]
        if kind == "str":
            forms.append(f"({one} LIKE '{self.pick(['a%', '%b', '_', '%'])}')")
        flags = [n for n, k in columns.items() if k == "bool"]
        return str(self.pick([*forms, *flags]))

    # Relations

    def table(self) -> Relation:
        name = self.pick(sorted(TABLES))
        return Relation(name, dict(TABLES[name]))

    def relation(self, depth: int) -> Relation:
        """A table, or a query over relations."""
        if depth == 0:
            return self.table()
        makers: list[Callable[[int], Relation]] = [
            self.filtered, self.filtered, self.projected, self.joined, self.joined, self.half_joined,
            self.aggregated, self.aggregated, self.rolled_up, self.distinct, self.windowed, self.combined,
            self.limited, self.with_subquery, self.with_subquery, self.with_scalar,
        ]  # fmt: skip
        return self.pick(makers)(depth - 1)

    def source(self, depth: int) -> tuple[str, Relation, dict[str, str]]:
        """FROM item, the relation, and its columns qualified by the item's alias."""
        found = self.relation(depth if self.chance(60) else 0)
        alias = self.name("q")
        return f"{found.sql} {alias}", found, {f"{alias}.{n}": k for n, k in found.columns.items()}

    def filtered(self, depth: int) -> Relation:
        item, found, columns = self.source(depth)
        return Relation(f"(SELECT * FROM {item} WHERE {self.test(columns)})", found.columns)

    def projected(self, depth: int) -> Relation:
        item, _, columns = self.source(depth)
        items, out = self.items(columns)
        return Relation(f"(SELECT {items} FROM {item})", out)

    def items(self, columns: dict[str, str], count: int = 0) -> tuple[str, dict[str, str]]:
        parts, out = [], {}
        for _ in range(count or self.pick([1, 2, 3])):
            kind = self.pick(["int", "str", *columns.values()])
            text = self.test(columns) if kind == "bool" else self.value(columns, kind)
            name = self.name("c")
            parts.append(f"{text} AS {name}")
            out[name] = kind
        return ", ".join(parts), out

    def condition(self, left: dict[str, str], right: dict[str, str]) -> str:
        """An equality of two columns of one kind where there is one, and at times more."""
        pairs = [f"{a} = {b}" for a, k in left.items() for b, m in right.items() if k == m]
        parts = [str(self.pick(pairs))] if pairs else ["1 = 1"]
        if self.chance(30):
            parts.append(self.test({**left, **right}, 1))
        return " AND ".join(parts)

    def joined(self, depth: int) -> Relation:
        one, _, left = self.source(depth)
        two, _, right = self.source(depth)
        kind = self.pick(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        items, out = self.items({**left, **right})
        return Relation(f"(SELECT {items} FROM {one} {kind} {two} ON {self.condition(left, right)})", out)

    def half_joined(self, depth: int) -> Relation:
        one, found, left = self.source(depth)
        two, _, right = self.source(depth)
        kind = self.pick(["SEMI", "ANTI"])
        return Relation(
            f"(SELECT * FROM {one} {kind} JOIN {two} ON {self.condition(left, right)})", found.columns
        )

    def aggregates(self, columns: dict[str, str]) -> tuple[str, dict[str, str]]:
        parts, out = [], {}
        for _ in range(self.pick([1, 1, 2, 3])):
            kind = self.pick(sorted(set(columns.values()) - {"bool"}) or ["int"])
            inner = self.value(columns, kind, 1)
            options = [
                ("count(*)", "long"),
                (f"count({inner})", "long"),
                (f"count(DISTINCT {inner})", "long"),
            ]
            options += [(f"max({inner})", kind), (f"min({inner})", kind)]
            if kind == "int":
                options += [(f"sum({inner})", "long"), (f"avg({inner})", "avg")]
                options += [(f"sum(DISTINCT {inner})", "long"), (f"count(DISTINCT {inner}, 1)", "long")]
            text, result = self.pick(options)
            if self.chance(20):
                text += f" FILTER (WHERE {self.test(columns, 1)})"
            name = self.name("c")
            parts.append(f"{text} AS {name}")
            out[name] = result
        return ", ".join(parts), out

    def aggregated(self, depth: int) -> Relation:
        item, _, columns = self.source(depth)
        aggregates, out = self.aggregates(columns)
        keys = [
            self.value(columns, self.pick(list(columns.values())), 1) for _ in range(self.pick([0, 1, 1, 2]))
        ]
        keys = [k for k in keys if any(c in k for c in columns)]
        if not keys:
            return Relation(f"(SELECT {aggregates} FROM {item})", self.usable(out))
        names = [self.name("k") for _ in keys]
        shown = ", ".join(f"{k} AS {n}" for k, n in zip(keys, names, strict=True))
        having = f" HAVING count(*) > {self.pick([0, 1])}" if self.chance(25) else ""
        sql = f"(SELECT {aggregates}, {shown} FROM {item} GROUP BY {', '.join(keys)}{having})"
        return Relation(sql, self.usable(out))

    def usable(self, columns: dict[str, str]) -> dict[str, str]:
        """Without averages, which must not be compared exactly; never empty."""
        exact = {n: k for n, k in columns.items() if k != "avg"}
        return exact or columns

    def rolled_up(self, depth: int) -> Relation:
        item, _, columns = self.source(depth)
        keys = list(dict.fromkeys(self.pick(list(columns)) for _ in range(2)))
        how = self.pick(["ROLLUP", "CUBE"])
        aggregates, out = self.aggregates(columns)
        names = {self.name("k"): columns[k] for k in keys}
        shown = ", ".join(f"{k} AS {n}" for k, n in zip(keys, names, strict=True))
        sql = f"(SELECT {shown}, {aggregates} FROM {item} GROUP BY {how} ({', '.join(keys)}))"
        return Relation(sql, names | self.usable(out))

    def distinct(self, depth: int) -> Relation:
        item, _, columns = self.source(depth)
        items, out = self.items(columns)
        return Relation(f"(SELECT DISTINCT {items} FROM {item})", out)

    def windowed(self, depth: int) -> Relation:
        item, found, columns = self.source(depth)
        order = ", ".join(f"{c} {self.pick(['ASC', 'DESC'])} NULLS FIRST" for c in columns)
        part = f"PARTITION BY {self.pick(list(columns))} " if self.chance(70) else ""
        calls = [("row_number()", "int"), ("rank()", "int"), ("count(*)", "long")]
        for c, k in columns.items():
            calls += [(f"lag({c})", k), (f"lead({c}, 2)", k), (f"max({c})", k), (f"count({c})", "long")]
            if k == "int":
                calls.append((f"sum({c})", "long"))
        call, kind = self.pick(calls)
        frame = ""
        if call.startswith(("sum", "max", "count")) and self.chance(60):
            frame = " ROWS BETWEEN " + self.pick(
                [
                    "UNBOUNDED PRECEDING AND CURRENT ROW",
                    "1 PRECEDING AND 1 FOLLOWING",
                    "CURRENT ROW AND UNBOUNDED FOLLOWING",
                ]
            )
        name = self.name("w")
        sql = f"(SELECT {', '.join(columns)}, {call} OVER ({part}ORDER BY {order}{frame}) AS {name} FROM {item})"
        return Relation(sql, {**found.columns, name: kind})

    def combined(self, depth: int) -> Relation:
        kinds = [self.pick(["int", "str", "date", "dec"]) for _ in range(self.pick([1, 2]))]
        names = [self.name("c") for _ in kinds]
        sides = []
        for _ in range(2):
            item, _, columns = self.source(depth)
            shown = ", ".join(
                f"{self.value(columns, k, 1)} AS {n}" for k, n in zip(kinds, names, strict=True)
            )
            sides.append(f"SELECT {shown} FROM {item}")
        op = self.pick(["UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"])
        return Relation(f"({sides[0]} {op} {sides[1]})", dict(zip(names, kinds, strict=True)))

    def limited(self, depth: int) -> Relation:
        item, found, columns = self.source(depth)
        order = ", ".join(f"{c} {self.pick(['ASC', 'DESC'])} NULLS LAST" for c in columns)
        sql = f"(SELECT {', '.join(columns)} FROM {item} ORDER BY {order} LIMIT {self.pick([0, 1, 3, 5])}"
        return Relation(sql + (" OFFSET 1)" if self.chance(30) else ")"), found.columns)

    def with_subquery(self, depth: int) -> Relation:
        """A filter with IN, NOT IN or EXISTS, correlated at times."""
        item, found, columns = self.source(depth)
        inner, _, within = self.source(depth)
        kind = self.pick(["int", "str"])
        correlation = f" WHERE {self.condition(columns, within)}" if self.chance(60) else ""
        members = f"SELECT {self.value(within, kind, 1)} FROM {inner}{correlation}"
        tests = [
            f"{self.value(columns, kind, 1)} {self.pick(['IN', 'NOT IN'])} ({members})",
            f"{self.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM {inner}{correlation})",
        ]
        more = f" {self.pick(['AND', 'OR'])} {self.test(columns, 1)}" if self.chance(40) else ""
        return Relation(f"(SELECT * FROM {item} WHERE {self.pick(tests)}{more})", found.columns)

    def with_scalar(self, depth: int) -> Relation:
        """A column from a scalar subquery, correlated at times."""
        item, found, columns = self.source(depth)
        inner, _, within = self.source(depth)
        kind = self.pick(["int", "str"])
        correlation = f" WHERE {self.condition(columns, within)}" if self.chance(70) else ""
        call = self.pick([f"max({self.value(within, kind, 1)})", "count(*)"])
        name = self.name("z")
        sql = f"(SELECT *, (SELECT {call} FROM {inner}{correlation}) AS {name} FROM {item})"
        return Relation(sql, {**found.columns, name: "long" if call == "count(*)" else kind})


@st.composite
def queries(draw: Any, depth: int = 3) -> str:
    """A query of nested relations."""
    return "SELECT * FROM " + Grammar(draw).relation(depth).sql + " q"
