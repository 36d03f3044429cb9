"""Feature functions with statistics: `fit` over the training rows, `apply` in any query.

While a model is trained, `Fitting` gives each call a stand-in column and remembers what it must learn; afterwards, and
at every prediction, `Fitted` gives the expression with the stored statistics. A call is known by its place in
TRANSFORM's text. What is learnt comes from ordinary aggregates (`aggregates`) or a small query (`table`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Case, Column, Expr, Literal, When
from sqlshell.functions.vector import SPARSE
from sqlshell.ml import expressions as ex
from sqlshell.plan.call import make_aggregate, make_call, make_generator
from sqlshell.plan.coerce import can_implicitly_cast, cast_to
from sqlshell.plan.logical import Aggregate, Generate, Plan, fresh_column, fresh_id, named
from sqlshell.records import dataclass
from sqlshell.types import BIGINT, DOUBLE, INT, STRING, Array, Numeric, SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.errors import Span

Statistics = dict[str, Any]


@dataclass(frozen=True)
class FeatureFunction:
    """A row of the table. The first argument is the value, the others are constants (`params`, with defaults).

    `takes` is the type the value is cast to (None: any). `aggregates(x, params)` are named aggregates over the
    training rows; `table(plan, x, params)` instead is a plan whose rows are the statistic `rows`. `settle` turns what
    was measured into what is stored.
    """

    name: str
    doc: str
    takes: SqlType | None
    gives: Callable[[SqlType], SqlType]
    apply: Callable[[Expr, tuple[Any, ...], Statistics], Expr]
    aggregates: Callable[[Expr, tuple[Any, ...]], dict[str, Expr]] | None = None
    table: Callable[[Plan, Expr, tuple[Any, ...]], Plan] | None = None
    settle: Callable[[Statistics, tuple[Any, ...]], Statistics] | None = None
    moments: Callable[[tuple[Any, ...]], bool] | None = None
    """Whether it learns `mean` and `std` instead: by a gang, whose sums of doubles repeat bit by bit."""
    params: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()


def _double(_: SqlType) -> SqlType:
    return DOUBLE


def _agg(name: str, *args: Expr) -> Expr:
    return make_aggregate(name, list(args))


# -- numbers


def _shifted(x: Expr, offset: float, factor: float) -> Expr:
    return make_call("*", [make_call("-", [x, ex.number(offset)]), ex.number(factor)])


def _inverse(width: float | None) -> float:
    return 1.0 / width if width else 0.0


def _apply_standard(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return _shifted(x, s["mean"] or 0.0, _inverse(s["std"]))


def _apply_min_max(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    low, high = s["min"] or 0.0, s["max"] or 0.0
    inside = make_call("least", [make_call("greatest", [x, ex.number(low)]), ex.number(high)])
    scaled = _shifted(inside, low, _inverse(high - low))
    return Case((When(make_call("isnull", [x]), Literal(None, DOUBLE)),), scaled, DOUBLE)


def _apply_max_abs(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return make_call("*", [x, ex.number(_inverse(s["max"]))])


def _quantiles(x: Expr, shares: Sequence[float]) -> Expr:
    return _agg("percentile", x, ex.numbers(shares))


def _robust_aggregates(x: Expr, params: tuple[Any, ...]) -> dict[str, Expr]:
    low, high = params[0]
    return {"quantiles": _quantiles(x, (low / 100, 0.5, high / 100))}


def _apply_robust(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    low, median, high = s["quantiles"]
    return _shifted(x, median if params[1] else 0.0, _inverse(high - low) if params[2] else 1.0)


def _apply_quantile_bucketize(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return make_call("ml_bucketize", [x, ex.numbers(s["edges"])])


def _quantile_edges(s: Statistics, params: tuple[Any, ...]) -> Statistics:
    return {"edges": sorted(set(s["edges"]))}


_IMPUTERS = {"median": "median", "most_frequent": "mode"}


def _imputer_aggregates(x: Expr, params: tuple[Any, ...]) -> dict[str, Expr]:
    how = str(params[0]).lower()
    if how not in _IMPUTERS or (how != "most_frequent" and not isinstance(x.type, Numeric)):
        raise AnalysisError(
            f"ML.IMPUTER of {x.type} cannot use '{params[0]}'", condition="INVALID_PARAMETER_VALUE",
            hint="strategies are 'mean', 'median' (numbers) and 'most_frequent'",
        )  # fmt: skip
    return {"mean": _agg(_IMPUTERS[how], x)}


def _apply_imputer(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    if isinstance(x.type, Numeric):
        return make_call("coalesce", [ex.as_double(x), ex.number(float(s["mean"] or 0.0))])
    return make_call("coalesce", [x, Literal(s["mean"], x.type)])


# -- categories


def _counts_of(plan: Plan, x: Expr, params: tuple[Any, ...]) -> Plan:
    """(value, rows) of a column."""
    return Aggregate(plan, (named("value", x),), (named("rows", make_aggregate("count", [ex.number(1.0)])),))


def _categories(s: Statistics, params: tuple[Any, ...]) -> Statistics:
    """The most frequent categories, ties by name; `params` end with (top_k, frequency_threshold)."""
    top_k, least = params[-2:]
    rows = sorted(((v, n) for v, n in s["rows"] if v is not None and n >= least), key=lambda r: (-r[1], r[0]))
    return {"keys": [v for v, _ in rows[:top_k]]}


def _one_hot_keys(s: Statistics, params: tuple[Any, ...]) -> Statistics:
    keys = _categories(s, params)["keys"]
    return {"keys": sorted(keys[1:] if str(params[0]).lower() == "most_frequent" else keys)}


def _apply_one_hot(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return make_call("ml_one_hot", [x, ex.texts(s["keys"])])


def _positions(x: Expr, keys: Sequence[str], first: int, unknown: int) -> Expr:
    at = make_call("ml_lookup", [
        x, ex.texts(keys), ex.numbers([float(first + i) for i in range(len(keys))]), ex.number(float(unknown))
    ])  # fmt: skip
    return cast_to(at, BIGINT, implicit=False)


def _apply_string_indexer(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return _positions(x, s["keys"], 0, len(s["keys"]))


def _apply_label_encoder(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return _positions(x, s["keys"], 1, 0)


def _sorted_categories(s: Statistics, params: tuple[Any, ...]) -> Statistics:
    return {"keys": sorted(_categories(s, params)["keys"])}


# -- text


def _document_counts(plan: Plan, x: Expr, params: tuple[Any, ...]) -> Plan:
    """(index, rows whose vector has it); index -1 counts all rows."""
    from sqlshell.plan.scope import get_field

    indices = make_call("coalesce", [get_field(x, "indices", None), Literal((), Array(INT))])
    call, _ = make_generator("explode", [make_call("array_append", [indices, Literal(-1, INT)])])
    column = Column(fresh_id(), "at", INT)
    exploded = Generate(plan, call, (column,))
    return Aggregate(
        exploded, (named("at", column),), (named("rows", make_aggregate("count", [ex.number(1.0)])),)
    )


def _idf(s: Statistics, params: tuple[Any, ...]) -> Statistics:
    """Spark's formula: ln((rows + 1) / (rows with the term + 1)); terms in fewer than `min_df` rows weigh 0."""
    import math

    counts = {int(at): int(n) for at, n in s["rows"]}
    rows = counts.pop(-1, 0)
    return {"rows": rows, "weights": {
        str(at): math.log((rows + 1) / (n + 1)) for at, n in sorted(counts.items()) if n >= params[-1]
    }}  # fmt: skip


