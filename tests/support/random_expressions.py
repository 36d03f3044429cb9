"""Random typed expressions over a small table, and random queries over two: the same for a seed, forever.

The grammar is a text: a type, then templates whose `{x}` are slots of a type (or of small constants).
"""

# ruff: noqa: E501
from __future__ import annotations

import random
import re

TABLE = """
 (1, 3, 7, 40L, 1.5D, 12.30, 'spark', 'b', true, DATE'2024-02-29', TIMESTAMP'2024-02-29 13:04:05.678', array(1, 2, 3), array('a', 'b'), map('a', 1, 'b', 2)),
 (2, -5, 0, -7L, -0.25D, -0.05, 'Ärger é', 'spark', false, DATE'1970-01-01', TIMESTAMP'1970-01-01 00:00:00', array(), array('x', NULL, 'é'), map()),
 (3, NULL, 2, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL),
 (4, 0, -1, 0L, 0.0D, 0.00, '', ' a b ', true, DATE'2023-12-31', TIMESTAMP'2023-12-31 23:59:59.999999', array(NULL, 5), array(), map('k', NULL)),
 (5, 100, 12, 3000000000L, double('NaN'), 99999999.99, '12', 'a,b,,c', false, DATE'1999-07-04', TIMESTAMP'2000-02-29 06:30:00', array(5, -5, 5), array('ab', 'ab'), map('x', -1)),
 (6, 2, 3, 1L, double('Infinity'), 1.00, '😀x', '%a_b', NULL, DATE'2020-03-01', TIMESTAMP'1969-12-31 23:59:59.5', array(9), array('', 'B'), map('', 7, 'b', 0)),
 (7, 31, NULL, -1L, -1e10D, -123.45, 'A.B-c', 'A.B-C', true, DATE'0999-01-02', TIMESTAMP'2024-11-05 12:00:00', array(3, NULL, 1), NULL, map('z', 26)),
 (8, -1, 5, 99L, 1e-7D, 7.77, ' 2.50 ', 'x1y22', false, DATE'2024-12-30', NULL, array(0, 0), array('b', 'a', 'c'), NULL)
"""
COLUMNS = "id, i, j, l, d, m, s, u, b, t, z, a, w, p"
SECOND = """
 (1, 10, 'b', 1.25), (2, NULL, 'spark', 0.00), (3, 10, NULL, -3.10), (3, 30, '', 8.00), (5, 50, 'b', NULL), (NULL, 60, 'zz', 2.50)
"""
SECOND_COLUMNS = "id, n, u, m"

VIEWS = (
    f"CREATE OR REPLACE TEMPORARY VIEW rt AS SELECT * FROM VALUES {TABLE} AS rt({COLUMNS})",
    f"CREATE OR REPLACE TEMPORARY VIEW ru AS SELECT * FROM VALUES {SECOND} AS ru({SECOND_COLUMNS})",
)

