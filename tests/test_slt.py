"""Every answer script on the pool, a tenth of it solo: same rows, schema, error conditions as recorded.

`make test-long` runs all of it solo, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import Error
from tests.support.answers import canonical, difference, same
from tests.support.slt import SLT, Block, parse

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session

FILES = sorted(SLT.glob("*.slt"))


def run_block(session: Session, block: Block) -> str | None:
    """What is wrong with a block's answer; None when it is right."""
    try:
        result = session.execute(block.sql)
        rows = [[canonical(v) for v in row] for row in result.rows()]
        schema = [f"{f.name}: {f.type}" for f in result.fields]
        result.close()
    except Error as e:
        if block.kind == "error" and e.condition.split(".")[0] == block.condition:
            return None
        return f"[{e.condition}] {e.message}"
    except Exception as e:  # a bug of ours, told beside the other failures
        return f"{type(e).__name__}: {e}"
    if block.kind == "statement":
        return None
    if block.kind == "error":
        return f"gave {rows[:3]}, expected the error {block.condition}"
    if schema != block.schema:
        return f"schema {schema}, expected {block.schema}"
    if "ordered" in block.flags:
        return None if same(block.rows, rows) else f"got {rows}, expected {block.rows}"
    return difference(block.rows, rows)


def run_file(session: Session, path: Path, every: int = 1) -> list[str]:
    """What is wrong with a script's answers; of its queries and errors only each `every`-th is run."""
    failures = []
    session.functions.clear()
    session.frames[0].values.clear()
    for number, block in enumerate(parse(path.read_text())):
        if block.kind == "comment" or (block.kind != "statement" and number % every):
            continue
        wrong = run_block(session, block)
        if wrong is not None:
            failures.append(f"{path.name}:{block.line}: {block.sql}\n    {wrong}")
    return failures


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_solo(session: Session, path: Path) -> None:
    failures = run_file(session, path, every=10)
    assert not failures, "\n".join(failures)


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_solo_whole(session: Session, path: Path) -> None:
    failures = run_file(session, path)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_pool(pool_session: Session, path: Path) -> None:
    failures = run_file(pool_session, path)
    assert not failures, "\n".join(failures)
