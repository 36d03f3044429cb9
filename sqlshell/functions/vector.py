"""Vectors, text features and the arithmetic that models compile to (`k.vectors` is exec/vectors.py)."""

from __future__ import annotations

from typing import Any

from sqlshell.expr.expr import Call, Literal
from sqlshell.functions.attributions import ROWS as ATTRIBUTIONS
from sqlshell.functions.common import constant
from sqlshell.functions.factors import ROWS as FACTORS
from sqlshell.functions.network import ROWS as NETWORK
from sqlshell.functions.onnx import ROWS as ONNX
from sqlshell.functions.registry import Function
from sqlshell.functions.vector_distance import ROWS as DISTANCES
from sqlshell.functions.vector_words import STOP_WORDS
from sqlshell.types import DOUBLE, INT, Array, Field, SqlType, String, Struct

SPARSE = Struct((Field("size", INT), Field("indices", Array(INT)), Field("values", Array(DOUBLE))))
"""A sparse vector, as Spark lays it out."""

Types = tuple[SqlType, ...]


def _constants(k: Any, i: int) -> tuple[Any, ...]:
    """The elements of argument `i`, an array of constants."""
    arg = k.call.args[i]
    if isinstance(arg, Call) and arg.fn == "array" and all(isinstance(e, Literal) for e in arg.args):
        return tuple(e.value for e in arg.args if isinstance(e, Literal))
    return tuple(constant(k, i, "array"))


def _never(_: tuple[bool, ...]) -> bool:
    return False


def _linear(k: Any, weights: Any, *values: Any) -> Any:
    terms = [v * w for v, w in zip(values, _constants(k, 0), strict=True)]
    return k.pl.sum_horizontal(terms) if terms else weights


def _squares(k: Any, centres: Any, scales: Any, *values: Any) -> Any:
    terms = [((v - c) * s).pow(2) for v, c, s in zip(values, _constants(k, 0), _constants(k, 1), strict=True)]
    return k.pl.sum_horizontal(terms)


def _dot(k: Any, vector: Any, weights: Any) -> Any:
    return k.vectors.dot(vector, _constants(k, 1), sparse=isinstance(k.type(0), Struct))


def _trees(k: Any, booster: Any, widths: Any, *values: Any) -> Any:
    return k.trees.margins(constant(k, 0, "booster"), _constants(k, 1), values)


def _lookup(k: Any, value: Any, keys: Any, results: Any, default: Any) -> Any:
    return k.vectors.lookup(value, _constants(k, 1), _constants(k, 2), constant(k, 3, "number"))


def _sigmoid(k: Any, x: Any) -> Any:
    return 1.0 / (1.0 + (-x).exp())


def _softmax(k: Any, scores: Any) -> Any:
    return k.vectors.softmax(scores)


def _argmax(k: Any, scores: Any) -> Any:
    return scores.list.arg_max().cast(k.pl.Int32)


def _pick(k: Any, values: Any, at: Any) -> Any:
    labels = _constants(k, 0)
    pl = k.pl
    chosen = pl.lit(None, dtype=k.dtype(k.call.type))
    for i in range(len(labels) - 1, -1, -1):
        chosen = pl.when(at == i).then(k.lit(labels[i], k.call.type)).otherwise(chosen)
    return chosen


def _pick_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    assert isinstance(types[0], Array)
    return types[0].element


def _one_hot(k: Any, value: Any, keys: Any) -> Any:
    return k.vectors.one_hot(value, _constants(k, 1))


def _fraction(k: Any, seed: Any, *values: Any) -> Any:
    types = [a.type for a in k.call.args[1:]]
    return k.vectors.row_fraction(list(zip(values, types, strict=True)), constant(k, 0, "number"))


def _tokenize(k: Any, text: Any, *pattern: Any) -> Any:
    pl = k.pl
    lowered = text.str.to_lowercase()
    if pattern:
        regex = constant(k, 1, "pattern")
        return lowered.str.extract_all(regex)
    return lowered.str.extract_all(r"[\p{L}\p{N}_]+").list.eval(pl.element())


def _ngrams(k: Any, words: Any, *sizes: Any) -> Any:
    pl = k.pl
    low = constant(k, 1, "number") if sizes else 2
    high = constant(k, 2, "number") if len(sizes) > 1 else low
    made = []
    for n in range(low, high + 1):
        parts = [pl.element().shift(-i) for i in range(n)]
        made.append(words.list.eval(pl.concat_str(parts, separator=" ", ignore_nulls=False).drop_nulls()))
    return made[0] if len(made) == 1 else pl.concat_list(made)


