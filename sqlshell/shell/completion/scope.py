"""Which relations a cursor sees, found from tokens alone: CTEs, FROM clauses (also those behind the cursor), derived
tables, lateral views, outer queries. Unfinished text is what it is made for: nothing here is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field
from sqlshell.shell.completion.tokens import Place, Token, closed, matching
from sqlshell.shell.completion.words import CLAUSE_WORDS, JOIN_WORDS, RESERVED, SET_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.types import SqlType

    Columns = list["Column"]
    Lookup = Callable[[str], Columns]

TARGET_WORDS = {
    "UPDATE": ("TABLE",),
    "INSERT": ("INTO", "OVERWRITE", "TABLE"),
    "MERGE": ("INTO", "WITH", "SCHEMA", "EVOLUTION"),
    "ALTER": ("TABLE", "VIEW"),
    "OPTIMIZE": (),
    "VACUUM": (),
    "RESTORE": ("TABLE", "TO"),
    "COPY": ("INTO",),
}
"""Statements about a table, and the words that may stand before its name."""
QUERY_WORDS = {"SELECT", "WITH", "FROM", "VALUES"}


@dataclass(frozen=True)
class Column:
    """A column's name and, where it is known, its type."""

    name: str
    type: SqlType | None = None


@dataclass
class Source:
    """A relation of a FROM clause: its name for qualifying, and how its columns are found."""

    alias: str
    load: Callable[[], Columns]
    _columns: Columns | None = None

    @property
    def columns(self) -> Columns:
        if self._columns is None:
            self._columns = []  # a relation that reads itself has none
            self._columns = self.load()
        return self._columns


