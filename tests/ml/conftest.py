"""One session with a small data set for the tests of statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 2000


def frame() -> dict[str, Any]:
    """Columns of the test data: numbers, categories, labels of each kind."""
    rng = np.random.default_rng(11)
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS) * 3 + 5
    c = rng.choice(["red", "green", "blue"], ROWS, p=[0.5, 0.3, 0.2])
    y = 2 * x - z + np.where(c == "green", 1.5, 0.0) + rng.normal(size=ROWS)
    return {
        "id": np.arange(ROWS),
        "x": x,
        "z": z,
        "gap": np.where(rng.random(ROWS) < 0.1, np.nan, x * z),
        "c": c,
        "y": y,
        "yes": y + rng.normal(size=ROWS) > y.mean(),
        "kind": np.where(y < -6, "low", np.where(y < -4, "mid", "high")),
    }


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file; `gap` has NULLs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path_factory.mktemp("ml") / "t.parquet"
    columns = frame()
    table = pa.table({**columns, "gap": pa.array(columns["gap"], from_pandas=True)})
    pq.write_table(table, path, row_group_size=300)
    return path


@pytest.fixture(scope="module")
def session(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("warehouse"))) as s:
        s.execute(f"CREATE TEMPORARY VIEW t AS SELECT * FROM '{data}'")
        yield s


@pytest.fixture
def sql(session: Session) -> Callable[[str], list[tuple[Any, ...]]]:
    def run(text: str) -> list[tuple[Any, ...]]:
        return list(session.execute(text).rows())

    return run
