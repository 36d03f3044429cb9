"""Logs without scans: time travel by number and time, statistics of foreign writers, deletion vectors, features."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from sqlshell.errors import AnalysisError, CorruptInputError, Error, NotSupportedError
from sqlshell.expr.expr import Column, Literal
from sqlshell.plan.call import make_call
from sqlshell.plan.context import TableVersion
from sqlshell.records import replace
from sqlshell.storage.delta import deletion_vectors as dv
from sqlshell.storage.delta import stats as log_stats
from sqlshell.storage.delta.actions import Add, Protocol
from sqlshell.storage.delta.log import commit_name, parse_listing
from sqlshell.storage.delta.protocol import check_readable, check_writable, new_protocol, with_features
from sqlshell.storage.delta.schema import from_struct, parse_schema, with_column_ids
from sqlshell.storage.delta.skipping import candidates
from sqlshell.storage.delta.stats import StatsIndex
from sqlshell.storage.delta.table import DeltaTable
from sqlshell.types import BIGINT, DOUBLE, STRING, TIMESTAMP
from sqlshell.types import Decimal as DecimalType
from sqlshell.types_ddl import parse_schema as parse_ddl
from tests.support import delta_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.types import SqlType


def at(table: DeltaTable, *seconds: float) -> None:
    """Give the commits these times (seconds after 2024-01-01)."""
    base = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    for version, s in enumerate(seconds):
        os.utime(os.path.join(table.location, commit_name(version)), (base + s, base + s))


def when(text: str) -> TableVersion:
    return TableVersion("timestamp", datetime.fromisoformat(text))


def test_times_mean_the_latest_commit_at_or_before(table: DeltaTable) -> None:
    at(table, 0, 10, 20, 30)
    for text, version in (
        ("2024-01-01 00:00:00", 0),
        ("2024-01-01 00:00:09.999", 0),
        ("2024-01-01 00:00:10", 1),
        ("2024-01-01 00:00:29.999999", 2),
        ("2024-01-01 00:00:30", 3),
    ):
        assert table.resolve(when(text)) == version, text


def test_times_are_made_monotone(table: DeltaTable) -> None:
    """A copied or restored log has equal or falling file times: each counts as 1 ms after the one before."""
    at(table, 10, 5, 5, 20)
    assert [table.history()[::-1][i].timestamp_ms % 60_000 for i in range(4)] == [
        10_000,
        10_001,
        10_002,
        20_000,
    ]
    assert table.resolve(when("2024-01-01 00:00:10.001")) == 1
    assert table.resolve(when("2024-01-01 00:00:15")) == 2


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (TableVersion("version", 4), "DELTA_VERSION_NOT_FOUND"),
        (TableVersion("version", -1), "DELTA_VERSION_NOT_FOUND"),
        (when("2023-12-31 23:59:59.999"), "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"),
        (when("2024-01-01 00:00:30.001"), "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"),
    ],
)
def test_outside_the_range_the_range_is_told(table: DeltaTable, wanted: TableVersion, condition: str) -> None:
    at(table, 0, 10, 20, 30)
    with pytest.raises(AnalysisError) as told:
        table.resolve(wanted, zone="Asia/Tokyo")
    assert told.value.condition == condition
    text = f"{told.value} {told.value.hint}"
    assert "2024-01-01 09:00:30" in text
    if "GREATER" in condition:
        assert table.resolve(wanted, lenient=True) == 3
    else:
        assert "versions 0 (2024-01-01 09:00:00) to 3" in text


def test_in_commit_timestamps_count_from_their_version_on(tmp_path: Path) -> None:
    made = delta_tables.create(
        str(tmp_path / "t"),
        "a bigint",
        features=["inCommitTimestamp"],
        properties={"delta.enableInCommitTimestamps": "true"},
    )
    for _ in range(3):
        delta_tables.append(made, delta_tables.data_file(made, {"a": pa.array([1])}))
    stamps = [made.commit_info(v).in_commit_timestamp for v in range(4)]  # type: ignore[union-attr]
    assert all(s is not None for s in stamps)
    assert sorted(set(stamps)) == stamps
    at(made, 0, 0, 0, 0)  # what the files' times say does not matter
    assert [h.timestamp_ms for h in made.history()] == stamps[::-1]
    moment = datetime.fromtimestamp(stamps[2] / 1000, UTC).replace(tzinfo=None)  # type: ignore[operator]
    assert made.resolve(TableVersion("timestamp", moment)) == 2


def test_the_earliest_version_is_the_first_that_can_be_built() -> None:
    commits = [f"{v:020d}.json" for v in range(5, 12)]
    parts = [f"{8:020d}.checkpoint.{i:010d}.{3:010d}.parquet" for i in (1, 2, 3)]
    assert parse_listing(commits).earliest_recreatable is None
    assert parse_listing([*commits, *parts[:2]]).earliest_recreatable is None
    assert parse_listing([*commits, *parts]).earliest_recreatable == 8
    assert parse_listing([*commits, f"{4:020d}.checkpoint.parquet"]).earliest_recreatable == 4
    assert parse_listing([*commits, f"{0:020d}.json"]).earliest_recreatable == 0


def test_a_hole_in_the_log_is_told(table: DeltaTable) -> None:
    os.unlink(os.path.join(table.location, commit_name(2)))
    with pytest.raises(CorruptInputError, match="commit 2 is missing"):
        DeltaTable(table.location).latest()


# -- features


def test_unknown_features_are_refused_by_name() -> None:
    future = Protocol(3, 7, frozenset({"deletionVectors", "timeMachine"}), frozenset({"timeMachine"}))
    with pytest.raises(NotSupportedError, match="timeMachine"):
        check_readable(future, "t")
    with pytest.raises(NotSupportedError, match="reader version 4"):
        check_readable(Protocol(4, 7), "t")
    written = Protocol(1, 7, None, frozenset({"appendOnly", "timeMachine"}))
    check_readable(written, "t")
    with pytest.raises(NotSupportedError, match="timeMachine"):
        check_writable(written, "t")


def test_features_by_number_and_by_name() -> None:
    assert new_protocol() == Protocol(1, 2)
    assert new_protocol(["checkConstraints"]) == Protocol(1, 3)
    named = new_protocol(["changeDataFeed"])
    assert (named.min_reader, named.min_writer) == (1, 7)
    assert named.writer_features == {"appendOnly", "invariants", "changeDataFeed"}
    mapped = with_features(named, ["columnMapping"])
    assert mapped.reader_features == {"columnMapping"}
    assert with_features(mapped, ["columnMapping"]) is mapped


def test_schemas_round_trip() -> None:
    ddl = "a int not null, `b c` array<struct<x:decimal(10,2),y:map<string,timestamp_ntz>>>, v varchar(5)"
    schema, last = with_column_ids(from_struct(parse_ddl(ddl)), 0, keep_names=False)
    again = parse_schema(schema.to_string())
    assert again == schema
    assert again.struct == parse_ddl(ddl)
    assert last == 5
    assert sorted(again.column_ids().values()) == [1, 2, 3, 4, 5]


# -- statistics


def index(t: SqlType, low: Any, high: Any, *, nulls: int = 0) -> StatsIndex:
    stats = f'{{"numRecords":10,"minValues":{{"c":{low}}},"maxValues":{{"c":{high}}},"nullCount":{{"c":{nulls}}}}}'
    return StatsIndex([Add("f", (), 1, 1, stats=stats)], from_struct(parse_ddl(f"c {t}")))


def keeps(found: StatsIndex, fn: str, value: Any, t: SqlType) -> bool:
    column = Column(1, "c", t)
    return candidates(found, [make_call(fn, [column, Literal(value, t)])], {1: "c"}) is None


def test_decimals_written_as_floats_are_widened() -> None:
    """deltalake writes 9007199254740993.01 as 9007199254740994.0: the file must stay."""
    t = DecimalType(20, 2)
    found = index(t, "9007199254740994.0", "9007199254740994.0")
    assert keeps(found, "=", Decimal("9007199254740993.01"), t)
    assert not keeps(found, "=", Decimal("9007199254740900.00"), t)
    exact = index(DecimalType(20, 2), "900719925474099301.25", "900719925474099301.25")
    assert not keeps(exact, "=", Decimal("900719925474099301.26"), t)


@pytest.mark.parametrize("ddl", ["bigint", "decimal(20,2)", "decimal(38,10)"])
def test_facts_hold_for_every_value(ddl: str) -> None:
    """Bounds that the optimizer computes with lie around those of the statistics, and on the type's own grid."""
    from sqlshell.functions.bounds import unscaled

    r = random.Random(ddl)
    digits = {"bigint": 0, "decimal(20,2)": 2, "decimal(38,10)": 10}[ddl]
    values = [Decimal(r.randint(-(10**17), 10**17)).scaleb(-digits) for _ in range(50)]
    stats = [
        f'{{"numRecords":1,"minValues":{{"c":{v}}},"maxValues":{{"c":{v}}},"nullCount":{{"c":0}}}}'
        for v in values
    ]
    adds = [Add(f"f{i}", (), 1, 1, stats=text) for i, text in enumerate(stats)]
    found = StatsIndex(adds, from_struct(parse_ddl(f"c {ddl}")))
    facts = found.column_facts("c")
    assert facts is not None
    assert facts.exact
    assert facts.low <= min(values) <= max(values) <= facts.high
    t = parse_ddl(f"c {ddl}").fields[0].type
    assert unscaled(facts.low, t) is not None
    assert unscaled(facts.high, t) is not None