@dataclass
class Select:
    """One SELECT: token ranges of its clauses, its sources, and what encloses it."""

    low: int
    high: int
    outer: Select | None
    ctes: dict[str, Source]
    clauses: list[tuple[str, int]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    def clause_at(self, at: int) -> str:
        """The clause a token index lies in."""
        found = ""
        for name, start in self.clauses:
            if start < at:
                found = name
        return found


class Scope:
    """What is visible at a place."""

    def __init__(self, place: Place, lookup: Lookup) -> None:
        self.place = place
        self.tokens = closed(place.tokens, place.at)
        self.match = matching(self.tokens)
        self.lookup = lookup
        self.select: Select | None = None
        """The innermost SELECT around the cursor."""
        self.ctes: dict[str, Source] = {}
        """The CTEs that a FROM at the cursor may name."""
        self.is_change = False
        """Whether the cursor is in a statement about a table, outside of a query."""
        start = self._query_start()
        if self._target(start):
            self.is_change = self.select is not None and not self.select.low
        elif start is not None:
            self._query(start, len(self.tokens), {}, None)

    def _query_start(self) -> int | None:
        """Where the statement's query begins (behind EXPLAIN, CREATE VIEW v AS, INSERT INTO t ...)."""
        for i, token in enumerate(self.tokens):
            if token.kind == "word" and token.upper in QUERY_WORDS:
                return i
            if token.text == "(" and i + 1 < len(self.tokens) and self.tokens[i + 1].upper in QUERY_WORDS:
                return i
        return None

    def _target(self, query: int | None) -> bool:
        """Read UPDATE, MERGE, ALTER ..., or INSERT up to its query, as a SELECT from the tables they name."""
        first = self.tokens[0].upper
        high = len(self.tokens)
        i = next((n for n in range(1, high) if self.tokens[n].upper not in TARGET_WORDS.get(first, ())), high)
        if first not in TARGET_WORDS or i >= min(self.place.at, high):
            return False
        if first == "INSERT" and query is not None and query < self.place.at:
            return False
        select = self.select = Select(0, high, None, {})
        columns = next(
            (n for n in range(i, high) if self.tokens[n].text == "("), high
        )  # INSERT INTO t (a, b)
        i = self._factor(i, columns if first == "INSERT" else high, select)
        if first == "MERGE" and i < high and self.tokens[i].upper == "USING":
            i = self._factor(i + 1, high, select)
        for j in self._top(i, high):
            if self.tokens[j].kind == "word" and self.tokens[j].upper in ("SET", "ON", "WHERE", "WHEN"):
                select.clauses.append((self.tokens[j].upper, j))
        self._nested(i, high, select)
        return True

    def _around(self, low: int, high: int) -> bool:
        return low <= self.place.at < high or self.place.at == high == len(self.tokens)

    # -- queries

    def _query(
        self, low: int, high: int, ctes: dict[str, Source], outer: Select | None
    ) -> Callable[[], Columns]:
        """Read a query; gives how its columns are found."""
        ctes = dict(ctes)
        if self._around(low, high):
            self.ctes = ctes
        i = low
        if i < high and self.tokens[i].upper == "WITH":
            i = self._with(i + 1, high, ctes, outer)
        parts: list[Callable[[], Columns]] = []
        start = i
        for j in self._top(i, high):
            token = self.tokens[j]
            if token.kind == "word" and token.upper in SET_OPERATIONS:
                parts.append(self._part(start, j, ctes, outer))
                start = j + 1
                if start < high and self.tokens[start].upper in ("ALL", "DISTINCT"):
                    start += 1
        parts.append(self._part(start, high, ctes, outer))
        return parts[0]

    def _with(self, i: int, high: int, ctes: dict[str, Source], outer: Select | None) -> int:
        """Read CTEs into `ctes`; gives where the query behind them begins."""
        if i < high and self.tokens[i].upper == "RECURSIVE":
            i += 1
        while i < high and self.tokens[i].is_name:
            name = self.tokens[i].name
            i += 1
            names: list[str] = []
            if i < high and self.tokens[i].text == "(":
                close = min(self.match[i], high)
                names = [t.name for t in self.tokens[i + 1 : close] if t.is_name]
                i = close + 1
            if i < high and self.tokens[i].upper == "AS":
                i += 1
            if i >= high or self.tokens[i].text != "(":
                return i
            close = min(self.match[i], high)
            later: list[Callable[[], Columns]] = []
            source = Source(name, lambda later=later, names=names: _renamed(later[0](), names))  # type: ignore[misc]
            inner = {**ctes, name.lower(): source}  # a recursive one sees itself
            later.append(self._query(i + 1, close, inner, outer))
            ctes[name.lower()] = source
            i = close + 1
            if i < high and self.tokens[i].text == ",":
                i += 1
            else:
                break
        return i

    def _part(
        self, low: int, high: int, ctes: dict[str, Source], outer: Select | None
    ) -> Callable[[], Columns]:
        if low < high and self.tokens[low].text == "(":
            return self._query(low + 1, min(self.match[low], high), ctes, outer)
        select = Select(low, high, outer, ctes)
        if self._around(low, high):
            self.select = select
            self.ctes = ctes
        top = self._top(low, high)
        for j in top:
            token = self.tokens[j]
            if token.kind == "word" and token.upper in CLAUSE_WORDS and not self._is_path(j):
                select.clauses.append((token.upper, j))
            elif token.upper == "LATERAL" and j + 1 < high and self.tokens[j + 1].upper == "VIEW":
                select.clauses.append(("LATERAL", j))
            elif token.upper == "VALUES" and token.kind == "word" and j == low:
                select.clauses.append(("VALUES", j))
        for n, (clause, start) in enumerate(select.clauses):
            end = select.clauses[n + 1][1] if n + 1 < len(select.clauses) else high
            if clause == "FROM":
                self._from(start + 1, end, select)
            elif clause == "LATERAL":
                self._lateral_view(start + 2, end, select)
        self._nested(low, high, select)
        return lambda: self.output(select)

    def _is_path(self, j: int) -> bool:
        return j > 0 and self.tokens[j - 1].text == "."

    def _top(self, low: int, high: int) -> list[int]:
        """The tokens of a range that are in no parentheses of their own."""
        out, i = [], low
        while i < high:
            out.append(i)
            i = min(self.match[i], high) + 1 if self.match[i] > i else i + 1
        return out

    def _nested(self, low: int, high: int, select: Select) -> None:
        """Read the subquery of an expression that the cursor is in."""
        for i in range(low, min(high, self.place.at)):
            if self.tokens[i].text != "(" or not self._around(i + 1, min(self.match[i], len(self.tokens))):
                continue
            if self.select is select and self.tokens[i + 1].upper in QUERY_WORDS:
                self._query(i + 1, min(self.match[i], high), select.ctes, select)
                return

    # -- FROM

    def _from(self, low: int, high: int, select: Select) -> None:
        i = low
        while i < high:
            token = self.tokens[i]
            if token.text == "," or (token.kind == "word" and token.upper in JOIN_WORDS | {"LATERAL"}):
                i += 1
            elif token.kind == "word" and token.upper in ("ON", "USING"):
                i = self._condition_end(i + 1, high)
            elif token.text == "(" or token.is_name or token.kind == "string":
                i = self._factor(i, high, select)
            else:
                i += 1

    def _condition_end(self, i: int, high: int) -> int:
        for j in self._top(i, high):
            token = self.tokens[j]
            if token.text == "," or (
                token.kind == "word" and token.upper in JOIN_WORDS and not self._is_call(j)
            ):
                return j
        return high

    def _is_call(self, j: int) -> bool:
        return j + 1 < len(self.tokens) and self.tokens[j + 1].text == "("

    def _factor(self, i: int, high: int, select: Select) -> int:
        """One relation, from its name or parenthesis to its alias; gives where it ends."""
        token = self.tokens[i]
        begin = i
        if token.text == "(":
            close = min(self.match[i], high)
            if i + 1 < close and self.tokens[i + 1].upper in QUERY_WORDS | {"("}:
                load = self._query(i + 1, close, select.ctes, select)
                return self._aliased(close + 1, high, select, "", load)
            self._from(i + 1, close, select)
            return close + 1
        if token.upper == "VALUES" and token.kind == "word":
            i += 1
            while i < high and self.tokens[i].text in ("(", ","):
                i = min(self.match[i], high) + 1 if self.tokens[i].text == "(" else i + 1
            return self._aliased(i, high, select, "", list)
        parts = [token.name if token.is_name else token.text]
        i += 1
        while i + 1 < high and self.tokens[i].text == "." and self.tokens[i + 1].is_name:
            parts.append(self.tokens[i + 1].name)
            i += 2
        called = i < high and self.tokens[i].text == "("
        if called:
            i = min(self.match[i], high) + 1
        end = min(i, len(self.tokens))
        text = self.place.text[self.tokens[begin].start : self.tokens[end - 1].end]
        while (
            i + 2 < high
            and self.tokens[i].upper in ("VERSION", "TIMESTAMP")
            and self.tokens[i + 1].upper == "AS"
        ):
            i += 4  # VERSION AS OF 3
        cte = select.ctes.get(parts[0].lower()) if len(parts) == 1 and not called else None
        if cte is not None:
            return self._aliased(i, high, select, parts[-1], lambda: cte.columns)
        alias = "" if called or token.kind == "string" else parts[-1]
        return self._aliased(i, high, select, alias, lambda: self.lookup(text))

    def _aliased(self, i: int, high: int, select: Select, alias: str, load: Callable[[], Columns]) -> int:
        """The alias and column names that may follow a relation; adds the source."""
        if i < high and self.tokens[i].upper == "TABLESAMPLE":
            i += 2
        if i < high and self.tokens[i].upper == "AS":
            i += 1
        names: list[str] = []
        if i < high and _may_be_alias(self.tokens[i]):
            alias = self.tokens[i].name
            i += 1
            if i < high and self.tokens[i].text == "(":
                close = min(self.match[i], high)
                names = [t.name for t in self.tokens[i + 1 : close] if t.is_name]
                i = close + 1
        select.sources.append(Source(alias, lambda: _renamed(load(), names)))
        return i

    def _lateral_view(self, i: int, high: int, select: Select) -> None:
        """`LATERAL VIEW [OUTER] f(...) t AS a, b`."""
        while i < high and self.tokens[i].text != "(":
            i += 1
        i = min(self.match[i], high) + 1 if i < high else high
        names = [t.name for t in self.tokens[i:high] if t.is_name and t.upper != "AS"]
        if names:
            columns = [Column(n) for n in names[1:]]
            select.sources.append(Source(names[0], lambda: columns))

    # -- select lists

    def output(self, select: Select) -> Columns:
        """The output columns of a SELECT."""
        if select.clauses and select.clauses[0][0] == "VALUES":
            return [Column(f"col{n}") for n in range(1, 1 + self._width(select.low + 1))]
        found = [(n, start) for n, (c, start) in enumerate(select.clauses) if c == "SELECT"]
        if not found:  # FROM t
            return [c for s in select.sources for c in s.columns]
        n, start = found[0]
        end = select.clauses[n + 1][1] if n + 1 < len(select.clauses) else select.high
        out: Columns = []
        item: list[int] = []
        for j in [*self._top(start + 1, end), None]:
            if j is None or self.tokens[j].text == ",":
                out += self._item([self.tokens[x] for x in item], select)
                item = []
            elif self.tokens[j].upper not in ("DISTINCT", "ALL") or item:
                item.append(j)
        return out

    def _width(self, i: int) -> int:
        if i >= len(self.tokens) or self.tokens[i].text != "(":
            return 1
        return 1 + sum(
            self.tokens[j].text == "," for j in self._top(i + 1, min(self.match[i], len(self.tokens)))
        )

    def _item(self, tokens: list[Token], select: Select) -> Columns:
        tokens = [t for t in tokens if t.kind != "cursor"]
        if not tokens:
            return []
        last = tokens[-1]
        if last.text == "*":
            wanted = tokens[-3].name.lower() if len(tokens) >= 3 and tokens[-2].text == "." else None
            return [c for s in select.sources if wanted in (None, s.alias.lower()) for c in s.columns]
        if not last.is_name or (last.kind == "word" and last.upper in RESERVED):
            return []
        aliased = len(tokens) > 1 and tokens[-2].text != "."
        path = [t.name for t in tokens[::1] if t.is_name]
        if aliased:
            rest = tokens[:-2] if tokens[-2].upper == "AS" else tokens[:-1]
            path = [t.name for t in rest if t.is_name]
            if any(not t.is_name and t.text != "." for t in rest):
                return [Column(last.name)]
        return [Column(last.name, resolve(path, select))]


def _may_be_alias(token: Token) -> bool:
    return token.kind == "quoted" or (token.kind == "word" and token.upper not in RESERVED)


def _renamed(columns: Columns, names: list[str]) -> Columns:
    if not names:
        return columns
    types: list[Any] = [c.type for c in columns] + [None] * len(names)
    return [Column(n, t) for n, t in zip(names, types, strict=False)]


def resolve(path: list[str], select: Select | None) -> SqlType | None:
    """The type of a column path (`c`, `t.c`, `t.c.field`), looked for from the inside out."""
    while select is not None and path:
        for source in select.sources:
            if source.alias.lower() == path[0].lower() and len(path) > 1:
                found = _field(source.columns, path[1:])
                if found is not None:
                    return found
        for source in select.sources:
            found = _field(source.columns, path)
            if found is not None:
                return found
        select = select.outer
    return None


def _field(columns: Columns, path: list[str]) -> SqlType | None:
    from sqlshell.types import Array, Map, Struct

    found = next((c.type for c in columns if c.name.lower() == path[0].lower()), None)
    for name in path[1:]:
        while isinstance(found, Array):
            found = found.element
        if isinstance(found, Map):
            found = found.value
            continue
        if not isinstance(found, Struct):
            return None
        found = next((f.type for f in found.fields if f.name.lower() == name.lower()), None)
    return found
