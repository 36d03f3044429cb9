"""What Tab offers. `Completer.offers(text, cursor)` finds the cursor's statement, the relations it sees, and ranks
what may stand there: names that begin with what was typed first, then those with a word that does, then the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from sqlshell.records import dataclass, replace
from sqlshell.shell.completion import words as w
from sqlshell.shell.completion.names import Names, files, table_functions
from sqlshell.shell.completion.scope import Column, Scope, Select, resolve
from sqlshell.shell.completion.tokens import Place, locate
from sqlshell.types import Array, Map, Struct, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.session import Session

MOST = 200


@dataclass(frozen=True)
class Offer:
    """A text to put in place of the characters from `start` to the cursor; `about` is shown beside it."""

    text: str
    start: int
    kind: str
    about: str = ""
    label: str = ""


@dataclass(frozen=True)
class Candidate:
    """Something that may stand at the cursor: its group ranks it among equally good matches."""

    name: str
    kind: str
    group: int
    text: str = ""
    about: str = ""


class Completer:
    """Completion over a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names = Names(session)

    def forget(self) -> None:
        """A statement has run."""
        self.names.forget()

    def offers(self, text: str, cursor: int) -> list[Offer]:
        """What may stand at a cursor, the best first."""
        line = text[:cursor]
        if line.lstrip()[:1] in (".", "\\") and "\n" not in line.strip():
            from sqlshell.shell.completion.dots import command_offers

            return command_offers(self, text, cursor)
        place = locate(text, cursor)
        if place.comment:
            return []
        if place.quote in ("'", '"'):
            return [Offer(f, place.start, "file") for f in files(place.prefix)][:MOST]
        dot, reader = place.before(), place.before(2)
        of_format = (
            dot is not None and dot.text == "." and reader is not None and reader.text.lower() in w.FORMATS
        )
        if place.quote == "`" and of_format:  # parquet.`path`
            ends = [(f, f if f.endswith("/") else f + "`") for f in files(place.prefix)]
            return [Offer(t, place.start, "file", "", f) for f, t in ends][:MOST]
        return self._ranked(place, self.candidates(place))

    # -- what may stand there

    def candidates(self, place: Place) -> Iterable[Candidate]:
        """Everything that may stand at a place."""
        before = place.before()
        if before is not None and before.text == ".":
            if place.tokens[0].upper in ("SET", "RESET"):
                typed = place.text[place.tokens[1].start : before.end].lower()
                settings = [c for c in self._settings() if c.name.lower().startswith(typed)]
                yield from (replace(c, name=c.name[len(typed) :]) for c in settings)
            else:
                yield from self._members(place)
            return
        if before is None:
            yield from keywords(w.STATEMENTS, 0)
            return
        if before.text == ":" and place.before(2) is not None and before.end == place.start:
            return
        fixed = self._fixed(place)
        if fixed is not None:
            yield from fixed
            return
        scope = Scope(place, self.names.columns)
        clause = scope.select.clause_at(place.at) if scope.select is not None else ""
        if before.text == "(" and place.word(2) == "USING" and scope.select is not None:
            yield from _common(scope.select)
        elif (before.upper in w.RELATION_WORDS and before.kind == "word") or (
            clause == "FROM" and before.text in (",", "(")
        ):
            yield from self._relations(scope)
        elif self._ends_operand(place):
            if scope.is_change:
                yield from keywords(w.AFTER_TARGET.get(place.tokens[0].upper, ()), 0)
            yield from keywords(_following(place, clause), 0)
            if clause in ("FROM", ""):
                return
            yield from self._expression(scope, clause, 1)
        else:
            yield from self._expression(scope, clause, 0)

    def _fixed(self, place: Place) -> Iterable[Candidate] | None:
        """What a few words demand, whatever surrounds them."""
        word, second, third = place.word(), place.word(2), place.word(3)
        first = place.tokens[0].upper
        if word == "OF" and second == "AS" and third in ("VERSION", "TIMESTAMP"):
            return self._versions(place, third)
        if word == "SET" and place.at == 1:
            return self._settings()
        if word == "RESET":
            return self._settings()
        if word == "FUNCTION" and second in ("DESCRIBE", "DESC", ""):
            return self._functions(0, call=False)
        if word == "EXTENDED" and second == "FUNCTION":
            return self._functions(0, call=False)
        if word == "MODEL":
            return [Candidate(n, "model", 0) for n in self.names.models()]
        if word == "USING" and "CREATE" in {t.upper for t in place.tokens[:1]}:
            return [Candidate(f, "format", 0) for f in w.FORMATS]
        if word in ("USE", "SCHEMA", "DATABASE") and place.at <= 2:
            return [Candidate(n, "schema", 0) for n in self.names.schemas()]
        if word == "AS" and self._in_cast(place):
            return keywords(w.TYPES, 0)
        before = place.before()
        if before is not None and before.text == "::":
            return keywords(w.TYPES, 0)
        if word in ("DESCRIBE", "DESC") and place.at == 1:
            return [*self._relation_names(0), *keywords(w.AFTER["DESCRIBE"], 1)]
        if word in ("IN", "COLUMNS") and place.tokens[0].upper == "SHOW":
            return self._relation_names(0)
        if word == "AS" and second in ("VERSION", "TIMESTAMP", "SYSTEM_VERSION", "SYSTEM_TIME"):
            return keywords(("OF",), 0)
        if place.at == 1 and word in w.NAMES_RELATION:
            return self._relation_names(0)
        if first == "ALTER" and word in ("ADD", "DROP", "RENAME", "ALTER") and place.at > 2:
            return keywords(("COLUMN", "COLUMNS (", "CONSTRAINT", "TO"), 0)
        if word in w.AFTER and (word not in w.BEGINNING_ONLY or place.at == 1):
            return keywords(w.AFTER[word], 0)
        return None

    def _in_cast(self, place: Place) -> bool:
        depth = 0
        for n in range(place.at - 1, 0, -1):
            text = place.tokens[n].text
            depth += (text == ")") - (text == "(")
            if depth < 0:
                return place.tokens[n - 1].upper in ("CAST", "TRY_CAST")
        return False

    def _versions(self, place: Place, kind: str) -> Iterable[Candidate]:
        parts: list[str] = []
        n = 4
        while (token := place.before(n)) is not None and (token.is_name or token.text == "."):
            if token.kind == "word" and token.upper in w.RELATION_WORDS:
                break
            parts.append(token.text)
            n += 1
        for version, timestamp, operation in self.names.versions("".join(reversed(parts))):
            if kind == "VERSION":
                yield Candidate(version, "version", 0, about=f"{timestamp} {operation}")
            else:
                yield Candidate(f"'{timestamp}'", "timestamp", 0, about=f"version {version} {operation}")

    def _settings(self) -> Iterable[Candidate]:
        for key, value, doc in self.session.settings.items():
            yield Candidate(key, "setting", 0, about=f"{value}: {doc}" if value else doc)

    def _relation_names(self, group: int) -> Iterable[Candidate]:
        for name in self.names.relations():
            yield Candidate(name, "table", group, ".".join(map(quote_name, name.split("."))))

    def _relations(self, scope: Scope) -> Iterable[Candidate]:
        for source in scope.ctes.values():
            yield Candidate(source.alias, "cte", 0, quote_name(source.alias))
        yield from self._relation_names(1)
        before = scope.place.before()
        if before is not None and before.upper in ("FROM", "JOIN", ",", "("):
            yield Candidate("read_files", "function", 3, "read_files(", "files as a table")
            yield Candidate("range", "function", 3, "range(", "numbers as a table")
            for name, text in table_functions():
                yield Candidate(name, "function", 4, text)
            yield from keywords(("SELECT", "LATERAL", "VALUES"), 4)
        for name in self.names.schemas():
            yield Candidate(name, "schema", 2, quote_name(name))

    def _members(self, place: Place) -> Iterable[Candidate]:
        """What follows `a.b.`: columns of a relation, fields of a struct, tables of a schema."""
        path: list[str] = []
        n = 1
        while (dot := place.before(n)) is not None and dot.text == ".":
            token = place.before(n + 1)
            n += 2
            if token is not None and token.text == "]":  # items[0].field
                while token is not None and token.text != "[":
                    token = place.before(n)
                    n += 1
                token = place.before(n)
                n += 1
            if token is None or not token.is_name:
                return
            path.insert(0, token.name)
        scope = Scope(place, self.names.columns)
        select = scope.select
        if len(path) == 1:
            at = select
            while at is not None:
                for source in at.sources:
                    if source.alias.lower() == path[0].lower() and source.columns:
                        yield from columns(likely(source.columns, place.prefix), 0)
                        return
                at = at.outer
        found = resolve(path, select)
        while isinstance(found, (Array, Map)):
            found = found.element if isinstance(found, Array) else found.value
        if isinstance(found, Struct):
            yield from columns([Column(f.name, f.type) for f in found.fields], 0)
            return
        if path in (["ml"], ["ML"]):
            for name, text in table_functions():
                if name.startswith("ML."):
                    yield Candidate(name[3:], "function", 0, text[3:])
            return
        prefix = ".".join(path).lower() + "."
        for name in self.names.relations():
            if name.lower().startswith(prefix):
                yield Candidate(name[len(prefix) :], "table", 1)

    def _expression(self, scope: Scope, clause: str, group: int) -> Iterable[Candidate]:
        select = scope.select
        place = scope.place
        if place.word() == "SELECT" or place.word(2) == "SELECT":
            yield Candidate("*", "keyword", group + 5)
        if select is not None and clause in ("GROUP", "ORDER", "HAVING", "QUALIFY"):
            yield from columns(likely(scope.output(select), place.prefix), group)
        if select is not None and place.word() == "ON":
            yield from _join_conditions(select, group)
        distance = 0
        seen: set[str] = set()
        while select is not None:
            fitting = [(s, likely(s.columns, place.prefix)) for s in select.sources]
            counts = Counter(c.name.lower() for _, found in fitting for c in found)
            for source, found in fitting:
                for c in found:
                    clear = counts[c.name.lower()] == 1 and c.name.lower() not in seen
                    name = quote_name(c.name)
                    text = name if clear or not source.alias else f"{quote_name(source.alias)}.{name}"
                    yield Candidate(c.name, "column", group + min(distance, 1), text, str(c.type or ""))
                if source.alias and (len(select.sources) > 1 or distance):
                    text = quote_name(source.alias) + "."
                    yield Candidate(source.alias, "alias", group + 2, text)
            if len(select.sources) == 1 and select.sources[0].alias and not distance:
                text = quote_name(select.sources[0].alias) + "."
                yield Candidate(select.sources[0].alias, "alias", group + 3, text)
            seen |= set(counts)
            distance += 1
            select = select.outer
        yield from self._functions(group + 3)
        yield from keywords(w.IN_EXPRESSION, group + 3)

    def _functions(self, group: int, *, call: bool = True) -> Iterable[Candidate]:
        for name, f in self.names.functions().items():
            if name.isidentifier():
                yield Candidate(name, "function", group, f"{name}(" if call else name, f"{f.sig}  {f.doc}")

    def _ends_operand(self, place: Place) -> bool:
        """Whether a value or a relation is complete before the cursor, so that a word must follow."""
        before = place.before()
        if before is None:
            return False
        if before.kind == "word":
            return before.upper not in w.RESERVED - {"END"} and before.upper not in w.NEEDS_OPERAND
        return before.kind in ("quoted", "string", "number") or before.text in (")", "]", "*")

    # -- ranking

    def _ranked(self, place: Place, found: Iterable[Candidate]) -> list[Offer]:
        typed = place.prefix.lower()
        lower_case = bool(place.prefix) and place.prefix == typed
        scored: list[tuple[tuple[int, int, int], Candidate]] = []
        loose = re.compile(".*?".join(map(re.escape, typed))) if len(typed) > 1 else None
        for c in found:
            name = c.name.lower()
            if name.startswith(typed):
                quality = 0
            elif f"_{typed}" in name or f".{typed}" in name:
                quality = 1
            elif typed in name:
                quality = 2
            elif loose is not None and c.kind != "keyword" and loose.match(name):
                quality = 3
            else:
                continue
            longer = len(name) if typed and c.kind in ("function", "keyword") else 0
            scored.append(((quality, c.group, longer), c))
        scored.sort(key=lambda s: s[0])
        out: dict[str, Offer] = {}
        for _, c in scored:
            text = c.text or c.name
            if c.kind == "keyword" and lower_case:
                text = text.lower()
            if place.quote == "`":
                if c.kind in ("function", "keyword", "condition"):
                    continue
                text = c.name.replace("`", "``") + "`"
            out.setdefault(text.lower(), Offer(text, place.start, c.kind, c.about, c.name))
            if len(out) >= MOST:
                break
        return list(out.values())