def test_nan_is_above_every_maximum() -> None:
    found = index(DOUBLE, "1.0", "1.0")
    assert keeps(found, ">", 5.0, DOUBLE)
    assert keeps(found, "=", float("nan"), DOUBLE)
    assert not keeps(found, "<", 0.5, DOUBLE)


def test_timestamps_cut_to_milliseconds_are_widened() -> None:
    found = index(TIMESTAMP, '"2024-01-01T00:00:00.999Z"', '"2024-01-01T00:00:00.999Z"')
    assert keeps(found, "=", datetime(2024, 1, 1, 0, 0, 0, 999999), TIMESTAMP)
    assert not keeps(found, ">", datetime(2024, 1, 1, 0, 0, 1), TIMESTAMP)


def test_nulls_alone_pass_no_comparison() -> None:
    found = StatsIndex(
        [Add("f", (), 1, 1, stats='{"numRecords":10,"nullCount":{"c":10}}'), Add("g", (), 1, 1)],
        from_struct(parse_ddl("c string")),
    )
    test = [make_call("=", [Column(1, "c", STRING), Literal("x", STRING)])]
    assert candidates(found, test, {1: "c"}) == [1]
    assert found.column_stats("c") is None or not found.column_stats("c").exact  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"numRecords":"x"}', '{"minValues":{"c":"abc"}}', "null"]
)
def test_broken_statistics_keep_the_file(text: str) -> None:
    found = StatsIndex([Add("f", (), 1, 1, stats=text)], from_struct(parse_ddl("c bigint")))
    assert keeps(found, "=", 7, BIGINT)
    assert found.rows == [None]


