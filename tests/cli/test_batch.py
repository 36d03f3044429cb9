"""The command line for machines: exit codes, parameters, files, checks, script commands, configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_command import COMMAND, SAMPLES, run

if TYPE_CHECKING:
    from pathlib import Path

SLOW = "SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id % 7 > b.id % 11"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-c", "SELECT 1"], 0),
        (["-c", "SELECT 1/0"], 1),
        (["-c", "SELEC 1"], 1),
        (["--nonsense"], 2),
        (["-c", ".nonsense"], 2),
        (["--set", "nonsense", "-c", "SELECT 1"], 2),
        (["-p", "x:int=abc", "-c", "SELECT :x"], 2),
        (["-c", "SELECT * FROM 'nosuch.parquet'"], 3),
        (["--timeout", "1s", "-c", SLOW], 4),
        (["-c", ".assert 1 = 2"], 5),
        (["-c", ".assert NULL"], 5),
        (["-c", ".assert 1 = 1, 'fine'"], 0),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert code == 0 or (done.stdout == "" and done.stderr)


def test_going_on_after_errors_still_fails() -> None:
    done = run(
        "--format", "csv", "--on-error", "continue", "-c", "SELECT 1/0; SELECT 2 AS b", "-c", "SELECT 3 AS c"
    )
    assert done.returncode == 1
    assert done.stdout == "b\n2\nc\n3\n"


def test_errors_as_json() -> None:
    done = run("--errors", "json", "-c", "SELECT 1;\nSELECT\n  nosuch FROM 'orders.parquet'")
    record = json.loads(done.stderr)
    assert record["error"].startswith("UNRESOLVED_COLUMN")
    assert (record["line"], record["column"]) == (3, 3)
    assert record["statement"][record["start"] : record["end"]] == "nosuch"
    assert record["exit_code"] == done.returncode == 1


def test_parameters_never_change_the_statement() -> None:
    evil = "x' OR 1=1; DROP VIEW v --"
    done = run("--format", "jsonl", "-p", f"a={evil}", "-p", "d:date=2026-01-31", "-p", "n:decimal=1.50",
               "-c", "SELECT :a AS a, :d + INTERVAL 1 DAY AS d, :n AS n")  # fmt: skip
    assert json.loads(done.stdout) == {"a": evil, "d": "2026-02-01", "n": 1.5}


def test_output_file_by_extension(tmp_path: Path) -> None:
    for name in ("x.csv", "x.parquet", "x.jsonl", "x.arrow", "x.md"):
        done = run("-o", str(tmp_path / name), "-c", "SELECT * FROM 'orders.parquet'")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    count = "SELECT count(*) AS n FROM '{}'"
    for name in ("x.csv", "x.parquet", "x.jsonl"):
        done = run("--format", "csv", "-c", count.format(tmp_path / name))
        assert done.stdout == "n\n2000\n"
    assert run("-o", str(tmp_path / "x.nosuch"), "-c", "SELECT 1").returncode != 0


def test_failed_run_leaves_the_output_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    assert run("-o", str(path), "-c", "SELECT 1; SELECT 1/0").returncode == 1
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_large_results_are_written_by_workers() -> None:
    done = run("--format", "csv", "-c", "SELECT id, repeat('x', 10) AS s FROM range(100000) ORDER BY id")
    lines = done.stdout.splitlines()
    assert lines[0] == "id,s"
    assert lines[1:] == [f"{i},xxxxxxxxxx" for i in range(100_000)]


def test_max_rows_says_so() -> None:
    done = run("--format", "csv", "--max-rows", "2", "-c", "FROM range(5)")
    assert done.stdout == "id\n0\n1\n"
    assert "3 rows not shown" in done.stderr


SCRIPT = """
-- every kind of step
CREATE TEMPORARY VIEW v AS SELECT * FROM 'orders.parquet';
SELECT count(*) AS n, 'x' AS word FROM v \\gset p_
.set top = (SELECT max(order_id) FROM v)
.assert :p_n = 2000, 'all orders'
SELECT :top AS top, :p_word AS w;
SELECT top + 1 AS next FROM _;
.if :p_n > 5000
  SELECT 'many' AS answer;