def keywords(texts: Iterable[str], group: int) -> Iterable[Candidate]:
    """Words of the language."""
    return [Candidate(t, "keyword", group) for t in texts]


def likely(found: list[Column], typed: str) -> list[Column]:
    """The columns worth ranking: of ten thousand only those that hold what was typed, or the first ones."""
    if len(found) <= MOST:
        return found
    if not typed:
        return found[:MOST]
    typed, names = typed.lower(), _lowered(found)
    starts = [c for c, n in zip(found, names, strict=True) if n.startswith(typed)]
    near = starts or [c for c, n in zip(found, names, strict=True) if typed in n]
    if near:
        return near[:MOST]
    loose = re.compile(".*?".join(map(re.escape, typed))).match
    return [c for c, n in zip(found, names, strict=True) if loose(n)][:MOST]


_lower_names: dict[int, tuple[list[Column], list[str]]] = {}


def _lowered(found: list[Column]) -> list[str]:
    """The names of a long list in lower case, kept for the last few lists."""
    kept = _lower_names.get(id(found))
    if kept is None or kept[0] is not found:
        while len(_lower_names) >= 8:
            _lower_names.pop(next(iter(_lower_names)))
        kept = _lower_names[id(found)] = (found, [c.name.lower() for c in found])
    return kept[1]


