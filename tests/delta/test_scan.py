"""Scans of our own tables: deletion vectors, positions, partition values, mapped and absent columns, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlshell.errors import AnalysisError, CorruptInputError, OperationalError
from sqlshell.exec import scan_delta, splits
from sqlshell.plan.logical import Scan, fresh_id
from sqlshell.records import replace
from sqlshell.storage.delta import deletion_vectors
from sqlshell.storage.source import FILE_PATH, ROW_INDEX
from sqlshell.types import BIGINT, STRING
from tests.support import delta_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlshell.session import Session
    from sqlshell.storage.delta.table import DeltaTable


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows())
    finally:
        result.close()


def delete(table: DeltaTable, *positions: list[int], inline: bool = False) -> None:
    """Give the table's first files deletion vectors."""
    vectors = deletion_vectors.VectorFile(table.location)
    actions: list[Any] = []
    for add, gone in zip(table.latest().files(), positions, strict=False):
        vector = deletion_vectors.inline(gone) if inline else vectors.add(gone)
        assert vector is not None
        actions += [add.removed(1), replace(add, deletion_vector=vector)]
    vectors.close()
    delta_tables.append(table, *actions, operation="DELETE")


def with_positions(session: Session, location: str) -> list[tuple[Any, ...]]:
    """(id, p, file, position) of every row, through the hidden fields."""
    plan = session.optimize(session.bind_text(f"SELECT id, p FROM delta.`{location}`").plan).plan
    hidden = (FILE_PATH, STRING), (ROW_INDEX, BIGINT)
    from sqlshell.expr.expr import Column

    def add(node: Any) -> Any:
        if not isinstance(node, Scan):
            return node
        extra = tuple(Column(fresh_id(), n, t, False) for n, t in hidden)
        return replace(node, columns=node.columns + extra, fields=(*node.fields, FILE_PATH, ROW_INDEX))

    [scan] = plan.transform_up(add).collect(Scan)
    handle = session.engine.run(session.stages(scan))
    found = handle.rows_inline
    if found is None:
        tables = [pa.ipc.open_file(p).read_all() for p in handle.paths]
        found = [tuple(r.values()) for r in pa.concat_tables(tables).to_pylist()]
    handle.close()
    order = [scan.fields.index(f) for f in ("id", "p", FILE_PATH, ROW_INDEX)]
    return sorted(tuple(r[i] for i in order) for r in found)


@pytest.fixture(params=["solo", "pool"])
def either(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, session: Session, pool_session: Session
) -> Iterator[Session]:
    """A solo session; or two workers that cut even tiny files at their row groups."""
    monkeypatch.setattr(splits, "MIN_BYTES", 1)
    yield session if request.param == "solo" else pool_session


@pytest.mark.parametrize("inline", [True, False])
def test_deleted_rows_are_gone(either: Session, table: DeltaTable, inline: bool) -> None:
    delete(table, [0, 3, 9], [5], inline=inline)
    gone = {0, 3, 9, 15}
    assert [r[0] for r in rows(either, f"SELECT id FROM delta.`{table.location}` ORDER BY id")] == [
        i for i in range(30) if i not in gone
    ]
    assert rows(either, f"SELECT count(*), count(p) FROM delta.`{table.location}`") == [(26, 16)]
    assert rows(
        either, f"SELECT p, sum(id) FROM delta.`{table.location}` WHERE id < 15 GROUP BY 1 ORDER BY 1"
    ) == [
        ("a", 33),
        ("b", 60),
    ]
    assert rows(either, f"SELECT count(*) FROM delta.`{table.location}@v3`") == [(30,)]