LEAVES = {
    "i": "i j id i j 2 -3 7",
    "l": "l l CAST(i AS BIGINT) 5L -2L",
    "d": "d d CAST(i AS DOUBLE) 2.5D -1.0D",
    "m": "m m 1.50 CAST(j AS DECIMAL(10,2))",
    "s": "s u s u 'b' 'Spark' '' '3'",
    "b": "b b (i > j) (s < u) true",
    "t": "t t DATE'2024-02-29'",
    "z": "z z TIMESTAMP'2024-03-10 02:30:00'",
    "a": "a a array(1,NULL,3)",
    "w": "w w array('b','a')",
    "p": "p p map('a',5)",
    # constants
    "K": "0 1 2 3 -1 5",
    "N": "1 2 3 4",
    "R": "'[a-z]+' '(\\\\d+)' 'a|b' '^.' '.$' '\\\\s' '[^a-z]' 'b' '(.)(.)'",
    "L": "'%a%' '_%' 'a\\\\_b' '%' 'sp%' '%b_'",
    "F": "'yyyy-MM-dd' 'dd.MM.yy' 'EEE' 'MMM_d_y' 'HH:mm:ss.SSS' 'D' 'QQQ' 'hh_a'",
    "U": "'YEAR' 'MONTH' 'DAY' 'HOUR' 'QUARTER' 'WEEK' 'MINUTE'",
}
GRAMMAR = r"""
i: {i}+{i} {i}-{i} {i}*{N} -{i} {i}%{N} {i}_div_{N} abs({i}) length({s}) instr({s},{s}) locate({s},{s},{N}) ascii({s})
i: levenshtein({s},{s}) octet_length({s}) char_length({s}) bit_length({s}) size({a}) size({w}) cardinality({p})
i: year({t}) month({t}) day({t}) dayofweek({t}) dayofyear({t}) weekofyear({t}) quarter({t}) weekday({t}) hour({z}) minute({z}) second({z})
i: datediff({t},{t}) element_at({a},{N}) try_element_at({a},{K}) get({a},{K}) array_max({a}) array_min({a}) array_size({a})
i: coalesce({i},{i}) nullif({i},{i}) greatest({i},{i},{i}) least({i},{i}) if({b},{i},{i}) nvl2({i},{i},{i}) CASE_WHEN_{b}_THEN_{i}_ELSE_{i}_END
i: {i}&{i} {i}|{i} {i}^{i} ~{i} shiftleft({i},{N}) shiftright({i},{N}) bit_count({i}) sign({i}) p['a'] try_element_at({p},'b')
i: CAST({b}_AS_INT) TRY_CAST({s}_AS_INT) TRY_CAST({d}_AS_INT) CAST({m}_AS_INT) find_in_set({s},{s}) try_add({i},{i}) pmod({i},{N})
i: aggregate({a},0,(x,y)->x+coalesce(y,0)) regexp_count({s},{R}) regexp_instr({s},{R}) array_position({w},{s}) extract(DOW_FROM_{t}) crc32({s})%1000
l: {l}+{i} {l}-{l} {l}*{N} {l}%{N} {l}_div_{N} abs({l}) array_position({a},{i}) unix_seconds({z}) unix_micros({z}) unix_millis({z}) unix_date({t})
l: CAST({i}_AS_BIGINT) TRY_CAST({s}_AS_BIGINT) coalesce({l},{l}) if({b},{l},{i}) factorial({N}) bit_count({l}) shiftleft({l},{N}) hash({i},{s}) xxhash64({s},{i})
l: ceil({m}) floor({m}) TRY_CAST({d}_AS_BIGINT) levenshtein({s},{s})+{l} try_subtract({l},{l}) greatest({l},{i}) shiftrightunsigned({l},{N})
d: {d}+{d} {d}-{d} {d}*{d} {d}/{N} try_divide({d},{d}) abs({d}) -{d} sqrt(abs({d})) round({d},{N}) bround({d},{K}) exp(least({d},5D)) ln(abs({d})) log10({d})
d: power({d},{N}) cbrt({d}) sin({d}) cos({d}) atan({d}) tanh({d}) degrees({i}) radians({d}) signum({d}) hypot({i},{i}) atan2({i},{j}) {i}/{N} {m}*{d}
d: greatest({d},{d}) least({d},{i}) nanvl({d},{d}) coalesce({d},{d}) CAST({s2}_AS_DOUBLE) TRY_CAST({s}_AS_DOUBLE) CAST({m}_AS_DOUBLE) months_between({t},{t}) if({b},{d},{i}) rint({d}) log2({i}) expm1({N}) pmod({d},{N})
m: {m}+{m} {m}-{m} {m}*{m} {m}/{N} {m}%{N} abs({m}) -{m} round({m},1) bround({m},{K}) ceil({m},1) floor({m},1) greatest({m},{m}) coalesce({m},{m}) {m}+{i} {m}*{N} {i}/4.0 TRY_CAST({s}_AS_DECIMAL(10,3)) CAST({m}_AS_DECIMAL(20,4)) TRY_CAST({d}_AS_DECIMAL(12,2)) if({b},{m},{i}) nullif({m},{m}) try_divide({m},{m}) pmod({m},{N}) to_number('1,2','9,9')+{m}
s: concat({s},{s}) {s}||{s} upper({s}) lower({s}) initcap({s}) trim({s}) ltrim({s}) rtrim({s}) reverse({s}) substring({s},{K},{N}) substring({s},{K}) left({s},{K}) right({s},{K})
s: lpad({s},{N},'xy') rpad({s},5,{s}) repeat({s},{K}) replace({s},{s},'Z') translate({s},'abr','12') concat_ws('-',{s},{s}) concat_ws({s},{w}) substring_index({s},'.',{K}) split_part({s},'b',{N})
s: regexp_replace({s},{R},'<$0>') regexp_extract({s},{R},0) regexp_substr({s},{R}) CAST({i}_AS_STRING) CAST({d}_AS_STRING) CAST({m}_AS_STRING) CAST({t}_AS_STRING) CAST({z}_AS_STRING) CAST({b}_AS_STRING) CAST({a}_AS_STRING) CAST({p}_AS_STRING)
s: date_format({t},{F}) date_format({z},{F}) coalesce({s},{s}) nullif({s},{s}) greatest({s},{s}) if({b},{s},{s}) element_at({w},{N}) try_element_at({w},{K}) array_join({w},',') array_join({w},'-','?') base64({s}) hex({s}) hex({i}) md5({s}) sha2({s},256) bin({i}) conv({i},10,16) soundex({s}) overlay({s}_PLACING_'_'_FROM_{N}) chr({i})
s: format_number({i},{N}) format_number({m},1) format_string('%s|%5d',{s},{i}) to_char({m},'S99999990.00') elt({N},{s},{s},{s},{s}) char({N}+64) url_encode({s}) mask({s}) quote({s}) typeof({i}) to_json(named_struct('a',{i},'b',{s})) to_json({p}) to_json({a}) get_json_object('{"k":[1,2]}','$.k') CASE_{i}_WHEN_{i}_THEN_{s}_ELSE_{s}_END btrim({s},'a_') sentences({s})[0][0] array_max({w}) dayname({t}) monthname({t}) from_unixtime({l}%100000) btrim({s})
b: {i}>{i} {i}={l} {d}<{d} {d}>={i} {m}<{d} {m}={m} {s}<{s} {s}={s} {t}<={t} {z}>{t} {b}_AND_{b} {b}_OR_{b} NOT_{b} {i}_IS_NULL {s}_IS_NOT_NULL {i}<=>{i} {s}<=>{s} {d}<=>{d}
b: {i}_BETWEEN_{i}_AND_{i} {i}_IN_({i},{i},NULL) {s}_IN_({s},'b') {s}_LIKE_{L} {s}_ILIKE_{L} {s}_RLIKE_{R} startswith({s},{s}) endswith({s},{s}) contains({s},{s}) array_contains({a},{i}) arrays_overlap({a},{a}) array_contains({w},{s}) map_contains_key({p},{s})
b: isnan({d}) exists({a},x->x>{i}) forall({a},x->x>{i}) {a}={a} {a}<{a} {b}={b} TRY_CAST({s}_AS_BOOLEAN) CAST({i}_AS_BOOLEAN) coalesce({b},{b}) if({b},{b},{b}) equal_null({i},{i}) {s}_NOT_LIKE_{L}
t: date_add({t},{i}) date_sub({t},{i}) add_months({t},{i}) last_day({t}) next_day({t},'MO') trunc({t},{U}) make_date(2024,{N},{N}) CAST({z}_AS_DATE) TRY_CAST({s}_AS_DATE) greatest({t},{t}) coalesce({t},{t}) if({b},{t},{t}) {t}+INTERVAL_'1'_MONTH {t}-INTERVAL_'2'_DAY {t}+{i} try_to_date({s},'yyyy-MM-dd') date_from_unix_date({i}) dateadd(MONTH,{i},{t})
z: date_trunc({U},{z}) timestamp_seconds({i}) timestamp_millis({l}) CAST({t}_AS_TIMESTAMP) TRY_CAST({s}_AS_TIMESTAMP) {z}+make_dt_interval(1,2,3,4) {z}-INTERVAL_'3'_MONTH coalesce({z},{z}) greatest({z},{z}) timestampadd(HOUR,{i},{z}) make_timestamp(2024,{N},{N},{N},0,1.5) from_utc_timestamp({z},'America/New_York') to_utc_timestamp({z},'Europe/Berlin') if({b},{z},{t}) try_to_timestamp({s},'yyyy')
a: array({i},{i}) array_append({a},{i}) array_prepend({a},{i}) array_distinct({a}) array_union({a},{a}) array_intersect({a},{a}) array_except({a},{a}) array_remove({a},{i}) array_sort({a}) sort_array({a}) sort_array({a},false) slice({a},{N},{N}) reverse({a}) concat({a},{a}) array_repeat({i},{N}) array_compact({a}) transform({a},x->x+{i}) filter({a},x->x>{i}) sequence({N},{N}) coalesce({a},{a}) map_values({p}) array_insert({a},{N},{i}) flatten(array({a},{a})) zip_with({a},{a},(x,y)->coalesce(x,y)) transform({a},(x,k)->k*2) if({b},{a},{a})
w: split({s},{R}) split({s},',') array({s},{s}) map_keys({p}) array_sort({w}) array_distinct({w}) array_union({w},{w}) transform({w},x->upper(x)) filter({w},x->x_IS_NOT_NULL) concat({w},{w}) reverse({w}) regexp_extract_all({s},{R},0) array_remove({w},{s}) transform({a},x->CAST(x_AS_STRING)) array_except({w},{w}) slice({w},{N},{N}) array_append({w},{s})
p: map('q',{i}) map_filter({p},(k,v)->v>{i}) transform_values({p},(k,v)->v+{i}) map_from_arrays(array('a','b'),array({i},{i})) coalesce({p},{p}) if({b},{p},{p}) map_zip_with({p},{p},(k,x,y)->coalesce(x,y))
"""


