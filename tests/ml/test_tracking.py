"""system.ml: models, runs, iterations, metrics, sources as relations; EXPLAIN CREATE MODEL."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error
from sqlshell.ml.tracking import TABLES
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Sql = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def tracked(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two models in two schemas; `lin` has a version with trials and one without."""
    with Session(warehouse=str(tmp_path_factory.mktemp("warehouse"))) as s:
        s.execute(f"CREATE TEMPORARY VIEW t AS SELECT * FROM '{data}'")
        s.execute("CREATE TABLE facts AS SELECT x, z, yes FROM t")
        s.execute("CREATE SCHEMA lab")
        s.execute(
            """CREATE MODEL lin OPTIONS(model_type = 'linear_reg', label = 'y', data_split_method = 'random',
               l2_reg = HPARAM_CANDIDATES([0.5, 0.1])) AS SELECT x, c, y FROM t"""
        )
        s.execute("""CREATE OR REPLACE MODEL lin OPTIONS(model_type = 'linear_reg', label = 'y', l2_reg = 0.1,
                     description = 'the plain one') AS SELECT x, c, y FROM t""")
        s.execute("ALTER MODEL lin SET ALIAS first = VERSION 1")
        s.execute(
            "CREATE MODEL lab.log OPTIONS(model_type = 'logistic_reg', label = 'yes') AS SELECT * FROM facts"
        )
        yield s


@pytest.fixture
def ask(tracked: Session) -> Sql:
    return lambda text: list(tracked.execute(text).rows())


def test_models_and_runs(ask: Sql) -> None:
    assert ask(
        """SELECT schema, model, model_type, version, versions, aliases, description, created <= changed
           FROM system.ml.models ORDER BY model"""
    ) == [
        ("default", "lin", "linear_reg", 2, 2, {"first": 1}, "the plain one", True),
        ("lab", "log", "logistic_reg", 1, 1, {}, "", True),
    ]
    ((kept,),) = ask("SELECT count_if(ml_row_fraction(0L, x, c, y) >= 0.2) FROM t")
    assert ask(
        """SELECT model, version, is_current, aliases, label, training_rows, options['l2_reg'], reproducible
           FROM System.ML.Runs WHERE schema = 'default' ORDER BY version"""
    ) == [("lin", 1, False, ["first"], "y", kept, "0.1", True), ("lin", 2, True, [], "y", kept, "0.1", True)]
    shas = ask("SELECT count(DISTINCT parameter_sha256), max(seconds) > 0, max(error) FROM system.ml.runs")
    assert shas == [(2, True, None)]


def test_runs_compare_by_metric(ask: Sql) -> None:
    """What a tracking server is asked: which run is best, and with what options."""
    best = ask(
        """SELECT r.model, r.version, r.options['l2_reg'] FROM system.ml.runs AS r
           JOIN system.ml.metrics AS m USING (schema, model, version)
           WHERE m.metric = 'r2_score' ORDER BY m.value DESC, r.version LIMIT 1"""
    )
    assert best == [("lin", 1, "0.1")]
    (stored,) = ask("SELECT r2_score FROM ML.EVALUATE(MODEL lin VERSION AS OF 1)")
    assert ask("SELECT value FROM system.ml.metrics WHERE metric = 'r2_score' AND version = 1") == [stored]
    assert ask("SELECT DISTINCT measured_on FROM system.ml.metrics WHERE model = 'lin'") == [
        ("held-out rows",)
    ]


def test_iterations_sources_features_trials(ask: Sql) -> None:
    assert ask(
        "SELECT iteration, loss FROM system.ml.training_info WHERE model = 'log' ORDER BY iteration"
    ) == ask("SELECT iteration, loss FROM ML.TRAINING_INFO(MODEL lab.log) ORDER BY iteration")
    (source,) = ask("SELECT source, format, source_version FROM system.ml.sources WHERE model = 'log'")
    assert source == ("default.facts", "delta", 0)
    assert ask("SELECT feature, kind, columns FROM system.ml.features WHERE model = 'lin' AND version = 2") == [
        ("x", "numeric", 1), ("c", "category", 3)
    ]  # fmt: skip
    assert ask("SELECT version, trial_id, searched, is_optimal FROM system.ml.trials ORDER BY trial_id") == [
        (1, 1, {"l2_reg": "0.5"}, False), (1, 2, {"l2_reg": "0.1"}, True)
    ]  # fmt: skip
    assert {r[1] for r in ask("SHOW TABLES IN system.ml")} == set(TABLES)


