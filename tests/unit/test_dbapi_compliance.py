"""PEP 249's test suite (`dbapi-compliance` on the package index): all 36 tests."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any, ClassVar

import dbapi20
import pytest

import sqlshell

if TYPE_CHECKING:
    from pathlib import Path


class TestPep249(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
    """Two tests are hooks that every driver writes itself; the others run as they are."""

    driver = sqlshell
    connect_kw_args: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _own_warehouse(self, tmp_path: Path) -> None:
        type(self).connect_kw_args = {"warehouse": str(tmp_path)}

    def tearDown(self) -> None:
        """The warehouse is the test's own: nothing is left to be dropped."""

    def test_nextset(self) -> None:
        assert not hasattr(sqlshell.connect.dbapi.Cursor, "nextset")  # one statement, one row set

    def test_setoutputsize(self) -> None:
        with sqlshell.connect(**self.connect_kw_args) as connection:
            cursor = connection.cursor()
            cursor.setoutputsize(1000)
            cursor.setoutputsize(2000, 0)
            self._paraminsert(cursor)


def test_there_are_36() -> None:
    assert len(unittest.TestLoader().getTestCaseNames(TestPep249)) == 36
