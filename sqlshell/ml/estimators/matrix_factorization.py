"""matrix_factorization: what users think of items, by factors of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.ml import expressions as ex
from sqlshell.ml import recommend
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.options import Option, combination
from sqlshell.plan.call import make_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.model import Model


def train(gang: Any, parts: Any, spec: Any) -> Any:
    from sqlshell.ml import factorize

    return factorize.train(gang, parts, spec)


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    features = model.features
    ids = [
        recommend.id_value(features[i], inputs[features[i].name])
        for i in recommend.roles(features, model.options)
    ]
    rating = make_call("ml_rating", [*recommend.files_of(model), *ids])
    return ex.Outputs((), ((recommend.predicted_name(model), rating),))


def check(options: dict[str, Any]) -> None:
    if options["l2_reg"] <= 0:
        raise combination(
            "l2_reg must be above 0: users with fewer ratings than factors have no single answer without it"
        )
    if options["weight_col"]:
        raise combination(
            "matrix_factorization takes no weight_col", "implicit feedback weighs by the rating"
        )
    if options["input_label_cols"] and options["input_label_cols"] != (options["rating_col"],):
        raise combination("matrix_factorization has no input_label_cols", "rating_col names the ratings")


ESTIMATOR = Estimator(
    "matrix_factorization",
    "recommendation",
    "Factors of users and items whose products are the ratings, by alternating least squares.",
    "explicit: sum((r - u'v)^2) + l2 (sum n_u |u|^2 + sum n_v |v|^2), n being how many ratings a user or item has; "
    "implicit: sum over all pairs of (1 + alpha |r|) ((r > 0) - u'v)^2 + the same, n being how many are positive",
    (
        Option("feedback_type", "explicit|implicit", "explicit",
               "Whether ratings say what people think, or how often they did something."),
        Option("num_factors", "int", 10, "Numbers by user and by item.", ("rank",), 1, 500),
        Option("user_col", "text", "user", "The column of users: whole numbers or texts.", ("usercol",)),
        Option("item_col", "text", "item", "The column of items.", ("itemcol",)),
        Option("rating_col", "text", "rating", "The column of ratings.", ("ratingcol",)),
        Option("l2_reg", "float", 0.1, "Weight of the penalty, by rating.", ("regparam", "reg_param"), 0.0),
        Option("wals_alpha", "float", 40.0, "implicit: what a rating adds to the confidence.", ("alpha",), 0.0),
        Option("max_iterations", "int", 10, "Most iterations.", ("max_iter", "maxiter"), 1),
        Option("min_rel_progress", "float", 0.0, "Stop when the objective falls by no more than this share.",
               ("tol", "tolerance"), 0.0, 1.0),
    ),
    None,
    outputs,
    check,
    train=train,
)  # fmt: skip
