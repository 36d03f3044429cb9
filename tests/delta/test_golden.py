"""Foreign Delta tables (written by Delta on Spark): read right, compared with `deltalake`, or refused by name.

The tables lie outside the repository: `SQLSHELL_DELTA_GOLDEN`, else `../shared/data/delta-golden` above this checkout.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sqlshell.errors import CorruptInputError, Error, NotSupportedError, SourceNotFound
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


def golden_folder() -> Path | None:
    """Where the golden tables are, or None."""
    given = os.environ.get("SQLSHELL_DELTA_GOLDEN")
    above = Path(__file__).resolve().parents
    places = [Path(given)] if given else [p / "shared" / "data" / "delta-golden" for p in above]
    return next((p for p in places if p.is_dir()), None)


FOLDER = golden_folder()

REFUSED: dict[str, type[Error]] = {
    "checkpoint": SourceNotFound,  # logs without their data files
    "delete-re-add-same-file-different-transactions": SourceNotFound,
    "log-replay-special-characters-b": SourceNotFound,
    "parquet-decimal-dictionaries-v1": SourceNotFound,
    "log-store-listFrom": SourceNotFound,  # no Delta tables at all
    "log-store-read": SourceNotFound,
    "no-delta-log-folder": SourceNotFound,
    "canonicalized-paths-normal-a": CorruptInputError,  # metaData without a schema
    "canonicalized-paths-normal-b": CorruptInputError,
    "canonicalized-paths-special-a": CorruptInputError,
    "canonicalized-paths-special-b": CorruptInputError,
    "corrupted-last-checkpoint": CorruptInputError,
    "deltalog-commit-info": CorruptInputError,
    "deltalog-state-reconstruction-from-checkpoint-missing-protocol": CorruptInputError,
    "update-deleted-directory": CorruptInputError,
    "data-reader-absolute-paths-escaped-chars": CorruptInputError,  # no metaData or protocol at all
    "deltalog-state-reconstruction-from-checkpoint-missing-metadata": CorruptInputError,
    "deltalog-state-reconstruction-without-metadata": CorruptInputError,
    "deltalog-state-reconstruction-without-protocol": CorruptInputError,
    "versions-not-contiguous": CorruptInputError,
    "deltalog-invalid-protocol-version": NotSupportedError,
    "spark-variant-checkpoint": NotSupportedError,
    "collations-table": NotSupportedError,
    "collations-preview-table": NotSupportedError,
}


def _tables() -> list[str]:
    if FOLDER is None:
        return []
    logs = sorted(p.parent for p in FOLDER.glob("**/_delta_log"))
    bare = {p.name for p in FOLDER.iterdir() if p.is_dir() and not list(p.glob("**/_delta_log"))}
    return sorted({str(p.relative_to(FOLDER)) for p in logs} | bare)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as s:
        yield s


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return tuple(_plain(v) for v in value.values())
        case list() | tuple():
            return tuple(_plain(v) for v in value)
        case float() if math.isnan(value):
            return "NaN"
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def _rows(table: pa.Table) -> list[Any]:
    """Rows of a small table in a canonical order; of a large one the columns' sums and extremes."""
    if len(table) > 2000:
        import pyarrow.compute as pc

        return [
            [pc.sum(c).as_py(), pc.min(c).as_py(), pc.max(c).as_py(), c.null_count] for c in table.columns
        ]
    return sorted((_plain(r) for r in table.to_pylist()), key=repr)


@pytest.mark.skipif(FOLDER is None, reason="the golden tables are not here: 0 of 104 compared")
@pytest.mark.parametrize("name", _tables())
def test_golden(session: Session, name: str) -> None:
    assert FOLDER is not None
    path = FOLDER / name
    query = f"SELECT * FROM delta.`{path}`"
    if name in REFUSED:
        with pytest.raises(REFUSED[name]) as refused:
            session.execute(query)
        assert (
            str(path) in str(refused.value) or "column" in str(refused.value) or "file" in str(refused.value)
        )
        return
    mine = session.execute(query).arrow()
    other = _by_deltalake(str(path))
    if other is None:
        assert name in {"type-widening", "type-widening-nested", "basic-with-vacuum-protocol-check-feature"}
        assert len(mine) == (100 if name.startswith("basic") else 2)
        return
    assert _rows(mine) == _rows(other)


def _by_deltalake(path: str) -> pa.Table | None:
    import deltalake

    try:
        return pa.table(deltalake.DeltaTable(path).scan().read_all())
    except deltalake.exceptions.DeltaError as e:
        assert "Unsupported table features" in str(e), e
        return None


@pytest.mark.skipif(FOLDER is None, reason="the golden tables are not here")
def test_widened_values(session: Session) -> None:
    """Files written before the widening hold narrower types; the row of the new file shows the widest values."""
    assert FOLDER is not None
    rows = list(session.execute(f"SELECT * FROM delta.`{FOLDER}/type-widening` ORDER BY 1").rows())
    old = next(r for r in rows if r[0] == 1)
    day = dt.datetime(2024, 9, 9)
    assert old[:2] == (1, 2)
    assert old[2] == pytest.approx(3.4)
    assert old[3:6] == (5.0, 6.0, 7.0)
    assert old[6:] == (*(Decimal(v) for v in ("123.45", "67.89", "1.0", "2.0", "3.0", "4.0")), day)
    new = next(r for r in rows if r[0] != 1)
    assert new[:2] == (9223372036854775807, 9223372036854775807)