def _stop_words(k: Any, words: Any, *language: Any) -> Any:
    given = "english" if not language else k.literal(1) if isinstance(k.type(1), String) else _constants(k, 1)
    stop = STOP_WORDS.get(given) if isinstance(given, str) else given
    if stop is None:
        from sqlshell.errors import AnalysisError

        raise AnalysisError(
            f"there is no stop word list `{given}`", condition="INVALID_PARAMETER_VALUE", span=k.call.span,
            hint="lists: " + ", ".join(STOP_WORDS) + "; or give an array of words",
        )  # fmt: skip
    return words.list.eval(k.pl.element().filter(~k.pl.element().is_in(list(stop))))


def _hashing_tf(k: Any, words: Any, *size: Any) -> Any:
    return k.vectors.hashing_tf(words, constant(k, 1, "number") if size else 1 << 18)


def _sparse(types: Types, args: tuple[Any, ...]) -> SqlType:
    return SPARSE


def _hash_bucketize(k: Any, value: Any, size: Any) -> Any:
    return k.vectors.hash_bucket(value, constant(k, 1, "number"))


def _bucketize(k: Any, value: Any, edges: Any) -> Any:
    """bin_1 below the first edge, bin_2 from there to the second ..."""
    found, pl = sorted(float(e) for e in _constants(k, 1)), k.pl
    reached = pl.sum_horizontal([pl.lit(1, dtype=pl.Int32), *((value >= e).cast(pl.Int32) for e in found)])
    return pl.when(value.is_not_null()).then(pl.format("bin_{}", reached))


def _cross(k: Any, *values: Any) -> Any:
    return k.pl.concat_str(values, separator="_", ignore_nulls=False)


def _interaction(k: Any, first: Any, *rest: Any) -> Any:
    for value in rest:
        first = first * value
    return first


def _scale_values(k: Any, vector: Any, factors: Any) -> Any:
    return k.vectors.scale_values(vector, _constants(k, 1))


def _presence(k: Any, vector: Any) -> Any:
    """1 for each element that is not 0."""
    ones = (k.pl.element() != 0).cast(k.pl.Float64)
    if not isinstance(k.type(0), Struct):
        return vector.list.eval(ones)
    return vector.struct.with_fields(k.pl.field("values").list.eval(ones))


def _normalize(k: Any, vector: Any, *p: Any) -> Any:
    power = float(constant(k, 1, "number")) if p else 2.0
    e = k.pl.element()
    if power == float("inf"):
        norm = e.abs().max()
    else:
        norm = (e * e).sum().sqrt() if power == 2.0 else e.abs().pow(power).sum().pow(1.0 / power)
    return vector.list.eval(k.pl.when(norm > 0).then(e / norm).otherwise(e))


def _assemble(k: Any, items: Any) -> Any:
    return items


def _polynomial(k: Any, items: Any, degree: Any) -> Any:
    """All products of up to `degree` elements, shorter ones first."""
    from itertools import combinations_with_replacement as choose

    size, pl = len(k.call.args[0].args), k.pl
    out = []
    for n in range(1, constant(k, 1, "number") + 1):
        for at in choose(range(size), n):
            product = items.list.get(at[0])
            for i in at[1:]:
                product = product * items.list.get(i)
            out.append(product)
    return pl.concat_list(out)


