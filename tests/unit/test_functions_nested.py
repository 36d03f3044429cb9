"""Array, map and lambda functions over columns: values, NULLs, empties and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from sqlshell.exec.lower_expr import Kernel
from sqlshell.expr.expr import Column, Expr, Literal
from sqlshell.plan.call import UnboundLambda, make_call
from sqlshell.plan.logical import fresh_id
from sqlshell.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, Array, Field, Map, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

INTS, TEXTS = Array(INT), Array(STRING)
NAN = float("nan")


class Data:
    """A frame of typed columns; `run` evaluates a call over it."""

    def __init__(self, **columns: tuple[SqlType, list[Any]]) -> None:
        k = Kernel()
        self.columns = {n: Column(fresh_id(), n, t) for n, (t, _) in columns.items()}
        self.frame = pl.DataFrame(
            [
                pl.Series(f"c{self.columns[n].id}", v, dtype=k.dtype(t), strict=False)
                for n, (t, v) in columns.items()
            ]
        )

    def run(self, fn: str, *args: Any) -> list[Any]:
        """The values of fn(args): texts are column names, other values are arguments as they are."""
        bound = [self.columns[a] if isinstance(a, str) else a for a in args]
        return self.values(make_call(fn, bound))

    def values(self, e: Expr) -> list[Any]:
        out = self.frame.lazy().select(Kernel().lower(e).alias("r")).collect(engine="streaming")
        assert out.schema["r"] == Kernel().dtype(e.type), (out.schema["r"], e.type)
        return out["r"].to_list()


def text(value: str) -> Literal:
    return Literal(value, STRING)


def num(value: int | None) -> Literal:
    return Literal(value, INT)


def fails(condition: str) -> Any:
    return pytest.raises(pl.exceptions.PolarsError, match=condition)


LISTS = Data(
    a=(INTS, [[1, 2, None, 2], [], None, [None], [3]]),
    b=(INTS, [[2, 9], [2], [1], [1], [3, 3]]),
    x=(INT, [2, 1, 1, 1, None]),
    s=(TEXTS, [["b", None, "a"], [], None, ["c"], ["", "z"]]),
    n=(INT, [2, 0, 1, -1, None]),
)


def test_search() -> None:
    assert LISTS.run("array_contains", "a", "x") == [True, False, None, None, None]
    assert LISTS.run("array_contains", "a", num(1)) == [True, False, None, None, False]
    assert LISTS.run("array_position", "a", "x") == [2, 0, None, 0, None]
    assert LISTS.run("array_position", "a", num(2)) == [2, 0, None, 0, 0]
    assert LISTS.run("array_remove", "a", "x") == [[1, None], [], None, [None], None]
    assert LISTS.run("array_remove", "a", num(2)) == [[1, None], [], None, [None], [3]]
    assert LISTS.run("arrays_overlap", "a", "b") == [True, False, None, None, True]


def test_sets() -> None:
    assert LISTS.run("array_distinct", "a") == [[1, 2, None], [], None, [None], [3]]
    assert LISTS.run("array_union", "a", "b") == [[1, 2, None, 9], [2], None, [None, 1], [3]]
    assert LISTS.run("array_intersect", "a", "b") == [[2], [], None, [], [3]]
    assert LISTS.run("array_except", "a", "b") == [[1, None], [], None, [None], []]


def test_order_and_extremes() -> None:
    assert LISTS.run("sort_array", "a") == [[None, 1, 2, 2], [], None, [None], [3]]
    assert LISTS.run("sort_array", "a", Literal(False, BOOLEAN)) == [[2, 2, 1, None], [], None, [None], [3]]
    assert LISTS.run("array_sort", "a") == [[1, 2, 2, None], [], None, [None], [3]]
    assert LISTS.run("array_max", "a") == [2, None, None, None, 3]
    assert LISTS.run("array_min", "a") == [1, None, None, None, 3]
    d = Data(
        f=(Array(DOUBLE), [[NAN, 1.0], [NAN]]),
        t=(Array(Struct((Field("q", INT),))), [[{"q": 2}, {"q": 5}], [None]]),
    )
    assert str(d.run("array_max", "f")) == "[nan, nan]"
    assert str(d.run("array_min", "f")) == "[1.0, nan]"
    assert d.run("array_max", "t") == [{"q": 5}, None]


def test_parts() -> None:
    assert LISTS.run("size", "a") == [4, 0, None, 1, 1]
    assert LISTS.run("get", "a", "n") == [None, None, None, None, None]
    assert LISTS.run("get", "a", num(0)) == [1, None, None, None, 3]
    assert LISTS.run("try_element_at", "a", num(-1)) == [2, None, None, None, 3]
    assert LISTS.run("slice", "a", num(2), num(2)) == [[2, None], [], None, [], []]
    assert LISTS.run("slice", "a", num(-1), num(5)) == [[2], [], None, [None], [3]]
    with fails("INVALID_ARRAY_INDEX_IN_ELEMENT_AT"):
        LISTS.run("element_at", "a", num(3))
    with fails("INVALID_INDEX_OF_ZERO"):
        LISTS.run("try_element_at", "a", num(0))
    d = Data(a=(INTS, [[1, 2], None]))
    assert d.run("element_at", "a", num(-2)) == [1, None]


def test_growing_and_joining() -> None:
    assert LISTS.run("array_append", "a", "x") == [[1, 2, None, 2, 2], [1], None, [None, 1], [3, None]]
    assert LISTS.run("array_prepend", "a", "x") == [[2, 1, 2, None, 2], [1], None, [1, None], [None, 3]]
    assert LISTS.run("array_insert", "b", num(2), "x") == [[2, 2, 9], [2, 1], [1, 1], [1, 1], [3, None, 3]]
    assert LISTS.run("array_insert", "b", num(4), num(0))[1] == [2, None, None, 0]
    assert LISTS.run("array_insert", "b", num(-1), num(0))[0] == [2, 9, 0]
    assert LISTS.run("array_insert", "b", num(-4), num(0))[1] == [0, None, None, 2]
    assert LISTS.run("array_compact", "a") == [[1, 2, 2], [], None, [], [3]]
    assert LISTS.run("array_repeat", "x", num(2)) == [[2, 2], [1, 1], [1, 1], [1, 1], [None, None]]
    assert LISTS.run("array_repeat", "x", "n") == [[2, 2], [], [1], [], None]
    assert LISTS.run("array_join", "s", text("-")) == ["b-a", "", None, "c", "-z"]
    assert LISTS.run("array_join", "s", text("-"), text("?")) == ["b-?-a", "", None, "c", "-z"]
    d = Data(q=(Array(INTS), [[[1], [2, 3], []], [[1], None], None, []]))
    assert d.run("flatten", "q") == [[1, 2, 3], None, None, []]


def test_construction() -> None:
    assert LISTS.run("array", "x", num(7))[0] == [2, 7]
    assert LISTS.run("array", "a", "b")[:2] == [[[1, 2, None, 2], [2, 9]], [[], [2]]]
    assert LISTS.run("arrays_zip", "a", "s")[:2] == [
        [{"a": 1, "s": "b"}, {"a": 2, "s": None}, {"a": None, "s": "a"}, {"a": 2, "s": None}],
        [],
    ]
    assert LISTS.run("arrays_zip", "a", "s")[2] is None
    assert LISTS.run("named_struct", text("p"), "x", text("q"), "n")[0] == {"p": 2, "q": 2}
    assert LISTS.run("struct", "x", num(1))[0] == {"x": 2, "col2": 1}


def test_sequence() -> None:
    assert LISTS.run("sequence", num(1), "x") == [[1, 2], [1], [1], [1], None]
    assert LISTS.run("sequence", num(5), num(1), num(-2))[0] == [5, 3, 1]
    with fails("ILLEGAL_SEQUENCE_BOUNDARIES"):
        LISTS.run("sequence", num(1), num(5), num(-1))
    d = Data(f=(DATE, [0]), t=(DATE, [2]))
    assert [str(x) for x in d.run("sequence", "f", "t")[0]] == ["1970-01-01", "1970-01-02", "1970-01-03"]


MAPS = Data(
    m=(
        Map(STRING, INT),
        [[{"key": "a", "value": 1}, {"key": "b", "value": None}], [], None, [{"key": "c", "value": 3}]],
    ),
    k=(STRING, ["a", "a", "a", "x"]),
    ks=(TEXTS, [["p", "q"], [], None, ["r"]]),
    vs=(INTS, [[1, 2], [], [1], [None]]),
)


def test_maps() -> None:
    assert MAPS.run("map_keys", "m") == [["a", "b"], [], None, ["c"]]
    assert MAPS.run("map_values", "m") == [[1, None], [], None, [3]]
    assert MAPS.run("map_contains_key", "m", "k") == [True, False, None, False]
    assert MAPS.run("element_at", "m", "k") == [1, None, None, None]
    assert MAPS.run("element_at", "m", text("c")) == [None, None, None, 3]
    assert MAPS.run("size", "m") == [2, 0, None, 1]
    pair = [{"key": "p", "value": 1}, {"key": "q", "value": 2}]
    assert MAPS.run("map_from_arrays", "ks", "vs") == [pair, [], None, [{"key": "r", "value": None}]]
    assert MAPS.run("map", "k", num(1))[3] == [{"key": "x", "value": 1}]
    with fails("DUPLICATED_MAP_KEY"):
        MAPS.run("map_concat", "m", "m")
    with fails("NULL_MAP_KEY"):
        MAPS.run("map", Literal(None, STRING), num(1))
    d = Data(t=(STRING, ["a:1,b", "", None]))
    assert d.run("str_to_map", "t")[0] == [{"key": "a", "value": "1"}, {"key": "b", "value": None}]


def fn(names: str, body: Callable[..., Expr]) -> UnboundLambda:
    """A lambda from a Python function over its variables."""
    return UnboundLambda(tuple(names.split()), lambda variables: body(*variables))


def plus(a: Expr, b: Expr) -> Expr:
    return make_call("+", [a, b])


def test_lambdas_over_own_parameters() -> None:
    assert LISTS.run("transform", "a", fn("e", lambda e: plus(e, num(1)))) == [
        [2, 3, None, 3], [], None, [None], [4],
    ]  # fmt: skip
    assert LISTS.run("transform", "b", fn("e i", plus)) == [[2, 10], [2], [1], [1], [3, 4]]
    more = fn("e", lambda e: make_call(">", [e, num(1)]))
    assert LISTS.run("filter", "a", more) == [[2, 2], [], None, [], [3]]
    assert LISTS.run("exists", "a", more) == [True, False, None, None, True]
    assert LISTS.run("forall", "a", more) == [False, True, None, None, True]
    assert LISTS.run("transform", "b", fn("e", lambda e: num(7))) == [[7, 7], [7], [7], [7], [7, 7]]


def test_lambdas_with_outer_columns() -> None:
    x = LISTS.columns["x"]
    assert LISTS.run("transform", "b", fn("e", lambda e: plus(e, x))) == [
        [4, 11],
        [3],
        [2],
        [2],
        [None, None],
    ]
    same = fn("e", lambda e: make_call("=", [e, x]))
    assert LISTS.run("filter", "a", same) == [[2, 2], [], None, [], []]
    assert LISTS.run("exists", "a", same) == [True, False, None, None, None]
    assert LISTS.run("transform", "a", fn("e i", lambda e, i: plus(i, x)))[0] == [2, 3, 4, 5]


def test_nested_lambdas() -> None:
    d = Data(q=(Array(INTS), [[[1], [2, 3]], [None, []], None]), o=(INT, [10, 20, 30]))
    inner_only = fn("l", lambda r: make_call("transform", [r, fn("e", lambda e: plus(e, num(1)))]))
    assert d.run("transform", "q", inner_only) == [[[2], [3, 4]], [None, []], None]
    sized = fn("l", lambda r: make_call("transform", [r, fn("e", lambda e: plus(e, make_call("size", [r])))]))
    assert d.run("transform", "q", sized) == [[[2], [4, 5]], [None, []], None]
    outer = fn("l", lambda r: make_call("transform", [r, fn("e", lambda e: plus(e, d.columns["o"]))]))
    assert d.run("transform", "q", outer) == [[[11], [12, 13]], [None, []], None]


def test_folds() -> None:
    zero = Literal(0, BIGINT)
    add = fn("acc e", plus)
    assert LISTS.run("aggregate", "b", zero, add) == [11, 2, 1, 1, 6]
    assert LISTS.run("aggregate", "a", zero, add) == [None, 0, None, None, 3]
    finish = fn("acc", lambda acc: plus(acc, make_call("int", [LISTS.columns["x"]])))
    assert LISTS.run("aggregate", "b", zero, add, finish) == [13, 3, 2, 2, None]
    collect = fn("acc e", lambda acc, e: make_call("array_append", [acc, e]))
    start = LISTS.columns["b"]
    assert LISTS.run("aggregate", "a", start, collect)[0] == [2, 9, 1, 2, None, 2]


def test_zip_with_and_map_lambdas() -> None:
    both = fn(
        "p q", lambda p, q: plus(make_call("coalesce", [p, num(0)]), make_call("coalesce", [q, num(0)]))
    )
    assert LISTS.run("zip_with", "a", "b", both) == [[3, 11, 0, 2], [2], None, [1], [6, 3]]
    keep = fn("k v", lambda k, v: make_call("isnotnull", [v]))
    assert MAPS.run("map_filter", "m", keep) == [
        [{"key": "a", "value": 1}],
        [],
        None,
        [{"key": "c", "value": 3}],
    ]
    bump = fn("k v", lambda k, v: plus(v, num(1)))
    assert MAPS.run("transform_values", "m", bump)[0] == [
        {"key": "a", "value": 2},
        {"key": "b", "value": None},
    ]
    longer = fn("k v", lambda k, v: make_call("concat", [k, MAPS.columns["k"]]))
    assert [e["key"] for e in MAPS.run("transform_keys", "m", longer)[0]] == ["aa", "ba"]
