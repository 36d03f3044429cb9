"""One warm engine for all fault tests of a run; every test must leave it usable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.exec.engine import Engine
from tests.faults.plans import query_files, settings, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.storage.source import Source


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[Engine]:
    with Engine(settings()) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: Engine) -> Iterator[Engine]:
    """The shared engine; afterwards no query's file may be left."""
    yield shared_engine
    assert query_files(shared_engine) == []


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return write_files(tmp_path_factory.mktemp("faults"))
