"""Tables for the Delta tests: a folder of their own each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.support import delta_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.storage.delta.table import DeltaTable


@pytest.fixture
def table(tmp_path: Path) -> DeltaTable:
    """Three files of ten rows: id 0..29, partition p = 'a', 'b', NULL. Deletion vectors allowed."""
    made = delta_tables.create(
        str(tmp_path / "t"), "id bigint, s string, p string", partitions=("p",), features=["deletionVectors"]
    )
    for i, p in enumerate(("a", "b", None)):
        columns = {"id": pa.array(range(10 * i, 10 * i + 10)), "s": pa.array([f"s{j}" for j in range(10)])}
        delta_tables.append(made, delta_tables.data_file(made, columns, {"p": p}, row_group_size=4))
    return made
