"""Sessions shared by the tests: starting workers costs half a second, so one a test run and kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parent.parent / "sample_data"


@pytest.fixture(scope="session")
def shared_session() -> Iterator[Session]:
    """One solo session for the whole run; use `session` in tests."""
    with Session() as session:
        yield session


@pytest.fixture
def session(shared_session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A clean solo session, with sample_data as the working directory."""
    monkeypatch.chdir(SAMPLES)
    yield shared_session
    _clean(shared_session)


@pytest.fixture(scope="session")
def shared_pool() -> Iterator[Session]:
    """One session on two workers with three partitions."""
    with Session(workers=2, settings={"sqlshell.partitions": 3}) as session:
        yield session


@pytest.fixture
def pool_session(shared_pool: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A clean session on two pool workers."""
    monkeypatch.chdir(SAMPLES)
    yield shared_pool
    _clean(shared_pool)


def _clean(session: Session) -> None:
    for name in list(session.cached):
        session.uncache(name)
    session.views.clear()