def _templates() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in GRAMMAR.strip().splitlines():
        kind, _, rest = line.partition(": ")
        words = [re.sub(r"_(?=\S)", "_", w) for w in rest.split()]
        found.setdefault(kind, []).extend(_spaced(w) for w in words)
    return found


_WORDS = [
    "div",
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "IN",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "RLIKE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AS",
    "INT",
    "BIGINT",
    "DOUBLE",
    "STRING",
    "DATE",
    "TIMESTAMP",
    "BOOLEAN",
    "DECIMAL",
    "PLACING",
    "FROM",
    "INTERVAL",
    "MONTH",
    "DAY",
    "TO",
    "SECOND",
    "DOW",
    "xor",
]


def _spaced(word: str) -> str:
    """`_` beside keywords and slots means a space; names of functions keep theirs."""
    keywords = "|".join(_WORDS)
    out = re.sub(rf"_(?=(?:{keywords})\b|(?:{keywords})_|\{{|\(|')", " ", word)
    out = re.sub(rf"(?<=[\s(>])({keywords})_", r"\1 ", " " + out)
    out = re.sub(rf"\b({keywords})_(?=\S)", r"\1 ", out)
    return re.sub(r"(?<=\})_|(?<=')_(?=[A-Z])|(?<=\))_(?=IS)|(?<=x)_(?=AS|IS)", " ", out).strip()


