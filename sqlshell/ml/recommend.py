"""Models of users and items: what their training query looks like, and the rows of ML.RECOMMEND."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Column, Expr, Literal
from sqlshell.ml.model import Feature
from sqlshell.plan.call import make_call, make_generator
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import ONE_ROW, Aggregate, Generate, Plan, Project, fresh_id, named, passthrough
from sqlshell.types import BIGINT, BINARY, DOUBLE, INT, STRING, Integral, SqlType, String
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import Span
    from sqlshell.ml.model import Model

USERS, ITEMS = "users.arrow", "items.arrow"
ROLES = ("user_col", "item_col")


def feature(name: str, t: SqlType, options: dict[str, Any]) -> Feature:
    """A user's or an item's id. Raises for other columns, and for ids that are neither whole numbers nor texts."""
    if name.lower() not in {str(options[r]).lower() for r in ROLES}:
        raise AnalysisError(
            f"matrix_factorization takes a user, an item and a rating; `{name}` is none of them",
            condition="UNSUPPORTED_FEATURE_TYPE",
            hint="leave the column out, or name the columns: user_col, item_col, rating_col",
        )
    if not isinstance(t, (Integral, String)):
        raise AnalysisError(
            f"an id is a whole number or a text; `{name}` is {t}", condition="UNSUPPORTED_FEATURE_TYPE",
            hint=f"CAST({name} AS BIGINT)",
        )  # fmt: skip
    return Feature(name, "id", str(t))


def roles(features: Sequence[Feature], options: dict[str, Any]) -> tuple[int, int]:
    """Which feature is the user, and which the item. Raises when one is missing or both are the same."""
    names = [f.name.lower() for f in features]
    for role in ROLES:
        if str(options[role]).lower() not in names:
            raise AnalysisError(
                f"the training query has no column `{options[role]}` for {role}",
                condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
                hint=did_you_mean(options[role], names) or f"OPTIONS(..., {role} = '...')",
            )
    user, item = (names.index(str(options[r]).lower()) for r in ROLES)
    if user == item:
        raise AnalysisError(
            "user_col and item_col are one column", condition="INVALID_MODEL_OPTION_COMBINATION"
        )
    return user, item


def id_value(feature_: Feature, value: Expr) -> Expr:
    """An id as the files of factors hold it."""
    return cast_to(value, STRING if feature_.type == "string" else BIGINT, implicit=False)


def predicted_name(model: Model) -> str:
    """BigQuery's name of what is predicted."""
    end = "_confidence" if model.options["feedback_type"] == "implicit" else ""
    return f"predicted_{model.label}{end}"


def files_of(model: Model) -> tuple[Literal, Literal]:
    """The factors of users and of items, as constants."""
    return Literal(model.files[USERS], BINARY), Literal(model.files[ITEMS], BINARY)


def recommend(
    f: Any, model: Model, data: BoundQuery | None, options: dict[str, Any], span: Span | None
) -> tuple[BoundQuery, None]:
    """ML.RECOMMEND: for users all items (or the top_k best), for items all users; without rows for all users."""
    if model.estimator.task != "recommendation":
        raise AnalysisError(
            f"ML.RECOMMEND needs a matrix_factorization; `{model.name}` is a {model.estimator.name}",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span,
        )
    sides = [model.features[i] for i in roles(model.features, model.options)]
    files = files_of(model)
    most = options.get("top_k")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise AnalysisError(
            "top_k takes a whole number of at least 1", condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span
        )
    given: dict[str, Expr] = {}
    if data is not None:
        given = {n.lower(): c for n, c in zip(data.names, data.plan.output, strict=True)}
    present = [i for i, s in enumerate(sides) if s.name.lower() in given]
    if data is not None and not present:
        raise AnalysisError(
            f"the rows have neither `{sides[0].name}` nor `{sides[1].name}`", condition="MODEL_INPUT_MISSING",
            span=span, hint="one of them: a recommendation for each; both: what the user rates the item",
        )  # fmt: skip
    if data is not None and len(present) == 2:
        if most is not None:
            raise AnalysisError(
                "top_k needs rows of users or of items, not of both",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT", span=span,
            )  # fmt: skip
        from sqlshell.ml.relations import predicted
        from sqlshell.ml.transform import features_of

        return predicted(model, data, features_of(f.ctx, model, given, span), {}), None
    own = present[0] if present else 0
    plan, who = (
        _everybody(sides[own], files[own]) if data is None else _distinct(sides[own], data, given, span)
    )
    kind = parse_type(sides[1 - own].type)
    stored = STRING if sides[1 - own].type == "string" else BIGINT
    listed = make_call(
        "ml_recommended", [files[own], files[1 - own], who, Literal(None, stored), Literal(most, INT)]
    )
    generator, fields = make_generator("inline", [listed])
    columns = tuple(Column(fresh_id(), n.name, n.type) for n in fields)
    plan = Generate(plan, generator, columns)
    ids = [named(sides[own].name, cast_to(who, parse_type(sides[own].type), implicit=False)),
           named(sides[1 - own].name, cast_to(columns[0], kind, implicit=False))]  # fmt: skip
    items = (*(ids if own == 0 else reversed(ids)), passthrough(columns[1]))
    names = (sides[0].name, sides[1].name, predicted_name(model))
    return BoundQuery(Project(plan, items), names), None


def _everybody(side: Feature, file: Literal) -> tuple[Plan, Column]:
    stored = STRING if side.type == "string" else BIGINT
    generator, _ = make_generator("explode", [make_call("ml_factor_ids", [file, Literal(None, stored)])])
    who = Column(fresh_id(), side.name, stored)
    return Generate(ONE_ROW, generator, (who,)), who


def _distinct(
    side: Feature, data: BoundQuery, given: dict[str, Expr], span: Span | None
) -> tuple[Plan, Column]:
    from sqlshell.plan.coerce import can_implicitly_cast

    value = given[side.name.lower()]
    wanted = parse_type(side.type)
    if not can_implicitly_cast(value.type, wanted):
        raise AnalysisError(
            f"the model needs `{side.name}` as {wanted}, not {value.type}", condition="MODEL_INPUT_TYPE",
            span=span, hint=f"CAST({side.name} AS {str(wanted).upper()})",
        )  # fmt: skip
    key = named(side.name, id_value(side, cast_to(value, wanted)))
    plan = Project(data.plan, (key,))
    who = named(side.name, key.column)
    return Aggregate(plan, (who,), ()), who.column


def weights(model: Model) -> BoundQuery:
    """ML.WEIGHTS: a row for each user and item, with its factors."""
    import pyarrow as pa

    from sqlshell.ml.constant_rows import constant_rows
    from sqlshell.types import Array, Field, Struct

    pairs = Array(Struct((Field("factor", INT), Field("weight", DOUBLE))))
    rows = []
    for side, file in zip(roles(model.features, model.options), (USERS, ITEMS), strict=True):
        table = pa.ipc.open_file(pa.BufferReader(model.files[file])).read_all()
        columns = [table[c].to_pylist() for c in ("id", "factors")]
        rows += [
            (model.features[side].name, str(own), tuple(enumerate(factors, 1)))
            for own, factors in zip(*columns, strict=True)
        ]
    return constant_rows([("processed_input", STRING), ("feature", STRING), ("factor_weights", pairs)], rows)
