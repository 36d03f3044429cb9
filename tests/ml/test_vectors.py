"""The examples of vector functions, and their kernels against scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.functions.vector import FUNCTIONS
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as s:
        yield s


@pytest.mark.parametrize("row", [f for f in FUNCTIONS if f.example_result], ids=lambda r: r.name)
def test_examples(session: Session, row: object) -> None:
    name, example, wanted = row.name, row.example, row.example_result  # type: ignore[attr-defined]
    (value,) = next(iter(session.execute(f"SELECT {example}").rows()))
    shown = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    assert shown == wanted, name
    # the same over a column, with a NULL row beside it
    rows = list(session.execute(f"SELECT {example} AS v FROM (VALUES (1), (NULL)) t(x)").rows())
    assert str(rows[0][0]) == str(rows[1][0])


def test_hashes_are_murmur3() -> None:
    from sklearn.utils import murmurhash3_32

    from sqlshell.exec.vectors import murmur3

    texts = ["", "a", "ab", "abc", "abcd", "abcde", "hello world", "grün", "日本語のテキスト", "x" * 33]
    assert murmur3(texts, 42).tolist() == [int(murmurhash3_32(t.encode(), seed=42)) for t in texts]
