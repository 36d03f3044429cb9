# ruff: noqa: E501
"""Built-in functions beside DuckDB and Polars: `python -m benchmarks.functions [WORD ...] [--rows N] [--rounds N]`.

Per function `SELECT max(f(x)) FROM t` over one Parquet file of a million rows, warm, the best of --rounds, in
milliseconds; `ratio` is ours to the faster peer that has the function. What is slower than 3x is listed at the end, with the
reason that `REASONS` gives. Words choose families or functions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = 3.0
Case = tuple[str, str, str | None, pl.Expr | None]
"""(family, ours, DuckDB's, Polars'); None where a peer has no such function."""

_S, _I, _D, _T, _Z, _A = (pl.col(c) for c in "sidtza")


def cases() -> list[Case]:
    """One function a row."""
    same = [
        ("string", "upper(s)", _S.str.to_uppercase()),
        ("string", "length(s)", _S.str.len_chars()),
        ("string", "reverse(s)", _S.str.reverse()),
        ("string", "trim(s)", _S.str.strip_chars(" ")),
        ("string", "replace(s, 'a', 'bc')", _S.str.replace_all("a", "bc", literal=True)),
        ("string", "concat(s, s)", _S + _S),
        ("string", "lpad(s, 20, '*')", None),
        ("string", "substring(s, 3, 4)", _S.str.slice(2, 4)),
        ("string", "levenshtein(s, u)", None),
        ("string", "instr(s, 'b')", _S.str.find("b", literal=True)),
        ("string", "ascii(s)", None),
        ("string", "repeat(s, 3)", None),
        ("string", "md5(s)", None),
        ("string", "translate(s, 'abc', 'xyz')", None),
        ("string", "format_string('%s-%d', s, i)", None),
        ("math", "sqrt(abs(d))", _D.abs().sqrt()),
        ("math", "round(d, 2)", _D.round(2)),
        ("math", "sin(d)", _D.sin()),
        ("math", "power(d, 2)", _D.pow(2)),
        ("math", "i % 7", _I % 7),
        ("math", "i * 3 + 1", _I * 3 + 1),
        ("math", "floor(d)", _D.floor()),
        ("math", "ln(abs(d) + 1)", (_D.abs() + 1).log()),
        ("math", "greatest(i, 5, 9)", pl.max_horizontal(_I, 5, 9)),
        ("datetime", "year(t)", _T.dt.year()),
        ("datetime", "dayofweek(t)", _T.dt.weekday()),
        ("datetime", "hour(z)", _Z.dt.hour()),
        ("datetime", "last_day(t)", _T.dt.month_end()),
        ("datetime", "date_trunc('month', z)", _Z.dt.truncate("1mo")),
        ("conditional", "coalesce(nullif(i, 3), 0)", None),
        ("conditional", "CASE WHEN i > 500 THEN 'a' WHEN i > 200 THEN 'b' ELSE 'c' END", None),
    ]
    ours = [
        ("string", "split(s, 'b')[0]", "string_split(s, 'b')[1]", _S.str.split("b").list.get(0)),
        ("string", "initcap(s)", None, _S.str.to_titlecase()),
        ("string", "soundex(s)", None, None),
        ("string", "concat_ws('-', s, u)", "concat_ws('-', s, u)", pl.concat_str(_S, pl.col("u"), separator="-")),
        ("string", "jaro_winkler_similarity(s, u)", "jaro_winkler_similarity(s, u)", None),
        ("string", "instr(s, 'b', 3)", "instr(substr(s, 3), 'b')", None),
        ("string", "hmac('k', s)", None, None),
        ("string", "sha2(s, 256)", "sha256(s)", None),
        ("string", "size(sentences(s))", None, None),
        ("string", "to_char(i, '9,999')", "format('{:,}', i)", None),
        ("string", "to_number(n, '999')", "CAST(n AS DECIMAL(3,0))", pl.col("n").cast(pl.Int64)),
        ("string", "url_encode(s)", "url_encode(s)", None),
        ("string", "url_decode(s)", "url_decode(s)", None),
        ("string", "base64(s)", "base64(CAST(s AS BLOB))", _S.cast(pl.Binary).bin.encode("base64")),
        ("string", "encode(s, 'utf-16be')", None, None),
        ("string", "crc32(s)", None, None),
        ("regexp", "regexp_replace(s, '[ab]+', '-')", "regexp_replace(s, '[ab]+', '-', 'g')", _S.str.replace_all("[ab]+", "-")),
        ("regexp", "regexp_extract(s, '([a-c]+)', 1)", "regexp_extract(s, '([a-c]+)', 1)", _S.str.extract("([a-c]+)", 1)),
        ("regexp", "s RLIKE 'a.*c'", "regexp_matches(s, 'a.*c')", _S.str.contains("a.*c")),
        ("regexp", "s LIKE '%ab%'", "s LIKE '%ab%'", _S.str.contains("ab", literal=True)),
        ("regexp", "regexp_count(s, '[ab]')", None, _S.str.count_matches("[ab]")),
        ("regexp", "s RLIKE '(?<=a)b'", None, None),
        ("datetime", "date_format(z, 'yyyy-MM-dd')", "strftime(z, '%Y-%m-%d')", _Z.dt.strftime("%Y-%m-%d")),
        ("datetime", "to_date(k, 'yyyy-MM-dd')", "strptime(k, '%Y-%m-%d')::DATE", pl.col("k").str.to_date("%Y-%m-%d")),
        ("datetime", "add_months(t, i)", "t + to_months(i)", None),
        ("datetime", "datediff(t, DATE'2024-01-01')", "t - DATE '2024-01-01'", None),
        ("datetime", "CAST(k AS DATE)", "CAST(k AS DATE)", pl.col("k").str.to_date()),
        ("datetime", "months_between(t, DATE'2024-01-01')", None, None),
        ("conversion", "CAST(i AS STRING)", "CAST(i AS VARCHAR)", _I.cast(pl.String)),
        ("conversion", "CAST(d AS STRING)", "CAST(d AS VARCHAR)", _D.cast(pl.String)),
        ("conversion", "CAST(n AS INT)", "CAST(n AS INT)", pl.col("n").cast(pl.Int32)),
        ("conversion", "CAST(n AS DECIMAL(10,2))", "CAST(n AS DECIMAL(10,2))", None),
        ("conversion", "hex(i)", "to_hex(i)", None),
        ("conversion", "conv(i, 10, 2)", "to_binary(i)", None),
        ("array", "array_max(a)", "list_max(a)", _A.list.max()),
        ("array", "size(array_distinct(a))", "len(list_distinct(a))", _A.list.unique().list.len()),
        ("array", "array_contains(a, i)", "list_contains(a, i)", _A.list.contains(_I)),
        ("array", "size(sort_array(a))", "len(list_sort(a))", _A.list.sort().list.len()),
        ("array", "size(array_union(a, a))", None, _A.list.set_union(_A).list.len()),
        ("array", "array_join(w, ',')", "array_to_string(w, ',')", pl.col("w").list.join(",")),
        ("lambda", "size(transform(a, x -> x + 1))", "len(list_transform(a, x -> x + 1))", _A.list.eval(pl.element() + 1).list.len()),
        ("lambda", "size(filter(a, x -> x > 5))", "len(list_filter(a, x -> x > 5))", _A.list.eval(pl.element().filter(pl.element() > 5)).list.len()),
        ("lambda", "aggregate(a, 0L, (x, y) -> x + y)", "list_sum(a)", _A.list.sum()),
        ("lambda", "size(filter(a, x -> x > i))", "len(list_filter(a, x -> x > i))", None),
        ("map", "map(s, i)[s]", "map([s], [i])[s]", None),
        ("json", "get_json_object(j, '$.a')", "json_extract_string(j, '$.a')", pl.col("j").str.json_path_match("$.a")),
        ("json", "from_json(j, 'a INT').a", "CAST(json_extract(j, '$.a') AS INT)", None),
        ("json", "to_json(named_struct('s', s, 'i', i))", "CAST(json_object('s', s, 'i', i) AS VARCHAR)", None),
        ("json", "json_array_length('[1,2]')", None, None),
        ("csv", "from_csv(c, 'a INT, b STRING').a", "CAST(split_part(c, ',', 1) AS INT)", None),
        ("csv", "to_csv(named_struct('s', s, 'i', i))", None, None),
        ("hash", "hash(i)", "hash(i)", _I.hash()),
        ("hash", "xxhash64(s)", "hash(s)", _S.hash()),
    ]  # fmt: skip
    return [(f, e, e, p) for f, e, p in same] + ours


REASONS = {
    "md5": "hashlib over distinct values: polars has no digests",
    "sha2": "hashlib over distinct values: polars has no digests",
    "hmac": "hmac over distinct values: polars has no digests",
}


def make(path: Path, rows: int) -> None:
    """Text of 4 to 12 letters, dates over twenty years, lists of 0 to 5 numbers."""
    rng = np.random.default_rng(5)
    letters = np.array(list("abcdefgh "))
    words = ["".join(w[: 4 + n % 9]).strip() for n, w in enumerate(letters[rng.integers(0, 9, (rows, 12))])]
    i = rng.integers(0, 1000, rows)
    days = rng.integers(12000, 19800, rows)
    lists = [list(map(int, rng.integers(0, 20, n))) for n in rng.integers(0, 6, rows)]
    table = pa.table({
        "s": words, "u": words[1:] + words[:1], "i": pa.array(i, pa.int32()), "d": rng.normal(0, 100, rows),
        "t": pa.array(days.astype("int32"), pa.int32()).cast(pa.date32()),
        "z": pa.array(days.astype("int64") * 86_400_000_000 + rng.integers(0, 86_400_000_000, rows), pa.timestamp("us")),
        "a": pa.array(lists, pa.list_(pa.int32())), "w": pa.array([list(map(str, x)) for x in lists]),
        "n": pa.array(i.astype(str)), "k": pa.array((days.astype("datetime64[D]")).astype(str)),
        "j": [f'{{"a": {x}, "b": "{w}"}}' for x, w in zip(i, words, strict=True)],
        "c": [f"{x},{w}" for x, w in zip(i, words, strict=True)],
    })  # fmt: skip
    pq.write_table(table, path)


def best(run: Callable[[], Any], rounds: int) -> float:
    """Milliseconds of the fastest of some runs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    slow = []
    with tempfile.TemporaryDirectory() as folder, Session() as session, duckdb.connect() as con:
        path = Path(folder) / "t.parquet"
        make(path, args.rows)
        session.execute(f"CREATE TEMPORARY VIEW t USING parquet OPTIONS (path '{path}')")
        con.execute(f"CREATE VIEW t AS SELECT * FROM '{path}'")
        print(f"{'family':<12} {'function':<45} {'ours':>8} {'DuckDB':>8} {'Polars':>8} {'ratio':>6}")
        for family, ours, duck, polars in cases():
            if args.words and not any(w in family or w in ours for w in args.words):
                continue
            found = measure(session, con, path, (ours, duck, polars), args.rounds)
            peers = [x for x in found[1:] if x is not None]
            ratio = found[0] / min(peers) if peers and found[0] is not None else None
            shown = [f"{x:8.0f}" if x is not None else f"{'-':>8}" for x in found]
            print(
                f"{family:<12} {ours:<45} {' '.join(shown)} {f'{ratio:6.2f}' if ratio else '     -'}",
                flush=True,
            )
            if ratio is not None and ratio > SLOW:
                slow.append(f"{ours}: {ratio:.1f}x, {REASONS.get(ours.partition('(')[0], 'no reason yet')}")
    print("\nslower than 3x the faster peer:", *(slow or ["none"]), sep="\n  ")


def measure(
    session: Session, con: duckdb.DuckDBPyConnection, path: Path, case: tuple[Any, Any, Any], rounds: int
) -> list[float | None]:
    """Milliseconds of us, DuckDB and Polars; None for a peer without the function."""
    ours, duck, polars = case
    times: list[float | None] = [
        best(lambda: list(session.execute(f"SELECT max({ours}) FROM t").rows()), rounds)
    ]
    try:
        times.append(
            None
            if duck is None
            else best(lambda: con.execute(f"SELECT max({duck}) FROM t").fetchall(), rounds)
        )
    except duckdb.Error:
        times.append(None)
    times.append(
        None if polars is None else best(lambda: pl.scan_parquet(path).select(polars.max()).collect(), rounds)
    )
    return times


if __name__ == "__main__":
    main()