def test_positions_count_deleted_rows(either: Session, table: DeltaTable) -> None:
    delete(table, [0, 3, 9], [5])
    found = with_positions(either, table.location)
    paths = {f"{table.location}/{a.path}" for a in table.latest().files()}
    assert {r[2] for r in found} == paths
    assert [(r[0], r[3]) for r in found] == [(i, i % 10) for i in range(30) if i not in {0, 3, 9, 15}]
    for identity, p, path, position in found:
        assert pq.read_table(path, partitioning=None)["id"][position].as_py() == identity
        assert p == ("a", "b", None)[identity // 10]


def test_many_partitions_with_foreign_field_ids(session: Session, tmp_path: Path) -> None:
    """Parquet field ids of another system must not lead Polars' mapping astray: such files are read by name."""
    made = delta_tables.create(str(tmp_path / "t"), "a bigint, b bigint, p int", partitions=("p",))
    adds = []
    for p in range(scan_delta.FEW_FRAMES + 4):
        add = delta_tables.data_file(made, {"a": pa.array([p]), "b": pa.array([-p])}, {"p": str(p)})
        if p % 3 == 0:
            ids = [
                pa.field(n, pa.int64(), metadata={b"PARQUET:field_id": i})
                for n, i in (("a", b"2"), ("b", b"1"))
            ]
            path = f"{made.location}/{add.path}"
            pq.write_table(pa.table([[p], [-p]], schema=pa.schema(ids)), path)
            add = replace(add, size=(tmp_path / "t" / add.path).stat().st_size)
        adds.append(add)
    delta_tables.append(made, *adds)
    found = rows(session, f"SELECT a, b, p FROM delta.`{made.location}` ORDER BY p")
    assert found == [(p, -p, p) for p in range(scan_delta.FEW_FRAMES + 4)]


@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns(either: Session, tmp_path: Path, mode: str) -> None:
    """Columns by physical names; one added later is NULL in old files. Files without ids are found by name."""
    made = delta_tables.create(
        str(tmp_path / "t"),
        "a bigint, b string",
        features=["columnMapping"],
        properties={"delta.columnMapping.mode": mode},
    )
    columns = {"a": pa.array([1, 2]), "b": pa.array(["x", None])}
    delta_tables.append(
        made, delta_tables.data_file(made, columns), delta_tables.data_file(made, {"a": columns["a"]})
    )
    assert sorted(map(repr, rows(either, f"SELECT b, a FROM delta.`{made.location}`"))) == sorted(
        map(repr, [("x", 1), (None, 2), (None, 1), (None, 2)])
    )


def test_names_win_over_contradicting_field_ids(session: Session, tmp_path: Path) -> None:
    made = delta_tables.create(
        str(tmp_path / "t"),
        "a bigint",
        features=["columnMapping"],
        properties={"delta.columnMapping.mode": "name"},
    )
    add = delta_tables.data_file(made, {"a": pa.array([1])})
    physical = made.latest().schema.fields[0].physical_name
    schema = pa.schema([pa.field(physical, pa.int64(), metadata={b"PARQUET:field_id": b"99"})])
    pq.write_table(pa.table([[1]], schema=schema), f"{made.location}/{add.path}")
    delta_tables.append(made, replace(add, size=(tmp_path / "t" / add.path).stat().st_size))
    assert rows(session, f"SELECT * FROM delta.`{made.location}`") == [(1,)]


def test_damaged_vectors_are_told(session: Session, table: DeltaTable) -> None:
    delete(table, list(range(5)))
    [path] = [p for p in (a.deletion_vector for a in table.latest().files()) if p is not None]
    name = deletion_vectors.file_of(table.location, path)
    with open(name, "r+b") as f:
        f.seek(20)
        f.write(b"\xff\xff")
    with pytest.raises(CorruptInputError, match="checksum"):
        rows(session, f"SELECT * FROM delta.`{table.location}`")


def test_plain_parquet_reader_is_refused(session: Session, table: DeltaTable) -> None:
    with pytest.raises(AnalysisError) as refused:
        rows(session, f"SELECT * FROM parquet.`{table.location}`")
    assert refused.value.condition == "DELTA_INVALID_FORMAT"
    assert rows(session, f"SELECT count(*) FROM '{table.location}'") == [(30,)]


def test_gone_files_of_an_old_version_are_told(session: Session, table: DeltaTable, tmp_path: Path) -> None:
    first = table.latest().files()[0]
    delta_tables.append(table, first.removed(1), operation="DELETE")
    delta_tables.append(table, *[a.removed(1) for a in table.latest().files()[:1]], operation="VACUUM END")
    (tmp_path / "t" / first.path).unlink()
    with pytest.raises(OperationalError) as told:
        rows(session, f"SELECT * FROM delta.`{table.location}` VERSION AS OF 3")
    assert told.value.condition == "DELTA_FILE_NOT_FOUND_DETAILED"
    assert "VACUUM ran as version 5" in str(told.value)
    assert rows(session, f"SELECT count(*) FROM delta.`{table.location}`") == [(10,)]


def test_a_repeated_query_replays_nothing(
    session: Session, table: DeltaTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"SELECT count(*) FROM delta.`{table.location}`"
    assert rows(session, query) == [(30,)]
    known = session.tables.open(table.location)
    reads: list[str] = []
    read = known.store.read
    monkeypatch.setattr(known.store, "read", lambda name: reads.append(name) or read(name))
    assert rows(session, query) == [(30,)]
    assert reads == []
    delta_tables.append(
        table, delta_tables.data_file(table, {"id": pa.array([1]), "s": pa.array(["x"])}, {"p": "z"})
    )
    assert rows(session, query) == [(31,)]
    assert [r[-7:] for r in reads] == ["04.json"]


def test_a_table_made_anew_is_seen(session: Session, tmp_path: Path) -> None:
    import shutil

    where = str(tmp_path / "t")
    made = delta_tables.create(where, "a bigint")
    delta_tables.append(made, delta_tables.data_file(made, {"a": pa.array([1])}))
    assert rows(session, f"SELECT count(*) FROM delta.`{where}`") == [(1,)]
    shutil.rmtree(where)
    again = delta_tables.create(where, "b string")
    delta_tables.append(again, delta_tables.data_file(again, {"b": pa.array(["x", "y"])}))
    assert rows(session, f"SELECT b FROM delta.`{where}` ORDER BY 1") == [("x",), ("y",)]