.elif :p_n > 1000
  SELECT 'some' AS answer;
.else
  SELECT 'few' AS answer;
.end
.foreach a, b in SELECT id, id * 2 FROM range(2)
SELECT :a AS a, :b AS b;
.end
SELECT 'SELECT ' || id || ' AS made' FROM range(2) \\gexec
"""


def test_script_steps(tmp_path: Path) -> None:
    path = tmp_path / "s.sql"
    path.write_text(SCRIPT)
    done = run("--format", "csv", "-f", str(path))
    assert done.stderr == ""
    assert done.stdout.split() == ["top,w", "2000,x", "next", "2001", "answer", "some", "a,b", "0,0", "a,b", "1,2",
                                   "made", "0", "made", "1"]  # fmt: skip
    checked = run("--check", "-f", str(path))
    assert checked.returncode == 0, checked.stderr


def test_check_finds_every_error_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sql"
    path.write_text(
        "CREATE TEMPORARY VIEW v AS SELECT 1 AS a;\nSELECT a FROM v;\nSELECT b FROM v;\nSELECT 1 FROM;\n"
        "SELECT upper(a, a) FROM v;\n.nosuch\nSELECT 1/0;\n"
    )
    done = run("--check", "-f", str(path))
    assert done.returncode == 1
    assert [f"{path}:{n}:" in done.stderr for n in range(1, 8)] == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_scripts_read_scripts(tmp_path: Path) -> None:
    (tmp_path / "inner.sql").write_text("SELECT 'inner' AS x;")
    outer = tmp_path / "outer.sql"
    outer.write_text(f"SOURCE {tmp_path}/inner.sql;\n.read {tmp_path}/inner.sql\n.read {outer}\n")
    done = run("--format", "csv", "run", str(outer))
    assert done.returncode == 2
    assert done.stdout.count("inner") > 2
    assert "without end" in done.stderr


def test_results_go_where_they_are_sent(tmp_path: Path) -> None:
    script = (
        f".once {tmp_path}/a.json\nSELECT 1 AS a;\n.output {tmp_path}/b.csv\nSELECT 2 AS b;\n.output\n"
        ".once | tr a-z A-Z\nSELECT 'c' AS x;\n.print done\n"
    )
    done = run("--format", "csv", stdin=script)
    assert done.stdout == "X\nC\ndone\n"
    assert json.loads((tmp_path / "a.json").read_text()) == [{"a": 1}]
    assert (tmp_path / "b.csv").read_text() == "b\n2\n"


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "sqlshell").mkdir()
    path = tmp_path / "sqlshell" / "config.toml"
    zone = '[settings]\n"sqlshell.timeZone" = "Asia/Tokyo"'
    path.write_text(f'format = "csv"\n\n{zone}\n\n[profiles.lines]\nformat = "jsonl"\n')
    assert run("-c", "SELECT timestamp '2026-01-01 00:00:00Z' AS t").stdout == "t\n2026-01-01 09:00:00\n"
    assert run("-P", "lines", "-c", "SELECT 1 AS a").stdout == '{"a":1}\n'
    assert run("--no-config", "-c", "SELECT 1 AS a").stdout.startswith("┌")
    assert "lines" in run("-P", "linse", "-c", "SELECT 1").stderr
    for text, line, hint in (
        ("\nformta = 'csv'\n", 2, "format"),
        ("a = 1\nx =\n", 2, ""),
        ("\n\n[settings]\nsqlshell.wrokers = 2\n", 4, "workers"),
        ("timer = 'yes'\n", 1, "true or false"),
    ):
        path.write_text(text)
        done = run("-c", "SELECT 1")
        assert done.returncode == 2
        assert f"{path}:{line}:" in done.stderr
        assert hint in done.stderr


def test_descriptions_are_json() -> None:
    spec = json.loads(run("--spec").stdout)
    assert {"options", "commands", "formats", "exit_codes"} <= set(spec)
    assert json.loads(run("--info").stdout)["version"] == spec["version"]
    assert {o for x in spec["options"] for o in x["flags"]} >= {
        "-c",
        "-f",
        "-o",
        "-p",
        "--check",
        "--on-error",
    }


def test_fmt_and_transpile(tmp_path: Path) -> None:
    assert run("fmt", stdin="select a,b from t").stdout == "SELECT\n  a,\n  b\nFROM t\n"
    path = tmp_path / "s.sql"
    path.write_text("select 1")
    assert run("fmt", "--check", str(path)).returncode == 1
    assert run("fmt", str(path)).returncode == 0
    assert path.read_text() == "SELECT 1\n"
    assert run("fmt", "--check", str(path)).returncode == 0
    assert (
        "ARRAY_AGG"
        in run("transpile", "--to", "duckdb", stdin="SELECT collect_list(a) FROM t").stdout.upper()
    )
    assert run("transpile", "--to", "dukdb", stdin="SELECT 1").returncode == 1


OWN_TEST = """
statement ok
CREATE TEMPORARY VIEW v AS SELECT 1 AS a, '' AS b, NULL AS c

