"""Every sqlglot node, with its arguments, that the parser hands on: Spark's grammar and no more."""

from __future__ import annotations

from sqlglot import exp

_BINARY = (
    "Add Sub Mul Div IntDiv Mod BitwiseAnd BitwiseOr BitwiseXor BitwiseLeftShift BitwiseRightShift Distance And Or "
    "EQ NEQ LT LTE GT GTE NullSafeEQ NullSafeNEQ Is Dot Collate Escape RegexpLike Kwarg IntervalSpan Extract "
    "Filter WithinGroup"
)
_UNARY = (
    "Not Neg BitwiseNot Paren Boolean Having Where Qualify From IgnoreNulls RespectNulls HexString Exists "
    "Any All Var DataTypeParam CommentColumnConstraint Offset"
)
_LISTS = "Tuple GroupingSets Rollup Cube Cluster Distribute Sort Order Distinct Hint"
_OTHERS = """
    Alias: this alias; Aliases: this expressions; Anonymous: this expressions; Between: this low high;
    Bracket: this expressions; CTE: this alias; Case: this ifs default; Cast: this to; TryCast: this to
    safe; Column: this table db catalog; ColumnConstraint: kind; ColumnDef: this kind constraints;
    DPipe: this expression safe; DataType: this expressions nested collate; Div: this expression typed
    safe; Except: this expression distinct with_ order limit offset sort cluster distribute windows;
    Group: expressions grouping_sets rollup cube all; Identifier: this quoted; If: this true; ILike:
    this expression negate; Like: this expression negate; In: this expressions query; Intersect: this
    expression distinct with_ order limit offset sort cluster distribute windows; Interval: this unit
    fraction_in_string; Join: this on side kind using method; JoinHint: this expressions; Lambda: this
    expressions; Lateral: this alias view outer; Limit: expression; Literal: this is_string;
    JSONExtract: this expression variant_extract requires_json; JSONPath: expressions; JSONPathRoot:;
    JSONPathKey: this quoted; JSONPathSubscript: this;
    NotNullColumnConstraint:; Null:; Order: this expressions; Ordered: this desc nulls_first;
    Placeholder: this; Select: expressions from_ limit
    offset joins group having order sort distribute cluster qualify windows distinct laterals where
    with_ hint; Star: except_ replace; Subquery: this alias limit offset order with_ joins laterals sample
    sort cluster distribute windows; Table: this db catalog version alias joins sample
    laterals; TableAlias: this columns; TableSample: bucket_numerator bucket_denominator bucket_field
    percent rows size seed; Trim: this position expression; Offset: expression; Union: this expression
    distinct by_name with_ order limit offset sort cluster distribute windows; Values: expressions alias;
    Version: this expression kind; Window: this order over partition_by alias spec; WindowSpec: kind
    start start_side end end_side; With: expressions recursive
"""


def _allowed() -> dict[type[exp.Expr], frozenset[str]]:
    table: dict[type[exp.Expr], frozenset[str]] = {}
    for names, args in ((_BINARY, "this expression"), (_UNARY, "this"), (_LISTS, "expressions")):
        for name in names.split():
            table[getattr(exp, name)] = frozenset(args.split())
    for row in _OTHERS.split(";"):
        name, _, args = row.partition(":")
        table[getattr(exp, name.strip())] = frozenset(args.split())
    return table


ALLOWED = _allowed()
