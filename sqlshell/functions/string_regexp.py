"""Functions of regular expressions. Constant patterns run in Rust; others, and what Rust has not, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions import regex
from sqlshell.functions.common import constant, failure, let, per_distinct, refuse, unsupported
from sqlshell.functions.registry import Function
from sqlshell.types import STRING, Array

if TYPE_CHECKING:
    from collections.abc import Callable


def translated(k: Any, i: int) -> regex.Pattern | None:
    """The constant pattern at argument `i` translated; None when it varies by row or is NULL."""
    if not k.is_literal(i) or k.literal(i) is None:
        return None
    java: str = k.literal(i)
    try:
        found = regex.translate(java)
    except regex.BadPattern:
        raise _invalid(k, java) from None
    if found.python is None:
        if found.rust is None:
            raise unsupported(k, f"the regular expression '{java}' uses syntax that is not supported")
        _check_rust(k, java, found.rust)
    return found


def _check_rust(k: Any, java: str, rust: str) -> None:
    try:
        k.pl.select(k.pl.lit("").str.contains(rust))
    except k.pl.exceptions.ComputeError:
        raise _invalid(k, java) from None


def _invalid(k: Any, java: str) -> Exception:
    return refuse(
        k,
        "INVALID_PARAMETER_VALUE.PATTERN",
        f"The value of parameter(s) `regexp` in `{k.call.fn}` is invalid: '{java}'",
    )


def by_row(k: Any, f: Callable[..., Any], dtype: Any, pattern_at: int, *args: Any) -> Any:
    """`f` in Python over distinct arguments, the pattern among them compiled."""

    def run(*values: Any) -> Any:
        try:
            found = regex.compiled(values[pattern_at])
        except regex.BadPattern:
            raise failure(k, "INVALID_PARAMETER_VALUE.PATTERN", k.call.fn, values[pattern_at]) from None
        except regex.Unsupported:
            reason = f"the regular expression '{values[pattern_at]}' is supported only as a constant"
            raise failure(k, "UNSUPPORTED_FEATURE", reason) from None
        return f(*values[:pattern_at], found, *values[pattern_at + 1 :])

    return per_distinct(k, run, dtype, *args)


def _regexp_like(k: Any, s: Any, pattern: Any) -> Any:
    found = translated(k, 1)
    if found is not None and found.test is not None:
        return s.str.contains(found.test)
    return by_row(k, lambda s, p: p.search(s) is not None, k.pl.Boolean, 1, s, pattern)


def _regexp_replace(k: Any, s: Any, pattern: Any, by: Any, start: Any = None) -> Any:
    pl = k.pl
    position = 1 if start is None else constant(k, 3, "position")
    if position is not None and position < 1:
        raise refuse(
            k,
            "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            f"The `position` must be between (0, 2147483647] (current value = {position})",
        )
    found = translated(k, 1)
    # Rust skips an empty match next to the one before it, Java does not.
    if found is None or found.rust is None or found.can_be_empty or k.literal(2) is None:
        return by_row(k, _replaced(k, position), pl.String, 1, s, pattern, by)
    pieces = regex.replacement(k.literal(2), found.groups, found.names)
    if pieces is None:
        return _invalid_replacement(k, s, found.rust)
    into = "".join(f"${{{p}}}" if isinstance(p, int) else p.replace("$", "$$") for p in pieces)
    if position == 1:
        return s.str.replace_all(found.rust, into)
    return let(
        k, lambda a: a.str.head(position - 1) + a.str.slice(position - 1).str.replace_all(found.rust, into), s
    )


def _invalid_replacement(k: Any, s: Any, rust: str) -> Any:
    return k.raise_if(s.str.contains(rust), "INVALID_REGEXP_REPLACE", s, s)


def _replaced(k: Any, position: int | None) -> Callable[..., str | None]:
    def run(s: str, pattern: Any, by: str) -> str | None:
        if position is None:
            return None
        pieces = regex.replacement(by, pattern.groups, pattern.groupindex)
        head, tail = s[: position - 1], s[position - 1 :]
        if pieces is None:
            if pattern.search(tail) is None:
                return s
            raise failure(k, "INVALID_REGEXP_REPLACE", s)
        out, at = [head], 0
        for m in regex.matches(pattern, tail):
            out += [tail[at : m.start()], _expand(m, pieces)]
            at = m.end()
        return "".join([*out, tail[at:]])

    return run


def _expand(m: Any, pieces: list[str | int]) -> str:
    return "".join((m.group(p) or "") if isinstance(p, int) else p for p in pieces)


def _no_group(k: Any, index: int, groups: int) -> tuple[str, str]:
    expected = f"Expects group index between 0 and {groups}, but got {index}"
    message = f"The value of parameter(s) `idx` in `{k.call.fn}` is invalid: {expected}"
    return "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", message


def _regexp_extract(k: Any, s: Any, pattern: Any, index: Any = None) -> Any:
    pl = k.pl
    number = 1 if index is None else constant(k, 2, "group index")
    if number is None:
        return pl.lit(None, pl.String)
    found = translated(k, 1)
    if found is not None and found.rust is not None:
        rust = found.rust
        if not 0 <= number <= found.groups:
            # As in Spark, only a match shows that the group is missing.
            condition, message = _no_group(k, number, found.groups)
            bad = s.str.contains(rust)
            return let(k, lambda b: k.raise_if(b, condition, pl.when(~b).then(pl.lit("")), message), bad)
        return let(k, lambda a: pl.when(a.is_not_null()).then(a.str.extract(rust, number).fill_null("")), s)

    def run(s: str, pattern: Any) -> str:
        m = pattern.search(s)
        if m is None:
            return ""
        if not 0 <= number <= pattern.groups:
            raise failure(k, *_no_group(k, number, pattern.groups))
        return m.group(number) or ""

    return by_row(k, run, pl.String, 1, s, pattern)


def _regexp_extract_all(k: Any, s: Any, pattern: Any, index: Any = None) -> Any:
    pl = k.pl
    number = 1 if index is None else constant(k, 2, "group index")
    if number is None:
        return pl.lit(None, pl.List(pl.String))
    found = translated(k, 1)
    if found is not None and found.rust is not None and number == 0 and not found.can_be_empty:
        return s.str.extract_all(found.rust)

    def run(s: str, pattern: Any) -> list[str]:
        matches = list(regex.matches(pattern, s))
        if matches and not 0 <= number <= pattern.groups:
            raise failure(k, *_no_group(k, number, pattern.groups))
        return [m.group(number) or "" for m in matches]

    return by_row(k, run, pl.List(pl.String), 1, s, pattern)


def _regexp_count(k: Any, s: Any, pattern: Any) -> Any:
    found = translated(k, 1)
    if found is not None and found.rust is not None and not found.can_be_empty:
        return s.str.count_matches(found.rust).cast(k.pl.Int32)
    return by_row(k, lambda s, p: sum(1 for _ in regex.matches(p, s)), k.pl.Int32, 1, s, pattern)


def _regexp_substr(k: Any, s: Any, pattern: Any) -> Any:
    found = translated(k, 1)
    if found is not None and found.rust is not None:
        return s.str.extract(found.rust, 0)

    def run(s: str, pattern: Any) -> str | None:
        m = pattern.search(s)
        return None if m is None else m.group()

    return by_row(k, run, k.pl.String, 1, s, pattern)


def _regexp_instr(k: Any, s: Any, pattern: Any, index: Any = None) -> Any:
    # The group index counts for nothing in Spark, unless it is NULL.
    at = _first_position(k, s, pattern)
    return at if index is None else k.pl.when(index.is_not_null()).then(at)


def _first_position(k: Any, s: Any, pattern: Any) -> Any:
    pl = k.pl
    found = translated(k, 1)
    if found is not None and found.rust is not None:
        rust = found.rust

        def build(a: Any) -> Any:
            before = a.cast(pl.Binary).bin.head(a.str.find(rust)).cast(pl.String).str.len_chars()
            return pl.when(a.is_not_null()).then((before.cast(pl.Int32) + 1).fill_null(0))

        return let(k, build, s)

    def run(s: str, pattern: Any) -> int:
        m = pattern.search(s)
        return 0 if m is None else m.start() + 1

    return by_row(k, run, pl.Int32, 1, s, pattern)


def _split(k: Any, s: Any, pattern: Any, limit: Any = None) -> Any:
    pl = k.pl
    count = -1 if limit is None else constant(k, 2, "limit")
    if count is None:
        return pl.lit(None, pl.List(pl.String))
    found = translated(k, 1)
    if found is None or found.rust is None or found.can_be_empty:
        return by_row(k, lambda s, p: _java_split(s, p, count), pl.List(pl.String), 1, s, pattern)
    text = regex.plain(k.literal(1))
    if count <= 0:
        return s.str.split(found.rust, literal=False) if text is None else s.str.split(text)
    if text is None:
        return by_row(k, lambda s, p: _java_split(s, p, count), pl.List(pl.String), 1, s, pattern)
    if count == 1:
        return pl.when(s.is_not_null()).then(pl.concat_list([s]))

    def build(parts: Any) -> Any:
        rest = parts.list.slice(count - 1).list.join(text)
        cut = pl.concat_list([parts.list.head(count - 1), rest])
        return pl.when(parts.list.len() > count).then(cut).otherwise(parts)

    return let(k, build, s.str.split(text))


def _java_split(s: str, pattern: Any, limit: int) -> list[str]:
    """`String.split(regex, limit)`: no empty piece for an empty match at the start."""
    if not pattern.pattern:
        whole = list(s) if limit <= 0 or limit >= len(s) else [*s[: limit - 1], s[limit - 1 :]]
        return whole or [""]
    out: list[str] = []
    at = 0
    for m in regex.matches(pattern, s):
        if 0 < limit == len(out) + 1:
            break
        if m.end() == 0:
            continue
        out.append(s[at : m.start()])
        at = m.end()
    return [*out, s[at:]]


def _strings(types: Any, args: Any) -> Any:
    return Array(STRING, contains_null=False)


# fmt: off
ROWS = (
    Function("regexp_like", "string, string -> boolean", "Whether a regular expression matches somewhere.",
             r"regexp_like('Spark SQL', 'S\\w+')", aliases=("regexp",), lower=_regexp_like, fallible=True),
    Function("regexp_replace", "string, string, string, [int] -> string",
             "The text with every match replaced; `$1` in the replacement is a group.",
             r"regexp_replace('100-200', '(\\d+)', '<$1>')", lower=_regexp_replace, fallible=True),
    Function("regexp_extract", "string, string, [int] -> string", "A group of the first match, or ''.",
             r"regexp_extract('100-200', '(\\d+)-(\\d+)', 2)", lower=_regexp_extract, fallible=True),
    Function("regexp_extract_all", "string, string, [int] -> fn", "A group of every match.",
             r"regexp_extract_all('100-200, 300-400', '(\\d+)-(\\d+)', 1)", lower=_regexp_extract_all,
             returns=_strings, fallible=True),
    Function("regexp_count", "string, string -> int", "The number of matches.",
             "regexp_count('Steven Jones and Stephen Smith', 'Ste(v|ph)en')", lower=_regexp_count, fallible=True),
    Function("regexp_substr", "string, string -> string", "The first match, or NULL.",
             r"regexp_substr('Steven Jones', 'J\\w+')", lower=_regexp_substr, fallible=True,
             nullable=lambda n: True),
    Function("regexp_instr", "string, string, [int] -> int", "The 1-based position of the first match, or 0.",
             r"regexp_instr('Steven Jones', 'J\\w+')", lower=_regexp_instr, fallible=True),
    Function("split", "string, string, [int] -> fn", "The pieces between matches, at most `limit` of them.",
             "split('oneAtwoBthreeC', '[ABC]')", lower=_split, returns=_strings, fallible=True),
)
# fmt: on
