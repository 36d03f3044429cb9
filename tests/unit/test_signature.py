"""The signature mini-language."""

from __future__ import annotations

import pytest

from sqlshell.errors import InternalError
from sqlshell.functions.registry import load
from sqlshell.functions.signature import LambdaShape, Match, Mismatch, match
from sqlshell.functions.signature_text import parse_signature
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DOUBLE,
    INT,
    STRING,
    VOID,
    Array,
    Decimal,
    Map,
    SqlType,
)


def result(sig: str, *types: SqlType | LambdaShape) -> SqlType | None:
    found = match(sig, types)
    assert isinstance(found, Match), found
    return found.result()


def targets(sig: str, *types: SqlType) -> list[SqlType | None]:
    found = match(sig, types)
    assert isinstance(found, Match), found
    return found.targets


def test_every_registered_signature_parses() -> None:
    for row in load().values():
        alternatives = parse_signature(row.sig)
        if row.kind != "generator":
            assert row.returns is not None or all(a.result is not None for a in alternatives), row.name


def test_named_types_take_implicit_casts() -> None:
    assert targets("string, int -> string", BIGINT, STRING) == [STRING, INT]
    assert result("string, int -> string", STRING, VOID) == STRING


def test_optional_and_repeated_arguments() -> None:
    assert isinstance(match("string, [int] -> string", (STRING,)), Match)
    assert isinstance(match("string, [int] -> string", (STRING, INT, INT)), Mismatch)
    assert isinstance(match("string... -> string", ()), Mismatch)
    assert targets("[string...] -> string") == []
    assert targets("any, any... -> string", INT, STRING, BOOLEAN) == [INT, STRING, BOOLEAN]


def test_no_arguments() -> None:
    assert result("-> bigint") == BIGINT
    assert isinstance(match("-> bigint", (INT,)), Mismatch)


def test_a_variable_is_the_least_common_type() -> None:
    assert result("T... -> T", INT, Decimal(3, 2)) == Decimal(12, 2)
    assert result("T... -> T", STRING, INT) == BIGINT
    assert result("T, T -> T", VOID, INT) == INT


def test_variables_inside_containers_never_promote_text() -> None:
    sig = "array<T>, T -> boolean"
    assert targets(sig, Array(INT), BIGINT) == [Array(BIGINT), BIGINT]
    found = match(sig, (Array(INT), STRING))
    assert isinstance(found, Mismatch)
    assert (found.index, found.together) == (1, True)
    assert isinstance(match(sig, (Array(INT), STRING), promote_inside=True), Match)


def test_an_exact_alternative_beats_an_earlier_cast() -> None:
    sig = "string... -> string | binary... -> binary"
    assert result(sig, BINARY, BINARY) == BINARY
    assert result(sig, BINARY, STRING) == STRING


def test_classes() -> None:
    assert targets("num -> fn", STRING) == [DOUBLE]
    assert targets("num -> fn", INT) == [INT]
    assert targets("integral -> fn", STRING) == [BIGINT]
    assert isinstance(match("integral -> fn", (DOUBLE,)), Mismatch)
    assert isinstance(match("num -> fn", (BOOLEAN,)), Mismatch)


def test_lambdas_get_parameter_types_and_give_result_types() -> None:
    found = match("array<T>, (T) -> U -> array<U>", (Array(INT), LambdaShape(1)))
    assert isinstance(found, Match)
    assert found.lambda_params(1) == (INT,)
    assert found.accept_body(1, STRING) == STRING
    assert found.result() == Array(STRING)


def test_lambda_arity_chooses_the_alternative() -> None:
    sig = "array<T>, (T) -> U -> array<U> | array<T>, (T, int) -> U -> array<U>"
    found = match(sig, (Array(STRING), LambdaShape(2)))
    assert isinstance(found, Match)
    assert found.lambda_params(1) == (STRING, INT)
    assert isinstance(match(sig, (Array(STRING), LambdaShape(3))), Mismatch)


def test_an_accumulator_is_never_narrowed() -> None:
    found = match("array<T>, A, (A, T) -> A -> A", (Array(INT), INT, LambdaShape(2)))
    assert isinstance(found, Match)
    assert found.accept_body(2, BIGINT) is None
    assert found.accept_body(2, INT) == INT


def test_maps() -> None:
    assert result("map<K,V>, K -> V", Map(STRING, INT), STRING) == INT
    assert isinstance(match("map<K,V>, K -> V", (Map(STRING, INT), INT)), Mismatch)


@pytest.mark.parametrize("bad", ["strin -> int", "string, -> ->", "string", "array<string -> int"])
def test_a_bad_signature_is_a_bug(bad: str) -> None:
    with pytest.raises(InternalError):
        parse_signature(bad)
