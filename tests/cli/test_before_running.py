"""--check, --estimate, --max-bytes, --checkpoint: what is known before anything runs, and what was done before."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.shell.check import check_script
from sqlshell.shell.checkpoint import Checkpoint, decoded, encoded
from sqlshell.shell.estimate import estimate_scripts
from sqlshell.shell.exits import UsageError
from sqlshell.shell.runner import Options, Runner
from tests.cli.test_command import COMMAND, run

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session

SCRIPT = """
CREATE VIEW pv AS SELECT 1 AS a;
SELECT a FROM pv;
CREATE SCHEMA s9;
USE s9;
CREATE TABLE t (id INT, v STRING);
SELECT id, v FROM t;
INSERT INTO s9.t VALUES (1, 'a');
INSERT INTO t SELECT wrong1 FROM t;
DELETE FROM t WHERE wrong2 = 1;
UPDATE t SET v = wrong3;
MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.wrong4;
DECLARE VARIABLE x INT DEFAULT 5;
SET VAR x = (SELECT max(id) FROM t);
SELECT x + 1;
SET VAR x = wrong5;
CREATE TEMPORARY FUNCTION twice(a INT) RETURNS INT RETURN a * 2;
SELECT twice(3);
CREATE MODEL m OPTIONS (model_type = 'linear_reg', label = 'y') AS SELECT 1.0 AS a, 2.0 AS y;
SELECT * FROM ML.PREDICT(MODEL m, (SELECT 1.0 AS a));
SELECT * FROM ML.PREDICT(MODEL wrong6, (SELECT 1.0 AS a));
DROP TABLE wrong7;
ALTER TABLE wrong8 ADD COLUMN z INT;
DESCRIBE wrong9;
ALTER TABLE t ADD COLUMN z INT;
SELECT z FROM t;
CREATE TABLE u AS SELECT id, z FROM t;
SELECT id + z FROM u;
CREATE TABLE u (a INT);
CREATE TABLE c SHALLOW CLONE u;
SELECT id FROM c;
COPY (SELECT wrong10 FROM u) TO 'x.parquet';
CACHE TABLE k AS SELECT id FROM t;
SELECT id FROM k;
SELECT id AS top FROM t \\gset
SELECT :top, :wrong11;
.if :top > 1
CREATE TABLE w (a INT);
.else
CREATE TABLE w (a INT);
.end
SELECT a FROM w;
.foreach i in SELECT id FROM t
SELECT :i, wrong12;
.end
.assert wrong13 = 1
.read wrong14.sql
DROP TABLE t;
SELECT * FROM t;
"""
WRONG = [9, 10, 11, 12, 16, 21, 22, 23, 24, 29, 32, 36, 44, 46, 47, 49]
"""The lines that are wrong."""


def everything(folder: Path) -> list[tuple[Path, float]]:
    return sorted((p, p.stat().st_mtime) for p in folder.rglob("*"))


def test_check_finds_every_seeded_error_and_leaves_nothing(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session.execute("CREATE TABLE kept (a INT)")
    before = everything(tmp_path)
    views, schema = dict(session.views), session.current_schema
    assert check_script(session, SCRIPT, "s.sql", errors="json") == 1
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [r["line"] for r in records] == WRONG
    for record in records:
        if record["start"] is not None and "wrong" in record["statement"]:
            assert record["statement"][record["start"] :].startswith(
                ("wrong", "s.wrong", ":wrong", "ML.PREDICT")
            )
    assert everything(tmp_path) == before
    assert (session.views, session.current_schema, session.functions) == (views, schema, {})
    assert [row[1] for row in session.execute("SHOW TABLES").rows()] == ["kept"]


def test_check_changes_tables_that_are_there(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    session.execute("CREATE TABLE t (a INT)")
    session.execute("INSERT INTO t VALUES (1)")
    script = (
        "ALTER TABLE t ADD COLUMN b INT; SELECT b FROM t; ALTER TABLE t RENAME TO u; SELECT a FROM u;"
        " SELECT 1 FROM t"
    )
    assert check_script(session, script) == 1
    error = capsys.readouterr().err
    assert error.count("[") == 1
    assert "`t`" in error
    assert session.execute("SELECT * FROM t").arrow().column_names == ["a"]


def test_check_reads_the_scripts_that_a_script_reads(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.sql").write_text("CREATE TEMPORARY VIEW v AS SELECT 1 AS a;\nSELECT nosuch FROM v;\n")
    (tmp_path / "round.sql").write_text(f"SOURCE {tmp_path}/round.sql;")
    assert check_script(session, f"SOURCE {tmp_path}/a.sql;\nSELECT a FROM v;\n.end") == 1
    error = capsys.readouterr().err
    assert f"{tmp_path}/a.sql:2:" in error
    assert "belongs to no .if" in error
    assert error.count("hint") == 0 or "a`" in error
    assert check_script(session, f".read {tmp_path}/round.sql") == 2


def test_estimate(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    runner = Runner(session, Options(format="jsonl"), out)
    script = (
        "SELECT sum(price) FROM 'orders.parquet' WHERE order_id > :low;\n"
        "CREATE TABLE z AS SELECT order_id FROM 'orders.parquet';\n"
        "SELECT * FROM z;\nSELECT nosuch"
    )
    runner.options.variables["low"] = 1500
    assert estimate_scripts(runner, [("s.sql", script)]) == 1
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(r["line"], r["row_groups"], r["all_row_groups"]) for r in rows] == [(1, 1, 4), (2, 4, 4)]
    assert 0 < rows[0]["bytes"] < rows[0]["all_bytes"] == rows[1]["all_bytes"]
    assert "2 files" in capsys.readouterr().err
    assert session.execute("SHOW TABLES").row_count == 0


def test_max_bytes() -> None:
    limit = ("--max-bytes", "10k", "--format", "csv", "-c")
    refused = run(*limit, "SELECT * FROM 'orders.parquet'")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "READ_LIMIT_EXCEEDED" in refused.stderr
    fine = run(
        *limit, "EXPLAIN STAGES SELECT * FROM 'orders.parquet'; SELECT max(price) FROM 'orders.parquet'"
    )
    assert fine.returncode == 0, fine.stderr


def test_max_bytes_holds_for_writes_too(session: Session, tmp_path: Path) -> None:
    session.controls.max_bytes = 10_000
    try:
        runner = Runner(session, Options(), io.StringIO())
        for statement in (
            "CREATE TABLE z AS SELECT * FROM 'orders.parquet'",
            f"COPY (SELECT * FROM 'orders.parquet') TO '{tmp_path}/x.parquet'",
            "CACHE TABLE k AS SELECT * FROM 'orders.parquet'",
            "EXPLAIN ANALYZE SELECT * FROM 'orders.parquet'",
            "CREATE MODEL m OPTIONS (model_type = 'linear_reg', label = 'price') AS SELECT * FROM 'orders.parquet'",
        ):
            assert Runner(session, Options(), io.StringIO()).run_script(statement) == 2, statement
        assert runner.run_script("SELECT max(price) FROM 'orders.parquet'") == 0
    finally:
        session.controls.max_bytes = None
        session.execute("CLEAR CACHE")


RESUMED = """
CREATE TABLE IF NOT EXISTS log (n INT);
CREATE TEMPORARY VIEW v AS SELECT 5 AS five, max(at) AS stop FROM gate;
SET sqlshell.timeZone = 'Asia/Tokyo';
.mode jsonl
SELECT max(five) AS m FROM v \\gset
INSERT INTO log SELECT :m FROM v;
.foreach i in SELECT id FROM range(3) ORDER BY id
INSERT INTO log VALUES (:i);
SELECT raise_error('in the loop') FROM v WHERE :i = stop;
.end
.if (SELECT count(*) FROM log) = 4
INSERT INTO log VALUES (100);
SELECT raise_error('in the branch') FROM v WHERE stop = 100;
.else
INSERT INTO log VALUES (200);
.end
.read {part}
SELECT n, current_timezone() AS z, mine, :m AS m FROM log, v, w ORDER BY n;
"""
PART = """
CREATE TEMPORARY VIEW w AS SELECT 7 AS mine;
INSERT INTO log VALUES (300);
SELECT raise_error('in the file') FROM v WHERE stop = 300;
"""


def attempt(session: Session, script: str, file: Path, *, resume: bool, **variables: Any) -> tuple[int, str]:
    """Run a script with a record, in a session that knows nothing of the runs before."""
    for view in list(session.views):
        session.views.pop(view)
    session.execute("RESET sqlshell.timeZone")
    out = io.StringIO()
    runner = Runner(session, Options(format="csv", variables=dict(variables)), out)
    runner.checkpoint = Checkpoint(str(file), {}, resume=resume)
    code = runner.run_script(script)
    runner.close()
    return code, out.getvalue()


def test_a_resumed_script_does_nothing_twice(session: Session, tmp_path: Path) -> None:
    part, file = tmp_path / "part.sql", tmp_path / "done"
    part.write_text(PART)
    script = RESUMED.replace("{part}", str(part))
    session.execute("CREATE TABLE gate (at INT)")
    try:
        for stop, code in ((1, 1), (2, 1), (100, 1), (300, 1), (-1, 0), (-1, 0)):
            session.execute(f"INSERT OVERWRITE gate VALUES ({stop})")
            found, out = attempt(session, script, file, resume=stop != 1)
            assert found == code, (stop, out)
            if stop == -1 and out:
                rows = [json.loads(line) for line in out.splitlines()[-6:]]  # .mode jsonl ran again, too
                assert [row["n"] for row in rows] == [0, 1, 2, 5, 100, 300]
                assert {(row["z"], row["mine"], row["m"]) for row in rows} == {("Asia/Tokyo", 7, 5)}
        assert out == ""  # all was done
        assert session.execute("SELECT * FROM log").row_count == 6
    finally:
        session.execute("RESET sqlshell.timeZone")


def test_a_transaction_is_done_whole_or_not_at_all(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "done"
    session.execute("CREATE TABLE t (a INT)")
    session.execute("CREATE TABLE gate (at INT)")
    script = (
        "INSERT INTO t VALUES (1);\nBEGIN TRANSACTION;\nINSERT INTO t VALUES (2);\n"
        "SELECT raise_error('x') FROM gate WHERE at = 1;\nINSERT INTO t VALUES (3);\nCOMMIT;\n"
        "CREATE FUNCTION two() RETURNS INT RETURN 2;\nCREATE TEMPORARY FUNCTION three() RETURNS INT RETURN 3;\n"
        "SELECT raise_error('y') FROM gate WHERE at = 2;\nSELECT two() + three() AS five;"
    )
    for at, code in ((1, 1), (2, 1), (0, 0)):
        session.execute(f"INSERT OVERWRITE gate VALUES ({at})")
        session.functions.clear()
        found, out = attempt(session, script, file, resume=at != 1)
        assert found == code, out
        if session.transaction is not None:
            session.execute("ROLLBACK")  # as the end of the process does
    assert out.endswith("five\n5\n")
    assert [row[0] for row in session.execute("SELECT a FROM t ORDER BY a").rows()] == [1, 2, 3]


def test_a_changed_script_is_refused_by_its_line(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "done"
    script = "CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nSELECT raise_error('x');\n"
    assert attempt(session, script, file, resume=False)[0] == 1
    for changed, line in (
        (script.replace("(1)", "(2)"), 2),
        ("SELECT 0;\n" + script, 1),
        (script.replace("INSERT INTO t VALUES (1);\n", ""), 2),
    ):
        capsys.readouterr()
        assert attempt(session, changed, file, resume=True)[0] == 2
        assert f"line {line} was changed" in capsys.readouterr().err
    with pytest.raises(UsageError, match="did not end"):
        Checkpoint(str(file), {}, resume=False)
    with pytest.raises(UsageError, match="other parameters"):
        Checkpoint(str(file), {"day": 1}, resume=True)
    assert attempt(session, script.replace("raise_error('x')", "1"), file, resume=True)[0] == 0
    assert attempt(session, "SELECT 1 AS a", file, resume=False) == (
        0,
        "a\n1\n",
    )  # the run before was complete
    assert session.execute("SELECT * FROM t").row_count == 1
    file.write_text("nonsense\n")
    with pytest.raises(UsageError, match="no checkpoint"):
        Checkpoint(str(file), {}, resume=True)


def test_values_keep_their_types(session: Session) -> None:
    [row] = session.execute(
        "SELECT 1, 1.50, 0.1D, double('nan'), true, NULL, 'a', X'00FF', DATE'2024-02-29',"
        " TIMESTAMP'2024-01-01 10:00:00', TIMESTAMP_NTZ'2024-01-01 10:00:00', array(1.5, NULL),"
        " map('a', DATE'2024-01-01'), named_struct('x', 1)"
    ).rows()
    back = decoded(json.loads(json.dumps(encoded(list(row)))))
    assert [repr(v) for v in back] == [repr(v) for v in row]


def test_killed_and_resumed(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    slow = "SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id % 7 > b.id % 11"
    script.write_text(f"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n{slow};\nSELECT a FROM t;\n")
    options = ["--warehouse", str(tmp_path / "wh"), "--checkpoint", str(tmp_path / "done"), "--format", "csv"]
    process = subprocess.Popen([*COMMAND, *options, "-f", str(script)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (tmp_path / "done").exists() and '"at": "0.1"' in (tmp_path / "done").read_text():
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    script.write_text(script.read_text().replace(slow, "SELECT 0 AS zero"))
    done = run(*options, "--resume", "-f", str(script))
    assert (done.returncode, done.stdout) == (0, "zero\n0\na\n1\n"), done.stderr
    assert run("--resume", "-c", "SELECT 1").returncode == 2
