"""Models as expressions: the pieces that estimators build their outputs from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Case, Cast, Column, Expr, Literal, When
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Named, named
from sqlshell.records import dataclass
from sqlshell.types import BIGINT, DOUBLE, INT, STRING, Array, SqlType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlshell.ml.model import Feature, Model


@dataclass(frozen=True)
class Outputs:
    """What a model adds to a row: `columns` by name over the row's and the `steps`' columns."""

    steps: tuple[Named, ...]
    columns: tuple[tuple[str, Expr], ...]


def number(value: float) -> Literal:
    """A double."""
    return Literal(float(value), DOUBLE)


def text(value: str) -> Literal:
    return Literal(value, STRING)


def numbers(values: Sequence[float]) -> Literal:
    """A constant array of doubles."""
    return Literal(tuple(float(v) for v in values), Array(DOUBLE, False))


def texts(values: Sequence[str]) -> Literal:
    """A constant array of texts."""
    return Literal(tuple(values), Array(STRING, False))


def constants(values: Sequence[Any], element: SqlType) -> Literal:
    """A constant array."""
    return Literal(tuple(values), Array(element, False))


def as_double(e: Expr) -> Expr:
    """A number, truth value, date or time as a double (days, seconds)."""
    return e if e.type == DOUBLE else Cast(e, DOUBLE)


def filled(feature: Feature, e: Expr) -> Expr:
    """A numeric feature, NULL replaced by what it was replaced by in training."""
    value = as_double(e)
    return make_call("coalesce", [value, number(feature.fill)]) if e.nullable else value


def step(steps: list[Named], name: str, e: Expr) -> Column:
    """Make `e` a column of its own, computed once."""
    item = named(name, e)
    steps.append(item)
    return item.column


def linear(
    features: Sequence[Feature], inputs: Mapping[str, Expr], weights: Sequence[float], intercept: float
) -> Expr:
    """intercept + the weighted sum of all features; those with weight 0 are not even read."""
    factors: list[float] = []
    terms: list[Expr] = []
    at = 0
    for f in features:
        own = tuple(weights[at : at + f.width])
        at += f.width
        if not any(own):
            continue
        value = inputs[f.name]
        if f.kind == "numeric":
            factors.append(own[0])
            terms.append(filled(f, value))
            continue
        factors.append(1.0)
        if f.kind == "category":
            terms.append(make_call("ml_lookup", [value, texts(f.columns), numbers(own), number(0.0)]))
        else:
            terms.append(make_call("ml_dot", [value, numbers(own)]))
    return make_call("ml_linear", [numbers([*factors, 1.0]), *terms, number(intercept)])


def classification(
    model: Model, scores: Sequence[Expr], threshold: float | None, steps: list[Named]
) -> Outputs:
    """The predicted class and all classes' probabilities; one score is the log odds of the second class.

    Several scores are logarithms up to a constant. `threshold` is what the second class must exceed.
    """
    label, classes, label_type = model.label, model.classes, model.label_type
    lits = [Literal(c, label_type) for c in classes]
    if len(scores) == 1:
        p = step(steps, "probability", make_call("ml_sigmoid", [scores[0]]))
        shares: list[Expr] = [make_call("-", [number(1.0), p]), p]
    else:
        listed = step(steps, "scores", make_call("array", list(scores)))
        softmax = step(steps, "probabilities", make_call("ml_softmax", [listed]))
        shares = [make_call("element_at", [softmax, Literal(i + 1, INT)]) for i in range(len(classes))]
    if len(classes) == 2:
        above = make_call(">", [shares[1], number(0.5 if threshold is None else threshold)])
        predicted: Expr = Case((When(above, lits[1]),), lits[0], label_type)
    else:
        predicted = make_call("ml_pick", [constants(classes, label_type), make_call("ml_argmax", [listed])])
    pairs = [
        make_call("named_struct", [text("label"), c, text("prob"), share])
        for c, share in zip(lits, shares, strict=True)
    ]
    return Outputs(
        tuple(steps),
        ((f"predicted_{label}", predicted), (f"predicted_{label}_probs", make_call("array", pairs))),
    )


def squared_distance(
    features: Sequence[Feature], inputs: Mapping[str, Expr], centre: Sequence[float], scale: Sequence[float]
) -> Expr:
    """The squared Euclidean distance of a row from a point, each feature divided by its scale."""
    centres: list[float] = []
    factors: list[float] = []
    terms: list[Expr] = []
    at = 0
    for f in features:
        for i in range(f.width):
            centres.append(centre[at + i])
            factors.append(1.0 / scale[at + i])
        terms += elements(f, inputs[f.name])
        at += f.width
    return make_call("ml_squared_distance", [numbers(centres), numbers(factors), *terms])


def elements(f: Feature, value: Expr) -> list[Expr]:
    """Each column of a feature as a double."""
    if f.kind == "numeric":
        return [filled(f, value)]
    if f.kind == "category":
        one = number(1.0)
        return [
            make_call("ml_lookup", [value, texts([c]), numbers([1.0]), number(0.0)]) for c in f.columns
        ] or [one]
    unit = [[1.0 if j == i else 0.0 for j in range(f.width)] for i in range(f.width)]
    return [make_call("ml_dot", [value, numbers(row)]) for row in unit]


def long_type(e: Expr) -> Expr:
    """`e` as a bigint."""
    return cast_to(e, BIGINT)