def test_dates_and_partitions_are_exact() -> None:
    adds = [
        Add(f"f{i}", (("p", v),), 1, 1, stats='{"numRecords":1}')
        for i, v in enumerate(("2024-01-01", "", None))
    ]
    found = StatsIndex(adds, from_struct(parse_ddl("p date")), ("p",))
    assert found.of(("p",)) == log_stats.LeafStats(
        [date(2024, 1, 1), None, None], [date(2024, 1, 1), None, None], [0, 1, 1]
    )


# -- deletion vectors


def positions(seed: int) -> list[int]:
    r = random.Random(seed)
    kinds = [
        [],
        [0],
        list(range(100_000)),
        sorted(r.sample(range(200_000), 30_000)),
        sorted(r.sample(range(10**6), 50)),
        [1, 65535, 65536, 2**32 - 1, 2**32, 2**33 + 5],
        [*range(70_000, 75_000), *range(0, 20_000, 3)],
    ]
    return kinds[seed]


@pytest.mark.parametrize("seed", range(7))
def test_vectors_round_trip(seed: int) -> None:
    wanted = sorted(positions(seed))
    assert dv.decode(dv.encode(wanted)).tolist() == wanted
    assert dv.z85_decode(dv.z85_encode(dv.encode(wanted)))[: len(dv.encode(wanted))] == dv.encode(wanted)


def test_vectors_are_read_by_deltalake(tmp_path: Path) -> None:
    """Inline ones and several in one file, runs, bitmaps and arrays: the second opinion sees the same rows."""
    import deltalake

    made = delta_tables.create(str(tmp_path / "t"), "id bigint", features=["deletionVectors"])
    adds = [
        delta_tables.data_file(made, {"id": pa.array(range(i * 10**6, i * 10**6 + 100_000))})
        for i in range(3)
    ]
    delta_tables.append(made, *adds)
    gone = [list(range(99_990)), [*range(0, 100_000, 2), 1], [5]]
    vectors = dv.VectorFile(made.location)
    given = [vectors.add(gone[0]), vectors.add(np.array(gone[1])), dv.inline(gone[2])]
    vectors.close()
    pairs = zip(adds, given, strict=True)
    changes = [x for a, v in pairs for x in (a.removed(1), replace(a, deletion_vector=v))]
    delta_tables.append(made, *changes, operation="DELETE")
    theirs = pa.table(deltalake.DeltaTable(made.location).scan().read_all())["id"].to_pylist()
    expected = [i * 10**6 + j for i in range(3) for j in sorted(set(range(100_000)) - set(gone[i]))]
    assert sorted(theirs) == expected


@pytest.mark.parametrize(
    "text", ["", "{", '{"add":{}}', '{"add":{"path":1}}', '{"metaData":{"id":"x"}}', "[1]"]
)
def test_broken_log_lines_are_told(table: DeltaTable, text: str) -> None:
    name = os.path.join(table.location, commit_name(4))
    with open(name, "w") as f:
        f.write(json.dumps({"commitInfo": {}}) + "\n" + text + "\n")
    if text == "":
        assert table.latest().version == 4
        return
    with pytest.raises(Error, match="line 2") as told:
        table.latest()
    assert isinstance(told.value, CorruptInputError)
