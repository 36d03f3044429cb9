"""What the columns of a training query are for: features, the label, weights, the split. Checks names and types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Expr, Literal
from sqlshell.ml import recommend
from sqlshell.ml.model import Feature
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.types import (
    BOOLEAN,
    DOUBLE,
    STRING,
    Array,
    Boolean,
    Numeric,
    SqlType,
    String,
    Struct,
    Temporal,
)

if TYPE_CHECKING:
    from sqlshell.ml.estimators import Estimator
    from sqlshell.plan.context import BoundQuery


def _column_of(raw: dict[str, Any], name: str, role: str) -> Any:
    column = raw.get(name.lower())
    if column is None:
        raise AnalysisError(
            f"the training query has no column `{name}` for {role}",
            condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
            hint=did_you_mean(name, raw) or "its columns are " + ", ".join(list(raw)[:20]),
        )
    return column


def split_of(options: dict[str, Any], raw: dict[str, Any], hashed: Expr) -> tuple[Expr, float | None]:
    """A number in [0, 1) by row; rows below the share (the second answer) are held out."""
    method = options["data_split_method"]
    if method == "no_split":
        return Literal(1.0, DOUBLE), 0.0
    if method == "custom":
        if not options["data_split_col"]:
            raise AnalysisError(
                "data_split_method = 'custom' needs data_split_col",
                condition="INVALID_MODEL_OPTION_COMBINATION",
            )
        column = _column_of(raw, options["data_split_col"], "data_split_col")
        if column.type != BOOLEAN:
            raise AnalysisError(
                f"data_split_col `{options['data_split_col']}` is {column.type}, not boolean",
                condition="INVALID_MODEL_OPTION_VALUE",
                hint="TRUE marks rows that are held out",
            )
        return make_call("if", [column, Literal(0.0, DOUBLE), Literal(1.0, DOUBLE)]), 0.5
    if method == "k_fold":
        return hashed, 1.0 / options["num_folds"]
    return hashed, options["data_split_eval_fraction"] if method == "random" else None


def weight_of(options: dict[str, Any], raw: dict[str, Any]) -> Expr | None:
    if not options["weight_col"]:
        return None
    column = _column_of(raw, options["weight_col"], "weight_col")
    if not isinstance(column.type, Numeric):
        raise AnalysisError(
            f"weight_col `{options['weight_col']}` is {column.type}, not a number",
            condition="INVALID_MODEL_OPTION_VALUE",
        )
    return cast_to(column, DOUBLE)


def label_of(
    estimator: Estimator, options: dict[str, Any], query: BoundQuery, columns: dict[str, Any]
) -> tuple[Expr | None, SqlType | None]:
    """The label as training reads it, and its own type."""
    names = options["input_label_cols"]
    if estimator.task == "recommendation":
        names = options["input_label_cols"] = (options["rating_col"],)
    elif estimator.task not in ("regression", "classification"):
        if names:
            raise AnalysisError(
                f"{estimator.name} has no label", condition="INVALID_MODEL_OPTION_COMBINATION",
                hint="leave input_label_cols out; columns that are no features do not belong in the query",
            )  # fmt: skip
        return None, None
    if not names:
        if "label" not in columns:
            raise AnalysisError(
                f"{estimator.name} needs input_label_cols", condition="MISSING_MODEL_OPTION",
                hint="OPTIONS(..., input_label_cols = ['y'])",
            )  # fmt: skip
        names = options["input_label_cols"] = ("label",)
    if len(names) > 1:
        raise AnalysisError(
            f"one label column, not {len(names)}", condition="INVALID_MODEL_OPTION_VALUE",
            hint="train one model for each",
        )  # fmt: skip
    column = columns.get(names[0].lower())
    if column is None:
        raise AnalysisError(
            f"there is no label column `{names[0]}`",
            condition="LABEL_COLUMN_NOT_FOUND",
            hint=did_you_mean(names[0], columns) or "the columns are " + ", ".join(list(columns)[:20])
            + "; TRANSFORM has to list the label too",
        )  # fmt: skip
    t = column.type
    if estimator.task in ("regression", "recommendation"):
        if not isinstance(t, Numeric):
            raise AnalysisError(
                f"{estimator.name} predicts numbers; the label `{names[0]}` is {t}",
                condition="INVALID_LABEL_TYPE",
                hint="for classes use logistic_reg" if isinstance(t, (String, Boolean)) else None,
            )
        return cast_to(column, DOUBLE), DOUBLE
    if isinstance(t, (String, Boolean)) or (isinstance(t, Numeric) and "decimal" not in str(t)):
        return column, t
    raise AnalysisError(
        f"a class is a text, a number or a truth value; the label `{names[0]}` is {t}",
        condition="INVALID_LABEL_TYPE",
        hint=f"CAST({names[0]} AS STRING)",
    )


def feature_of(name: str, t: SqlType, estimator: Estimator, options: dict[str, Any]) -> Feature:
    """How a column enters the model. transform_only takes any type."""
    if estimator.task == "recommendation":
        return recommend.feature(name, t, options)
    if isinstance(t, (Numeric, Boolean)) or (isinstance(t, Temporal) and str(t) in ("date", "timestamp")):
        return Feature(name, "numeric", str(t))
    if isinstance(t, String):
        return Feature(name, "category", str(t))
    if isinstance(t, Array) and isinstance(t.element, Numeric):
        return Feature(name, "dense", str(t))
    if isinstance(t, Struct) and [f.name for f in t.fields] == ["size", "indices", "values"]:
        return Feature(name, "sparse", str(t))
    if estimator.task == "transform":
        return Feature(name, "other", str(t))
    words = isinstance(t, Array) and isinstance(t.element, String)
    raise AnalysisError(
        f"the feature `{name}` is {t}, which is no number, text or vector",
        condition="UNSUPPORTED_FEATURE_TYPE",
        hint=f"use ML.TF_IDF({name}) in TRANSFORM" if words
        else f"leave it out, or make it numbers in the query (`{name}` as struct fields, array<double> ...)",
    )  # fmt: skip


def as_read(f: Feature, e: Expr) -> Expr:
    """A feature as the gang reads it."""
    t = e.type
    if f.kind == "id":
        return recommend.id_value(f, e)
    if f.kind == "numeric":
        if isinstance(t, Temporal):
            return cast_to(
                make_call("unix_date" if str(t) == "date" else "unix_seconds", [e]), DOUBLE, implicit=False
            )
        return cast_to(e, DOUBLE, implicit=False)
    if f.kind == "dense":
        return cast_to(e, Array(DOUBLE), implicit=False)
    return cast_to(e, STRING) if f.kind == "category" else e
