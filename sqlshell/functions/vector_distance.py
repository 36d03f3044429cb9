"""Spark's functions over vectors (arrays of floats): products, distances, norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions.registry import Function

if TYPE_CHECKING:
    from collections.abc import Callable


def _doubles(k: Any, v: Any) -> Any:
    """A vector for sums in double precision; NULL where an element is."""
    pl = k.pl
    whole = ~v.list.agg(pl.element().is_null().any())
    return pl.when(whole).then(v.cast(pl.List(pl.Float64)))


def _paired(result: Callable[[Any, Any, Any], Any]) -> Any:
    def lower(k: Any, left: Any, right: Any) -> Any:
        pl = k.pl

        def check(a: Any, b: Any) -> Any:
            bad = a.list.len() != b.list.len()
            same = pl.when(~bad).then(_doubles(k, b))
            value = k.let([_doubles(k, pl.when(~bad).then(a)), same], lambda x, y: result(k, x, y))
            return k.raise_if(
                bad,
                "VECTOR_DIMENSION_MISMATCH",
                value.cast(pl.Float32),
                k.call.fn,
                a.list.len(),
                b.list.len(),
            )

        return k.let([left, right], check)

    return lower


def _inner(k: Any, a: Any, b: Any) -> Any:
    return (a * b).list.sum()


def _l2(k: Any, a: Any, b: Any) -> Any:
    return k.let([a - b], lambda d: (d * d).list.sum().sqrt())


def _cosine(k: Any, a: Any, b: Any) -> Any:
    pl = k.pl
    size = ((a * a).list.sum() * (b * b).list.sum()).sqrt()
    return k.let([(a * b).list.sum(), size], lambda dot, n: pl.when(n > 0).then(dot / n))


def _norm(k: Any, v: Any, degree: Any) -> Any:
    """The norm of a vector of doubles; degrees other than 1, 2 and infinity are refused."""
    pl = k.pl
    if degree is None:
        return (v * v).list.sum().sqrt()

    def choose(x: Any, p: Any) -> Any:
        bad = ~((p == 1) | (p == 2) | (p == float("inf")))
        found = (
            pl.when(p == 1)
            .then(x.list.eval(pl.element().abs()).list.sum())
            .when(p == 2)
            .then((x * x).list.sum().sqrt())
            .otherwise(x.list.eval(pl.element().abs()).list.max().fill_null(0.0))
        )
        found = pl.when(x.is_not_null() & p.is_not_null()).then(found)
        return k.raise_if(bad & x.is_not_null(), "INVALID_VECTOR_NORM_DEGREE", found, k.call.fn, p)

    return k.let([v, degree.cast(pl.Float64)], choose)


def _vector_norm(k: Any, v: Any, degree: Any = None) -> Any:
    return _norm(k, _doubles(k, v), degree).cast(k.pl.Float32)


def _normalize(k: Any, v: Any, degree: Any = None) -> Any:
    pl = k.pl

    def scale(x: Any, n: Any) -> Any:
        return pl.when(n > 0).then(x / n).cast(pl.List(pl.Float32))

    return k.let([_doubles(k, v)], lambda x: k.let([x, _norm(k, x, degree)], scale))


# fmt: off
ROWS = (
    Function("vector_inner_product", "array<float>, array<float> -> float", "The inner product of two vectors.",
             "vector_inner_product(array(1f, 2f), array(3f, 4f))", lower=_paired(_inner), fallible=True,
             nullable=lambda n: True),
    Function("vector_l2_distance", "array<float>, array<float> -> float", "The Euclidean distance of two vectors.",
             "vector_l2_distance(array(1f, 2f), array(3f, 4f))", lower=_paired(_l2), fallible=True,
             nullable=lambda n: True),
    Function("vector_cosine_similarity", "array<float>, array<float> -> float",
             "The cosine of the angle between two vectors; NULL for a vector of zeros.",
             "vector_cosine_similarity(array(1f, 2f), array(3f, 4f))", lower=_paired(_cosine), fallible=True,
             nullable=lambda n: True),
    Function("vector_norm", "array<float>, [float] -> float", "The norm of degree 1, 2 (unless told) or infinity.",
             "vector_norm(array(3f, 4f), 1f)", lower=_vector_norm, fallible=True, nullable=lambda n: True),
    Function("vector_normalize", "array<float>, [float] -> array<float>", "The vector divided by its norm.",
             "vector_normalize(array(3f, 4f), 2f)", lower=_normalize, fallible=True, nullable=lambda n: True),
)
# fmt: on