query ITT
SELECT * FROM v
----
1\t(empty)\tNULL

statement error DIVIDE_BY_ZERO
SELECT 1/0

query I rowsort
VALUES (2), (1)
----
1
2
"""


def test_own_tests(tmp_path: Path) -> None:
    path = tmp_path / "a.slt"
    path.write_text(OWN_TEST)
    done = run("test", str(tmp_path))
    assert (done.returncode, "4 passed, 0 failed" in done.stderr) == (0, True), done.stderr
    path.write_text(path.read_text().replace("1\t(empty)", "2\t(empty)"))
    done = run("test", str(tmp_path))
    assert done.returncode == 5
    assert f"{path}:5:" in done.stderr


def test_summarize() -> None:
    done = run(
        "--format", "jsonl", "-c", "SUMMARIZE SELECT * FROM VALUES (1, 'a'), (2, NULL), (10, 'b') AS t(n, s)"
    )
    n, s = map(json.loads, done.stdout.splitlines())
    assert (n["min"], n["max"], n["count"], n["median"], len(n["histogram"])) == ("1", "10", 3, 2.0, 12)
    assert (s["null_share"], s["approx_distinct"], s["avg"]) == (0.3333, 2, None)


def test_kept_session(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    def client(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=SAMPLES, timeout=120,
                              check=False, env=environment | more)  # fmt: skip

    assert client("--session", "a", "-c", "SELECT 1").returncode == 3
    server = subprocess.Popen(
        [*COMMAND, "--serve", "a"], cwd="/", env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        assert "kept by process" in server.stderr.readline()
        assert (tmp_path / "sqlshell").stat().st_mode & 0o077 == 0
        made = client(
            "--session", "a", "-c", "CREATE TEMPORARY VIEW v AS SELECT count(*) AS n FROM 'orders.parquet'"
        )
        assert made.returncode == 0, made.stderr
        assert client("--format", "csv", "-c", "FROM v", SQLSHELL_SESSION="a").stdout == "n\n2000\n"
        failed = client("--session", "a", "-c", "SELECT 1/0")
        assert (failed.returncode, failed.stdout) == (1, "")
        assert "DIVIDE_BY_ZERO" in failed.stderr
        assert client("--session", "a", "--workers", "3", "-c", "SELECT 1").returncode == 2
        assert client("--serve", "a").returncode == 2
        slow = subprocess.Popen(
            [*COMMAND, "--session", "a", "-c", SLOW], env=environment, stderr=subprocess.DEVNULL
        )
        time.sleep(2)
        slow.send_signal(signal.SIGINT)
        assert slow.wait(timeout=60) == 130
        assert client("--session", "a", "--format", "csv", "-c", "FROM v").stdout == "n\n2000\n"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert list((tmp_path / "sqlshell").iterdir()) == []