def test_a_damaged_version_hides_nothing_else(data: Path, tmp_path: Path) -> None:
    with Session(warehouse=str(tmp_path)) as s:
        for name in ("one", "two"):
            s.execute(
                f"CREATE MODEL {name} OPTIONS(model_type = 'linear_reg', label = 'y') AS SELECT x, y FROM '{data}'"
            )
    (file,) = tmp_path.glob("**/one/_versions/*/model.json")
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes().replace(b'"label": "y"', b'"label": "z"'))
    assert hashlib.sha256(file.read_bytes()).hexdigest() != before
    with Session(warehouse=str(tmp_path)) as s:
        rows = list(
            s.execute("SELECT model, label, error LIKE '%MODEL_ARTIFACT_DAMAGED%' FROM system.ml.runs").rows()
        )
        assert rows == [("one", None, True), ("two", "y", None)]
        assert list(s.execute("SELECT DISTINCT model FROM system.ml.metrics").rows()) == [("two",)]


@pytest.mark.parametrize("name", ["system.ml.run", "system.mll.runs", "system.ml.runs VERSION AS OF 1"])
def test_what_is_not_there(ask: Sql, name: str) -> None:
    with pytest.raises(Error) as e:
        ask(f"SELECT * FROM {name}")
    assert e.value.condition in ("TABLE_OR_VIEW_NOT_FOUND", "UNSUPPORTED_FEATURE.TIME_TRAVEL")


def test_explain_create_model(ask: Sql) -> None:
    ((text,),) = ask(
        """EXPLAIN CREATE MODEL m OPTIONS(model_type = 'logistic_reg', label = 'yes', num_workers = 2,
           max_iterations = 30, data_split_method = 'random')
           AS SELECT x, c, yes FROM (SELECT *, upper(c) AS unused FROM t) WHERE z > 3"""
    )
    head, *rest = text.splitlines()
    assert head == (
        "Train default.m [logistic_reg: label yes; features x (numeric), c (category); held out random 0.2; "
        "8 partitions, 2 ranks, at most 30 iterations]"
    )
    assert rest[-1].lstrip().startswith("└─ Scan") and "where (z#" in rest[-1] and "gap" not in rest[-1]
    assert ask("SELECT count(*) FROM system.ml.models WHERE model = 'm'") == [(0,)]
    ((text,),) = ask(
        """EXPLAIN CREATE MODEL m TRANSFORM (ML.STANDARD_SCALER(x) OVER () AS x, y) OPTIONS(model_type = 'kmeans')
           AS SELECT x, y, z FROM t"""
    )
    lines = text.splitlines()
    assert lines[1] == "└─ Transform [ML.STANDARD_SCALER(x) OVER () AS x, y]"
    assert lines[2].startswith("   └─ Scan") and "z#" not in lines[2]
    ((text,),) = ask(
        "EXPLAIN STAGES CREATE MODEL m OPTIONS(model_type = 'kmeans', num_workers = 3) AS SELECT x FROM t"
    )
    assert "barrier, gang of 3 ranks, 8 partitions" in text


def test_explain_raises_what_training_would(ask: Sql) -> None:
    with pytest.raises(Error) as e:
        ask("EXPLAIN CREATE MODEL m OPTIONS(model_type = 'linear_reg', label = 'nope') AS SELECT x FROM t")
    assert e.value.condition == "LABEL_COLUMN_NOT_FOUND"


def test_a_warm_start_is_no_replay(ask: Sql) -> None:
    text = "CREATE OR REPLACE MODEL lab.log OPTIONS(model_type = 'logistic_reg', label = 'yes', warm_start = TRUE)"
    ask(f"{text} AS SELECT * FROM facts")
    found = ask("SELECT reproducible, reason FROM system.ml.runs WHERE model = 'log' AND version = 2")
    assert found == [(False, "warm_start began from the version before")]