def _apply_idf(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    """Terms never seen in training get the weight of a term in no row, as Spark's do."""
    import math

    size = params[0] if len(params) > 1 else max((int(k) for k in s["weights"]), default=0) + 1
    unseen = math.log(s["rows"] + 1) if params[-1] == 0 else 0.0
    weights = [unseen] * size
    for at, w in s["weights"].items():
        weights[int(at)] = w
    return make_call("ml_scale_values", [x, ex.numbers(weights)])


def _tf(x: Expr, params: tuple[Any, ...]) -> Expr:
    return make_call("ml_hashing_tf", [x, Literal(params[0], INT)])


def _tf_counts(plan: Plan, x: Expr, params: tuple[Any, ...]) -> Plan:
    return _document_counts(plan, _tf(x, params), params)


def _apply_tf_idf(x: Expr, params: tuple[Any, ...], s: Statistics) -> Expr:
    return _apply_idf(_tf(x, params), params, s)


# fmt: off
TABLE = (
    FeatureFunction("ml_standard_scaler", "(x - mean) / sample deviation.", DOUBLE, _double, _apply_standard,
                    moments=lambda p: True),
    FeatureFunction("ml_min_max_scaler", "From 0 at the least to 1 at the greatest value seen, cut off there.", DOUBLE,
                    _double, _apply_min_max, lambda x, p: {"min": _agg("min", x), "max": _agg("max", x)}),
    FeatureFunction("ml_max_abs_scaler", "x / the greatest absolute value seen.", DOUBLE, _double, _apply_max_abs,
                    lambda x, p: {"max": _agg("max", make_call("abs", [x]))}),
    FeatureFunction("ml_robust_scaler", "(x - median) / interquartile range; parameters: array(low, high) in percent, "
                    "with_median, with_quantile_range.", DOUBLE, _double, _apply_robust, _robust_aggregates,
                    params=((25.0, 75.0), True, True)),
    FeatureFunction("ml_quantile_bucketize", "bin_1 ... bin_n with equally many training rows in each.", DOUBLE,
                    lambda t: STRING, _apply_quantile_bucketize,
                    lambda x, p: {"edges": _quantiles(x, [i / p[0] for i in range(1, p[0])])},
                    settle=_quantile_edges, params=(10,)),
    FeatureFunction("ml_imputer", "NULL replaced by the 'mean', the 'median' or the 'most_frequent' value.", None,
                    lambda t: DOUBLE if isinstance(t, Numeric) else t, _apply_imputer, _imputer_aggregates,
                    moments=lambda p: str(p[0]).lower() == "mean", params=("mean",)),
    FeatureFunction("ml_one_hot_encoder", "A vector with a 1 for the category; parameters: what to drop ('none' or "
                    "'most_frequent'), top_k, frequency_threshold. Unknown categories and NULL: all zeros.", STRING,
                    lambda t: SPARSE, _apply_one_hot, table=_counts_of, settle=_one_hot_keys,
                    params=("none", 32_000, 0)),
    FeatureFunction("ml_string_indexer", "0 for the most frequent category, 1 for the next ...; unknown ones and NULL "
                    "come last. Parameters: top_k, frequency_threshold.", STRING, lambda t: BIGINT,
                    _apply_string_indexer, table=_counts_of, settle=_categories, params=(32_000, 0),
                    aliases=("string_indexer",)),
    FeatureFunction("ml_label_encoder", "1, 2 ... in alphabetical order, 0 for unknown categories and NULL; top_k, "
                    "frequency_threshold.", STRING, lambda t: BIGINT, _apply_label_encoder, table=_counts_of,
                    settle=_sorted_categories, params=(32_000, 0)),
    FeatureFunction("ml_idf", "A vector of term counts, each times ln((rows + 1) / (rows with the term + 1)); "
                    "parameter: the least number of rows a term must be in.", SPARSE, lambda t: SPARSE, _apply_idf,
                    table=_document_counts, settle=_idf, params=(0,)),
    FeatureFunction("ml_tf_idf", "ML.IDF(ML.HASHING_TF(words, size)); parameters: size, least number of rows.",
                    Array(STRING), lambda t: SPARSE, _apply_tf_idf, table=_tf_counts, settle=_idf,
                    params=(1 << 18, 0)),
)
# fmt: on
FUNCTIONS = {n: f for f in TABLE for n in (f.name, *f.aliases)}


@dataclass(frozen=True)
class Request:
    """One call in TRANSFORM: what it learns from `value`, and the column that stands in for it till then."""

    key: str
    function: FeatureFunction
    value: Expr
    params: tuple[Any, ...]
    column: Column


def _arguments(
    f: FeatureFunction, args: list[Any], named_args: dict[str, Expr], span: Span | None
) -> tuple[Expr, tuple[Any, ...]]:
    """The value cast to what the function takes, and its parameters."""
    if named_args or not 1 <= len(args) <= 1 + len(f.params):
        raise AnalysisError(
            f"{_shown(f.name)} takes a value and up to {len(f.params)} constants",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
            hint=f.doc,
        )
    value, *rest = args
    if f.takes is not None and value.type != f.takes:
        if not can_implicitly_cast(value.type, f.takes) or isinstance(f.takes, type(SPARSE)):
            raise AnalysisError(
                f"{_shown(f.name)} takes {f.takes}, not {value.type}",
                condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                span=span,
                hint=f.doc,
            )
        value = cast_to(value, f.takes)
    params = list(f.params)
    for i, item in enumerate(rest):
        params[i] = _constant(item, f, span)
    return value, tuple(params)


def _constant(item: Any, f: FeatureFunction, span: Span | None) -> Any:
    if isinstance(item, Literal):
        return float(item.value) if "Decimal" in type(item.value).__name__ else item.value
    if getattr(item, "fn", "") == "array":
        return tuple(_constant(a, f, span) for a in item.args)
    raise AnalysisError(
        f"{_shown(f.name)} takes one column; what follows it are constants",
        condition="NON_FOLDABLE_ARGUMENT", span=span, hint=f.doc,
    )  # fmt: skip


class Fitting:
    """Binds TRANSFORM for training: calls become stand-in columns."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}

    def call(self, name: str, args: list[Any], named: dict[str, Expr], span: Span | None) -> Expr | None:
        f = FUNCTIONS.get(name)
        if f is None:
            return None
        key = f"{name}@{span[0] if span else 0}"
        if key not in self.requests:
            value, params = _arguments(f, args, named, span)
            column = fresh_column(name, Literal(None, f.gives(value.type)))
            self.requests[key] = Request(key, f, value, params, column)
        return self.requests[key].column


class Fitted:
    """Binds TRANSFORM for prediction: calls become expressions over stored statistics."""

    def __init__(self, statistics: dict[str, Statistics]) -> None:
        self.statistics = statistics

    def call(self, name: str, args: list[Any], named: dict[str, Expr], span: Span | None) -> Expr | None:
        f = FUNCTIONS.get(name)
        if f is None:
            return None
        value, params = _arguments(f, args, named, span)
        return f.apply(value, params, self.statistics[f"{name}@{span[0] if span else 0}"])


def unknown(name: str, span: Span | None) -> AnalysisError:
    """The error for an ml_ function in an ordinary expression."""
    if name in FUNCTIONS:
        return AnalysisError(
            f"{_shown(name)} learns from training rows: it stands in TRANSFORM (...) of CREATE MODEL",
            condition="MODEL_FUNCTION_OUTSIDE_TRANSFORM",
            span=span,
            hint="a model of type transform_only keeps it for ML.TRANSFORM",
        )
    from sqlshell.functions.registry import load

    known = [n for n in (*FUNCTIONS, *load(), "ml_predict", "ml_predict_proba") if n.startswith("ml_")]
    return AnalysisError(
        f"there is no function {_shown(name)}",
        condition="UNRESOLVED_ROUTINE",
        span=span,
        hint=did_you_mean(name, known),
    )


def _shown(name: str) -> str:
    return "ML." + name.removeprefix("ml_").upper()