# fmt: off
FUNCTIONS = (
    Function("ml_linear", "array<double>, double... -> double", "The sum of values times constant weights.",
             "ml_linear(array(2.0D, 3.0D), 1.0D, 10.0D)", lower=_linear, nullable=any, example_result="32.0"),
    Function("ml_squared_distance", "array<double>, array<double>, double... -> double",
             "The sum of squares of (value - centre) * scale, for constant centres and scales.",
             "ml_squared_distance(array(1.0D), array(2.0D), 4.0D)", lower=_squares, nullable=any,
             example_result="36.0"),
    Function("ml_dot", "any, array<double> -> double", "The inner product of a vector and constant weights.",
             "ml_dot(array(1.0D, 2.0D), array(3.0D, 4.0D))", lower=_dot, strict=False, nullable=_never,
             example_result="11.0"),
    Function("ml_trees", "binary, array<double>, any... -> array<double>",
             "What the trees of a constant xgboost model (UBJSON) add up to, for features of the given widths.",
             "", lower=_trees, strict=False, nullable=_never),
    Function("ml_lookup", "string, array<string>, array<double>, double -> double",
             "The number that stands for a text, or the default.",
             "ml_lookup('b', array('a', 'b'), array(1.0D, 2.0D), 0.0D)", lower=_lookup, strict=False,
             nullable=_never, example_result="2.0"),
    Function("ml_sigmoid", "double -> double", "1 / (1 + exp(-x)).", "ml_sigmoid(0.0D)", lower=_sigmoid,
             nullable=any, example_result="0.5"),
    Function("ml_softmax", "array<double> -> array<double>", "exp(x) of each element, scaled to add up to 1.",
             "ml_softmax(array(0.0D, 0.0D))", lower=_softmax, example_result="[0.5, 0.5]"),
    Function("ml_argmax", "array<double> -> int", "The position (from 0) of the largest element.",
             "ml_argmax(array(1.0D, 3.0D, 2.0D))", lower=_argmax, example_result="1"),
    Function("ml_pick", "array<T>, int -> fn", "The element of a constant array at a position from 0.",
             "ml_pick(array('a', 'b'), 1)", lower=_pick, returns=_pick_type, example_result="b"),
    Function("ml_row_fraction", "bigint, any... -> double",
             "A number in [0, 1) from the values and the seed only: splits by hash.",
             "ml_row_fraction(1L, 'a') < 1", lower=_fraction, strict=False, nullable=_never, example_result="true"),
    Function("ml_one_hot", "string, array<string> -> fn", "A sparse vector with a 1 at the text's place in the list.",
             "ml_one_hot('b', array('a', 'b')).indices", lower=_one_hot, returns=_sparse, strict=False,
             nullable=_never, example_result="[1]"),
    Function("ml_tokenize", "string, [string] -> array<string>",
             "The words of a text in lower case; a pattern says what a word is.",
             "ml_tokenize('Mountain biking is awesome!')", lower=_tokenize,
             example_result="['mountain', 'biking', 'is', 'awesome']"),
    Function("ml_ngrams", "array<string>, [int], [int] -> array<string>",
             "Runs of n words (2 by default), or of n to m words.", "ml_ngrams(array('a', 'b', 'c'), 2)",
             lower=_ngrams, example_result="['a b', 'b c']"),
    Function("ml_remove_stop_words", "array<string>, [string] -> array<string> | array<string>, array<string> -> "
             "array<string>", "The words without those that say little (a list of words, or a language).",
             "ml_remove_stop_words(array('the', 'cat'))", lower=_stop_words, example_result="['cat']"),
    Function("ml_hashing_tf", "array<string>, [int] -> fn",
             "Term counts as a sparse vector of hash buckets (262144 by default), as Spark's HashingTF.",
             "ml_hashing_tf(array('a', 'b', 'a'), 16).values", lower=_hashing_tf, returns=_sparse,
             example_result="[2.0, 1.0]"),
    Function("ml_hash_bucketize", "string, int -> int", "The hash bucket of a text.",
             "ml_hash_bucketize('a', 1)", lower=_hash_bucketize, example_result="0"),
    Function("ml_bucketize", "double, array<double> -> string",
             "The bucket between constant edges: bin_1 lies below the first edge.",
             "ml_bucketize(5.0D, array(0.0D, 3.0D, 10.0D))", lower=_bucketize, example_result="bin_3"),
    Function("ml_feature_cross", "string... -> string", "One category for each combination of categories.",
             "ml_feature_cross('a', 'x')", lower=_cross, example_result="a_x"),
    Function("ml_interaction", "double... -> double", "The product of numbers.", "ml_interaction(2.0D, 3.0D)",
             lower=_interaction, example_result="6.0"),
    Function("ml_scale_values", "any, array<double> -> fn", "A sparse vector, each value times its index's factor.",
             "ml_scale_values(ml_one_hot('b', array('a', 'b')), array(1.0D, 5.0D)).values", lower=_scale_values,
             returns=_sparse, example_result="[5.0]"),
    Function("ml_presence", "any -> fn", "A vector with 1 for each element that is not 0.",
             "ml_presence(array(0.0D, 4.0D))", lower=_presence, returns=lambda types, args: types[0],
             example_result="[0.0, 1.0]"),
    Function("ml_normalizer", "array<double>, [double] -> array<double>", "A vector scaled to length 1 (p-norm).",
             "ml_normalizer(array(0.0D, 4.0D))", lower=_normalize, example_result="[0.0, 1.0]"),
    Function("vector_assembler", "array<double> -> array<double>", "The vector of the given numbers.",
             "vector_assembler(array(1.0D, 2.0D))", lower=_assemble, aliases=("ml_vector_assembler",),
             example_result="[1.0, 2.0]"),
    Function("ml_polynomial_expand", "array<double>, int -> array<double>",
             "The elements of array(...) and all their products of up to `degree` factors.",
             "ml_polynomial_expand(array(2.0D, 3.0D), 2)", lower=_polynomial,
             example_result="[2.0, 3.0, 4.0, 6.0, 9.0]"),
    *DISTANCES,
    *FACTORS,
    *ATTRIBUTIONS,
    *ONNX,
    *NETWORK,
)
# fmt: on
