"""Spark's operator precedence where sqlglot has another: its tree is regrouped.

sqlglot puts `& ^ | << >> ||` on one level (and `||` below `+`), `=` below `<`, and reads `a = b IN (...)`
as `a = (b IN (...))`. Spark, from tight to loose: `* / % DIV`, then `+ - ||`, then `<< >>`, `&`, `^`,
`|`, comparisons, and last the predicates IN, BETWEEN, LIKE ..., which take everything to their left.
Parentheses are nodes, so a tree without them, read in order, is the text's sequence of operands and
operators.
"""

from __future__ import annotations

from sqlglot import exp

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
PREDICATES = (exp.In, exp.Between, exp.Like, exp.ILike, exp.RegexpLike, exp.Escape)
_LEVELS: dict[type[exp.Expr], int] = {
    exp.Mul: 6, exp.Div: 6, exp.Mod: 6, exp.IntDiv: 6,
    exp.Add: 5, exp.Sub: 5, exp.DPipe: 5,
    exp.BitwiseLeftShift: 4, exp.BitwiseRightShift: 4, exp.Distance: 4,
    exp.BitwiseAnd: 3, exp.BitwiseXor: 2, exp.BitwiseOr: 1,
    **dict.fromkeys(COMPARISONS, 0),
}  # fmt: skip
_SUSPECT = {
    exp.BitwiseLeftShift,
    exp.BitwiseRightShift,
    exp.Distance,
    exp.BitwiseAnd,
    exp.BitwiseXor,
    exp.BitwiseOr,
    exp.DPipe,
}


def regroup(ast: exp.Query, nodes: list[exp.Expr]) -> None:
    """Changes the tree in place; `nodes` are the tree's operators of _LEVELS."""
    tops: dict[int, exp.Expr] = {}
    for node in nodes:
        if type(node) in _SUSPECT or (
            isinstance(node, COMPARISONS) and isinstance(node.expression, COMPARISONS)
        ):
            top = _top(node)
            tops[id(top)] = top
    for top in tops.values():
        if _mixed(top):
            parent_slot = exp.Null()
            top.replace(parent_slot)
            parent_slot.replace(_rebuild(top))
    comparisons = ast.find_all(*COMPARISONS) if tops else nodes
    for node in list(comparisons):
        if isinstance(node, COMPARISONS):
            _lower_predicate(node)


def is_operator(node: exp.Expr) -> bool:
    """Whether `regroup` wants to see the node."""
    return type(node) in _LEVELS


def _top(node: exp.Expr) -> exp.Expr:
    while type(node.parent) in _LEVELS:
        assert node.parent is not None
        node = node.parent
    return node


def _mixed(top: exp.Expr) -> bool:
    """Whether the chain below `top` has different operators."""
    kinds = {type(node) for node in _in_order(top) if type(node) in _LEVELS}
    return len(kinds) > 1


def _rebuild(top: exp.Expr) -> exp.Expr:
    """Precedence climbing over the chain, all levels left-associative."""
    operands: list[exp.Expr] = []
    operators: list[exp.Expr] = []

    def reduce_once() -> None:
        operator = operators.pop()
        right, left = operands.pop(), operands.pop()
        operands.append(type(operator)(**{**_extras(operator), "this": left, "expression": right}))

    for item in _in_order(top):
        level = _LEVELS.get(type(item))
        if level is None:
            operands.append(item)
            continue
        while operators and _LEVELS[type(operators[-1])] >= level:
            reduce_once()
        operators.append(item)
    while operators:
        reduce_once()
    return operands[0]


def _extras(node: exp.Expr) -> dict[str, object]:
    return {key: value for key, value in node.args.items() if key not in ("this", "expression")}


def _in_order(top: exp.Expr) -> list[exp.Expr]:
    """Operands and operators from left to right."""
    out: list[exp.Expr] = []
    stack: list[tuple[exp.Expr, bool]] = [(top, False)]
    while stack:
        node, visited = stack.pop()
        if visited or type(node) not in _LEVELS:
            out.append(node)
        else:
            stack += ((node.expression, False), (node, True), (node.this, False))
    return out


def _lower_predicate(node: exp.Expr) -> None:
    """`a = (b IN (...))`, written without parentheses, becomes `(a = b) IN (...)`."""
    outer = right = node.expression
    if isinstance(right, exp.Not):
        right = right.this
    if not isinstance(right, PREDICATES):
        return
    holder = right.this if isinstance(right, exp.Escape) else right
    left = holder.this
    placeholder = exp.Null()
    node.replace(placeholder)
    node.set("expression", left)
    holder.set("this", node)
    placeholder.replace(outer)
