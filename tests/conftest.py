"""Sessions shared by the tests: starting workers costs half a second, so one a test run and kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sqlshell.session import Session
from tests.support.warehouse import renew

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parent.parent / "sample_data"


@pytest.fixture(scope="session", autouse=True)
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests never see the user's tables: every session that names no warehouse has this one."""
    path = tmp_path_factory.mktemp("warehouse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQLSHELL_WAREHOUSE", str(path))
        yield path


@pytest.fixture(scope="session")
def shared_session() -> Iterator[Session]:
    """One solo session for the whole run; use `session` in tests."""
    with Session() as session:
        yield session


@pytest.fixture
def session(shared_session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A clean solo session with an empty warehouse, and sample_data as the working directory."""
    monkeypatch.chdir(SAMPLES)
    renew(shared_session, tmp_path / "warehouse")
    return shared_session


@pytest.fixture(scope="session")
def shared_pool() -> Iterator[Session]:
    """One session on two workers with three partitions."""
    with Session(workers=2, settings={"sqlshell.partitions": 3}) as session:
        yield session


@pytest.fixture
def pool_session(shared_pool: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A clean session on two pool workers."""
    monkeypatch.chdir(SAMPLES)
    renew(shared_pool, tmp_path / "warehouse")
    return shared_pool