def columns(found: Iterable[Column], group: int) -> Iterable[Candidate]:
    """Columns or struct fields."""
    return [Candidate(c.name, "column", group, quote_name(c.name), str(c.type or "")) for c in found]


def _common(select: Select) -> Iterable[Candidate]:
    """The columns that the last relation has in common with those before it."""
    if len(select.sources) < 2:
        return
    *before, last = select.sources
    known = {c.name.lower() for s in before for c in s.columns}
    yield from columns([c for c in last.columns if c.name.lower() in known], 0)


def _join_conditions(select: Select, group: int) -> Iterable[Candidate]:
    """`a.key = b.key` for the columns that relations share."""
    if len(select.sources) < 2:
        return
    *before, last = select.sources
    for source in reversed(before):
        names = {c.name.lower(): c.name for c in source.columns}
        for c in last.columns:
            left = names.get(c.name.lower())
            if left is not None and source.alias and last.alias:
                a, b = quote_name(source.alias), quote_name(last.alias)
                text = f"{a}.{quote_name(left)} = {b}.{quote_name(c.name)}"
                yield Candidate(text, "condition", group, text)


def _following(place: Place, clause: str) -> tuple[str, ...]:
    """The words that may follow a complete value or relation in a clause."""
    depth = 0
    for n in range(place.at - 1, -1, -1):
        token = place.tokens[n]
        depth += (token.text == ")") - (token.text == "(")
        if depth < 0:
            break
        if depth == 0 and token.upper == "CASE" and token.kind == "word":
            return w.IN_CASE + w.AFTER_CONDITION
        if depth == 0 and token.upper == "END" and token.kind == "word":
            break
    match clause:
        case "SELECT":
            return w.AFTER_ITEM
        case "FROM":
            on = any(t.upper == "ON" for t in place.tokens[max(0, place.at - 8) : place.at])
            return w.AFTER_CONDITION + w.AFTER_RELATION if on else w.AFTER_RELATION
        case "WHERE" | "HAVING" | "QUALIFY":
            return w.AFTER_CONDITION
        case "GROUP":
            return w.AFTER_GROUP_KEY
        case "ORDER" | "SORT":
            return w.AFTER_ORDER_KEY
        case "LIMIT" | "OFFSET":
            return w.AFTER_LIMIT
    return ("AS", "SELECT", "SET", "VALUES", "WHERE", "FROM", "USING", "LIKE", "ON")
