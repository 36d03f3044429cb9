"""Typed calls: the binder hands a name and bound arguments, and gets an expression with all casts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import AggCall, Call, Expr, Lambda, LambdaVar, Literal
from sqlshell.functions.aggregate_stats import percentile_type
from sqlshell.functions.registry import load, lookup
from sqlshell.functions.signature import LambdaShape, Match, Mismatch, match
from sqlshell.plan import collations
from sqlshell.plan.call_operators import make_operator
from sqlshell.plan.call_special import SPECIAL, as_condition, make_case
from sqlshell.plan.coerce import can_implicitly_cast, cast_explicitly, coerce_all, coerce_to, is_orderable
from sqlshell.plan.logical import fresh_id
from sqlshell.records import dataclass
from sqlshell.types import INT, STRING, VARIANT, VOID, Array, Decimal, Field, Map, SqlType, Struct
from sqlshell.types_ddl import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlshell.errors import Span
    from sqlshell.expr.expr import SortKey
    from sqlshell.functions.registry import Function
    from sqlshell.functions.signature_text import Alternative

__all__ = ["UnboundLambda", "make_aggregate", "make_call", "make_case", "make_generator"]


@dataclass(frozen=True)
class UnboundLambda:
    """A lambda argument: its parameter names, and how to bind its body once their types are known."""

    names: tuple[str, ...]
    bind: Callable[[tuple[LambdaVar, ...]], Expr]
    span: Span | None = None


Argument = Expr | UnboundLambda

_CAST_FUNCTIONS: dict[str, SqlType] = {
    **{
        n: SIMPLE[n]
        for n in [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "string",
            "binary",
            "date",
            "timestamp",
            "timestamp_ntz",
        ]
    },
    "decimal": Decimal(10, 0),
}

_NO_STRING_PROMOTION = frozenset({"greatest", "least"})
_PROMOTES_INSIDE = frozenset({"concat", "||", "map_concat"})
_NEVER_NULL = frozenset(
    [
        "count",
        "count_if",
        "regr_count",
        "approx_count_distinct",
        "collect_list",
        "collect_set",
        "array_agg",
        "histogram_numeric",
        "row_number",
        "rank",
        "dense_rank",
        "ntile",
        "percent_rank",
        "cume_dist",
        "isnull",
        "isnotnull",
        "isnan",
        "<=>",
        "hash",
        "xxhash64",
        "struct",
        "named_struct",
        "array",
        "map",
        "current_date",
        "current_timestamp",
        "now",
        "rand",
        "randn",
        "uuid",
        "pi",
        "e",
    ]
)


def make_call(
    name: str,
    args: Sequence[Argument],
    *,
    span: Span | None = None,
    named: Mapping[str, Expr] | None = None,
) -> Expr:
    """The expression `name(args)`: arguments checked and cast, the result typed."""
    lowered = name.lower()
    plain = [a for a in args if isinstance(a, Expr)]
    _refuse_collated(lowered, args, named, span)
    if len(plain) == len(args) and not named:
        plain = collations.arguments(lowered, plain, span)
        args = plain
        special = SPECIAL.get(lowered)
        if special is not None:
            return special(plain, span)
        operator = make_operator(lowered, plain, span)
        if operator is not None:
            return operator
        if lowered in _CAST_FUNCTIONS:
            if len(args) != 1:
                raise AnalysisError(
                    f"`{name}` takes 1 argument, not {len(args)}",
                    condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                    span=span,
                )
            return cast_explicitly(plain[0], _CAST_FUNCTIONS[lowered], span=span)
        if lowered in {"nvl", "ifnull"} and len(args) == 2:
            return make_call("coalesce", args, span=span)
        if lowered == "zeroifnull" and len(args) == 1:
            return make_call("coalesce", [plain[0], Literal(0, INT)], span=span)
    row = _row(name, span)
    if row.kind != "scalar":
        raise _misplaced(row, span)
    bound, result = _resolve(row, lowered, args, named, span)
    return Call(row.name, bound, result, may_be_null(row, bound), span)


def _refuse_collated(
    name: str, args: Sequence[Argument], named: Mapping[str, Expr] | None, span: Span | None
) -> None:
    """Texts with COLLATE are no named arguments, and none beside lambdas."""
    given = list((named or {}).values())
    if any(isinstance(a, UnboundLambda) for a in args):
        given += [a for a in args if isinstance(a, Expr)]
    if any(collations.collation_of(a) for a in given):
        raise collations.refused(f"{name}()", span)


def make_aggregate(
    name: str,
    args: Sequence[Argument],
    *,
    distinct: bool = False,
    filter: Expr | None = None,
    order_by: tuple[SortKey, ...] = (),
    ignore_nulls: bool = False,
    span: Span | None = None,
) -> AggCall:
    """An aggregate or window function call (the registry row's `kind` tells which)."""
    row = _row(name, span)
    if any(isinstance(a, Expr) and collations.collation_of(a) for a in args):
        if row.name != "count":
            raise collations.refused(f"{row.name}()", span)
        args = [collations.key(a) if isinstance(a, Expr) and distinct else a for a in args]
    if row.kind not in {"aggregate", "window"}:
        raise AnalysisError(
            f"`{row.name}` is not an aggregate or window function",
            condition="INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
            span=span,
        )
    if row.kind == "window" and (distinct or filter is not None):
        raise AnalysisError(
            f"`{row.name}` takes no {'DISTINCT' if distinct else 'FILTER'}",
            condition="INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
            span=span,
        )
    if row.name in {"lag", "lead"} and len(args) == 3:
        args = [*args[:2], _default_of(args, span)]
    if row.name == "mode" and not args and len(order_by) == 1:
        # mode() WITHIN GROUP (ORDER BY x) counts x, the order choosing among equally frequent values.
        args = [order_by[0].expr]
    bound, result = _resolve(row, name.lower(), args, None, span)
    if row.name in {"max", "min"} and not is_orderable(bound[0].type):
        raise AnalysisError(
            f"`{row.name}` does not compare values of type {bound[0].type}",
            condition="DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            span=span,
        )
    if row.name in {"percentile_cont", "percentile_disc"} and order_by:
        result = percentile_type((order_by[0].expr.type, *(a.type for a in bound)), bound)
    condition = None if filter is None else as_condition(filter, "FILTER", span)
    if row.nullable is not None:
        nullable = row.nullable(tuple(a.nullable for a in bound))
    else:
        nullable = row.name not in _NEVER_NULL
    return AggCall(row.name, bound, result, nullable, distinct, condition, order_by, ignore_nulls, span)


def _default_of(args: Sequence[Argument], span: Span | None) -> Argument:
    """The default of lag and lead takes the input's type; it never widens it."""
    value, default = args[0], args[2]
    if (
        isinstance(value, Expr)
        and isinstance(default, Expr)
        and can_implicitly_cast(default.type, value.type)
    ):
        return coerce_to(default, value.type, span=span)
    return default


def make_generator(
    name: str, args: Sequence[Expr], span: Span | None = None, named: Mapping[str, Expr] | None = None
) -> tuple[Call, list[Field]]:
    """A generator call (type: array of the struct of its columns) and its columns. `_outer`: the caller's."""
    lowered = name.lower()
    row = lookup(lowered) or lookup(lowered.removesuffix("_outer")) or _row(name, span)
    if row.kind != "generator":
        raise AnalysisError(
            f"`{row.name}` does not give rows",
            condition="UNSUPPORTED_GENERATOR.NOT_GENERATOR",
            span=span,
        )
    base = row.name.removesuffix("_outer")
    if base == "stack":
        if named:
            raise AnalysisError(
                "`stack` takes no named arguments",
                condition="NAMED_PARAMETERS_NOT_SUPPORTED",
                span=span,
            )
        bound, fields = _stack(args, span)
    else:
        bound = _resolve(row, lowered, args, named, span, typed=False)[0]
        fields = _generator_fields(base, row, bound, span)
    return Call(row.name, bound, Array(Struct(tuple(fields))), True, span), fields


# Resolution against the registry


def _row(name: str, span: Span | None) -> Function:
    row = lookup(name)
    if row is None:
        names = [n for n in (*load(), *SPECIAL, *_CAST_FUNCTIONS) if n[0].isalpha()]
        raise AnalysisError(
            f"there is no function `{name}`",
            condition="UNRESOLVED_ROUTINE",
            span=span,
            hint=did_you_mean(name, names),
        )
    return row


def _misplaced(row: Function, span: Span | None) -> AnalysisError:
    if row.kind == "generator":
        return AnalysisError(
            f"`{row.name}` gives rows: it may stand only by itself in SELECT, or in LATERAL VIEW or FROM",
            condition="UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
            span=span,
        )
    if row.kind == "window":
        return AnalysisError(
            f"`{row.name}` needs an OVER clause", condition="WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", span=span
        )
    return AnalysisError(
        f"the aggregate `{row.name}` is not allowed here", condition="INVALID_WHERE_CONDITION", span=span
    )


def _resolve(
    row: Function,
    called: str,
    args: Sequence[Argument],
    named: Mapping[str, Expr] | None,
    span: Span | None,
    *,
    typed: bool = True,
) -> tuple[tuple[Expr, ...], SqlType]:
    """Arguments cast to what the row takes (lambdas bound), and the return type."""
    if named:
        args = _place_named(row, args, named, span)
    shapes = tuple(LambdaShape(len(a.names)) if isinstance(a, UnboundLambda) else a.type for a in args)
    inside = row.name in _PROMOTES_INSIDE
    found = match(
        row.sig, shapes, promote_strings=row.name not in _NO_STRING_PROMOTION, promote_inside=inside
    )
    if not isinstance(found, Match):
        if found.index is None:
            _wrong_count(called, found.counts, len(args), span)
        _wrong_type(called, args, found, span)
    bound: list[Expr] = []
    for i, arg in enumerate(args):
        if isinstance(arg, UnboundLambda):
            bound.append(_bind_lambda(called, arg, i, found))
            continue
        target = found.targets[i]
        bound.append(
            arg if target is None else coerce_to(arg, target, span=getattr(arg, "span", None) or span)
        )
    result = found.result() if typed or found.alternative.result is not None else VOID
    if result is None:
        if row.returns is None:
            raise AnalysisError(f"`{row.name}` has no return type for these arguments", span=span)
        result = row.returns(tuple(b.type for b in bound), tuple(bound))
    return tuple(bound), result


def _bind_lambda(called: str, arg: UnboundLambda, i: int, found: Match) -> Lambda:
    types = found.lambda_params(i)
    params = tuple(LambdaVar(fresh_id(), n, t, True) for n, t in zip(arg.names, types, strict=True))
    body = arg.bind(params)
    if collations.collation_of(body):
        raise collations.refused("the result of a lambda function", arg.span)
    wanted = found.accept_body(i, body.type)
    if wanted is None:
        raise AnalysisError(
            f"the lambda function given to `{called}` cannot return {body.type}",
            condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            span=arg.span,
        )
    return Lambda(params, coerce_to(body, wanted, span=arg.span))


def _place_named(
    row: Function, args: Sequence[Argument], named: Mapping[str, Expr], span: Span | None
) -> list[Argument]:
    """Positional arguments followed by named ones, in the row's own order, without gaps."""
    if not row.params:
        raise AnalysisError(
            f"`{row.name}` takes no named arguments", condition="NAMED_PARAMETERS_NOT_SUPPORTED", span=span
        )
    by_name = {n.lower(): e for n, e in named.items()}
    unknown = [n for n in by_name if n not in row.params]
    if unknown:
        raise AnalysisError(
            f"`{row.name}` has no argument `{unknown[0]}`",
            condition="UNRECOGNIZED_PARAMETER_NAME",
            span=span,
            hint=did_you_mean(unknown[0], row.params),
        )
    out = list(args)
    doubled = [p for p in row.params[: len(out)] if p in by_name]
    if doubled:
        raise AnalysisError(
            f"`{row.name}` got `{doubled[0]}` twice",
            condition="DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.BOTH_POSITIONAL_AND_NAMED",
            span=span,
        )
    for n, p in enumerate(row.params[len(args) :]):
        if p in by_name:
            if len(out) != len(args) + n:
                raise AnalysisError(
                    f"`{row.name}` needs the arguments before `{p}` too",
                    condition="REQUIRED_PARAMETER_NOT_FOUND",
                    span=span,
                )
            out.append(by_name[p])
    return out


def _wrong_count(name: str, alternatives: tuple[Alternative, ...], count: int, span: Span | None) -> NoReturn:
    wanted: set[str] = set()
    for a in alternatives:
        if a.at_most is None:
            wanted.add(f"at least {a.at_least}")
        else:
            wanted |= {str(n) for n in range(a.at_least, a.at_most + 1)}
    listed = " or ".join(sorted(wanted))
    raise AnalysisError(
        f"`{name}` takes {listed} argument{'' if listed == '1' else 's'}, not {count}",
        condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        span=span,
    )


def _wrong_type(name: str, args: Sequence[Argument], found: Mismatch, span: Span | None) -> NoReturn:
    i = found.index or 0
    arg = args[i]
    span = getattr(arg, "span", None) or span
    types = [a.type for a in args if isinstance(a, Expr)]
    if found.together and len(types) > 1:
        kind = {Array: "ARRAY_FUNCTION", Map: "MAP_FUNCTION"}.get(type(types[0]), "DATA")
        if kind == "ARRAY_FUNCTION" and isinstance(types[1], Array):
            kind = "BINARY_ARRAY"
        listed = " and ".join(dict.fromkeys(map(str, types)))
        raise AnalysisError(
            f"the arguments of `{name}` do not go together: {listed}",
            condition=f"DATATYPE_MISMATCH.{kind}_DIFF_TYPES",
            span=span,
        )
    if isinstance(arg, UnboundLambda) and any("lambda" in w for w in found.wanted):
        raise AnalysisError(
            f"argument {i + 1} of `{name}` should be {' or '.join(found.wanted)}, not one of {len(arg.names)}",
            condition="INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
            span=span,
        )
    given = "a lambda function" if isinstance(arg, UnboundLambda) else str(arg.type)
    raise AnalysisError(
        f"argument {i + 1} of `{name}` should be {' or '.join(found.wanted)}, not {given}",
        condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        span=span,
    )


def may_be_null(row: Function, args: tuple[Expr, ...]) -> bool:
    """Whether a scalar call may give NULL; only operators are trusted to give none for non-NULL arguments."""
    if row.nullable is not None:
        return row.nullable(tuple(a.nullable for a in args))
    if row.name in _NEVER_NULL:
        return False
    if row.lazy:
        return all(a.nullable for a in args)
    return row.family != "operators" or not row.strict or any(a.nullable for a in args)


# Generators


def _generator_fields(base: str, row: Function, args: tuple[Expr, ...], span: Span | None) -> list[Field]:
    t = args[0].type if args else VOID
    if base in {"explode", "posexplode"}:
        position = [Field("pos", INT, False)] if base == "posexplode" else []
        if isinstance(t, Map):
            return [*position, Field("key", t.key, False), Field("value", t.value)]
        if isinstance(t, Array):
            return [*position, Field("col", t.element)]
    elif base == "inline" and isinstance(t, Array) and isinstance(t.element, Struct):
        return [Field(f.name, f.type, True) for f in t.element.fields]
    elif base == "variant_explode":
        return [Field("pos", INT), Field("key", STRING), Field("value", VARIANT)]
    elif base == "json_tuple":
        return [Field(f"c{i}", STRING) for i in range(len(args) - 1)]
    elif row.returns is not None:
        result = row.returns(tuple(a.type for a in args), args)
        return list(result.fields) if isinstance(result, Struct) else [Field("col", result)]
    raise AnalysisError(
        f"`{row.name}` does not take {t}",
        condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        span=span,
    )


def _stack(args: Sequence[Expr], span: Span | None) -> tuple[tuple[Expr, ...], list[Field]]:
    """stack(n, v...): n rows; each column's values cast to a common type, the last row filled with NULL."""
    if not args:
        raise AnalysisError(
            "`stack` takes a number of rows and the values",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
        )
    count = args[0]
    if not isinstance(count, Literal) or not isinstance(count.value, int) or count.value < 1 or len(args) < 2:
        raise AnalysisError(
            "`stack` takes a positive number of rows, then the values",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=span,
        )
    values = list(args[1:])
    width = -(-len(values) // count.value)
    values += [Literal(None, VOID)] * (width * count.value - len(values))
    fields: list[Field] = []
    for column in range(width):
        coerced, common = coerce_all(values[column::width], "stack", span=span)
        values[column::width] = coerced
        fields.append(Field(f"col{column}", common))
    return (count, *values), fields