class Expressions:
    """A stream of random expressions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.templates = _templates()
        self.leaves = {k: _leaves(v) for k, v in LEAVES.items()}

    def of(self, kind: str, depth: int) -> str:
        """An expression of a type (a letter of the grammar), calls at most `depth` deep."""
        if depth == 0 or kind.isupper() or (depth < 3 and self.random.random() < 0.25):
            return self.random.choice(self.leaves[kind])
        return self.fill(self.random.choice(self.templates[kind]), depth - 1)

    def fill(self, template: str, depth: int) -> str:
        def slot(found: re.Match[str]) -> str:
            kind = found[1]
            if kind == "s2":
                return "CAST(" + self.of("i", depth) + " AS STRING)"
            made = self.of("i" if kind == "j" else kind, depth)
            return made if re.fullmatch(r"\w+|'[^']*'|\w+\([^()]*\)", made) else f"({made})"

        return re.sub(r"\{(\w2?)\}", slot, template)

    def next(self) -> str:
        """One expression, of any type."""
        kind = self.random.choice("iilddmmsssssbbbttzzaawwp")
        return self.of(kind, self.random.choice((1, 1, 2, 2, 3)))


def _leaves(text: str) -> list[str]:
    """The words of a text; blanks inside parentheses and quotes belong to them."""
    return re.findall(r"(?:[^\s'(]|'[^']*'|\((?:[^()]|\([^)]*\))*\))+", text)


class Queries(Expressions):
    """A stream of random queries over `rt` and `ru`, whose answers do not depend on an order."""

    def query(self) -> str:
        shape = self.random.choice(
            (self.grouped, self.joined, self.windowed, self.set_operation, self.subquery)
        )
        return shape()

    def _aggregate(self) -> str:
        form = self.random.choice((
            "sum({i})", "sum({l})", "sum({m})", "avg({m})", "avg({i})", "min({s})", "max({t})", "count({s})", "count(DISTINCT {s})",
            "max({d})", "min({d})", "bool_or({b})", "array_sort(collect_set({i}))", "sum(DISTINCT {i})", "count(*)", "count_if({b})",
            "max_by({s}, id)", "min({z})", "sum({i}) FILTER (WHERE {b})", "bit_or({i})", "stddev_pop({i})", "var_samp({m})",
            "array_sort(collect_list({s}))", "median({i})", "percentile({i}, 0.25)", "regr_count({i}, {d})", "corr({i}, {m})", "any_value({i}) IS NULL",
            "approx_count_distinct({s})", "max(struct({s}, {i}))", "min({a})", "skewness({i})", "listagg({s}, '-') WITHIN GROUP (ORDER BY {s})", "covar_pop({i}, {m})", "mode({b})",
        ))  # fmt: skip
        return self.fill(form, 1)

    def grouped(self) -> str:
        key = self.of(self.random.choice("ibsm"), 1)
        aggs = ", ".join(f"{self._aggregate()} AS a{n}" for n in range(self.random.choice((1, 2, 3))))
        where = f" WHERE {self.of('b', 2)}" if self.random.random() < 0.5 else ""
        having = (
            f" HAVING count(*) {self.random.choice(('>', '<=', '='))} {self.random.choice((1, 2))}"
            if self.random.random() < 0.4
            else ""
        )
        if self.random.random() < 0.2:
            return f"SELECT {aggs} FROM rt{where}"
        return f"SELECT {key} AS k, {aggs} FROM rt{where} GROUP BY {key}{having}"

    def joined(self) -> str:
        kind = self.random.choice(
            ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN")
        )
        on = self.random.choice(
            (
                "rt.id = ru.id",
                "rt.u = ru.u",
                "rt.id <=> ru.id",
                "rt.id = ru.id AND rt.m > ru.m",
                "rt.i < ru.n",
                "rt.id = ru.id AND rt.b",
            )
        )
        alone = "SEMI" in kind or "ANTI" in kind
        where = (
            f" WHERE {self.random.choice(('rt.i > 0', 'rt.s IS NOT NULL', 'rt.b OR rt.j > 2', 'coalesce(rt.m, 0) < 5'))}"
            if self.random.random() < 0.5
            else ""
        )
        return f"SELECT rt.id AS x, rt.s AS y{'' if alone else ', ru.n AS n, ru.m + rt.m AS mm'} FROM rt {kind} ru ON {on}{where}"

    def windowed(self) -> str:
        call = self.random.choice(
            (
                "row_number()",
                "rank()",
                "dense_rank()",
                "sum(i)",
                "avg(m)",
                "lag(s)",
                "lead(i, 2, -1)",
                "first_value(s)",
                "last_value(i)",
                "max(t)",
                "count(*)",
                "ntile(3)",
                "percent_rank()",
                "cume_dist()",
                "nth_value(s, 2)",
                "min(d)",
                "sum(m)",
                "lag(i) IGNORE NULLS",
            )
        )
        part = self.random.choice(("", "PARTITION BY b ", "PARTITION BY i % 2 ", "PARTITION BY length(s) "))
        order = self.random.choice(
            ("ORDER BY id", "ORDER BY id DESC", "ORDER BY u, id", "ORDER BY m DESC NULLS LAST, id")
        )
        frame = self.random.choice(
            (
                "",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            )
        )
        if re.match(r"row_n|rank|dense|lag|lead|ntile|perc|cume", call):
            frame = ""
        return f"SELECT id, {call} OVER ({part}{order}{frame}) AS v FROM rt"

    def set_operation(self) -> str:
        kind = self.random.choice(
            ("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL")
        )
        a, b = self.random.choice(
            (("i", "n"), ("u", "u"), ("m", "m"), ("id", "id"), ("i, u", "n, u"), ("j", "m"))
        )
        return f"SELECT {a} FROM rt {kind} SELECT {b} FROM ru"

    def subquery(self) -> str:
        form = self.random.choice((
            "SELECT id FROM rt WHERE id {in} (SELECT id FROM ru WHERE {c})", "SELECT id, (SELECT max(n) FROM ru WHERE ru.id = rt.id) AS v FROM rt",
            "SELECT id FROM rt WHERE EXISTS (SELECT 1 FROM ru WHERE ru.u = rt.u AND {c})", "SELECT id FROM rt WHERE m > (SELECT avg(m) FROM ru WHERE {c})",
            "SELECT DISTINCT {e} AS v FROM rt", "SELECT v, count(*) AS n FROM (SELECT {e} AS v FROM rt) GROUP BY v", "SELECT id, x FROM rt LATERAL VIEW explode(a) q AS x",
            "SELECT id, x FROM rt LATERAL VIEW OUTER explode(w) q AS x", "SELECT {e} AS v FROM rt WHERE {p} ORDER BY id LIMIT 3", "SELECT i % 3 AS k, b, count(*) AS n, sum(m) AS m FROM rt GROUP BY {g} (i % 3, b)",
        ))  # fmt: skip
        form = form.replace("{in}", self.random.choice(("IN", "NOT IN"))).replace(
            "{c}", self.random.choice(("n > 10", "m IS NOT NULL", "true", "u = 'b'"))
        )
        form = form.replace("{e}", self.of(self.random.choice("isbm"), 2)).replace("{p}", self.of("b", 1))
        return form.replace("{g}", self.random.choice(("ROLLUP", "CUBE")))
