"""The command line as a user types it: output, errors, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "sample_data"
COMMAND = [sys.executable, "-m", "sqlshell.shell.cli"]


def run(
    *args: str, stdin: str | None = None, cwd: Path = SAMPLES, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        input=stdin,
        timeout=120,
        check=False,
    )


def test_command_prints_a_box() -> None:
    done = run("-c", "SELECT count(*) AS orders FROM 'orders.parquet'")
    assert done.returncode == 0
    assert "│ orders │" in done.stdout
    assert "│   2000 │" in done.stdout
    assert done.stderr == ""


def test_csv_is_data_only() -> None:
    done = run("--format", "csv", "-c", "SELECT 1 AS a, NULL AS b, 'x,y' AS c")
    assert done.stdout == 'a,b,c\n1,,"x,y"\n'


def test_jsonl_keeps_nested_values() -> None:
    done = run("--format", "jsonl", "-c", "SELECT array(1, 2) AS a, named_struct('x', 1) AS s, true AS t")
    assert json.loads(done.stdout) == {"a": [1, 2], "s": {"x": 1}, "t": True}


def test_error_names_place_and_suggestion() -> None:
    done = run("-c", "SELECT prodct FROM 'orders.parquet'")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "[UNRESOLVED_COLUMN" in done.stderr
    assert "1:8 | SELECT prodct" in done.stderr
    assert "`product`" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_file_is_a_source_error() -> None:
    done = run("-c", "SELECT * FROM 'order.parquet'")
    assert done.returncode == 3
    assert "`orders.parquet`" in done.stderr


def test_script_stops_at_the_first_error(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text("SELECT 1 AS a;\nSELECT 1/0;\nSELECT 2 AS b;\n")
    done = run("run", str(script))
    assert done.returncode == 1
    assert "│ a │" in done.stdout
    assert "│ b │" not in done.stdout
    assert f"{script}:2:" in done.stderr
    assert "DIVIDE_BY_ZERO" in done.stderr


def test_statements_from_a_pipe() -> None:
    done = run("--format", "csv", stdin="SELECT 1 AS a; SELECT 'ž' AS b;")
    assert done.stdout == "a\n1\nb\nž\n"


def test_usage_errors() -> None:
    assert run("frobnicate").returncode == 2
    assert run("--set", "sqlshell.nonsense=1", "-c", "SELECT 1").returncode == 2
    assert run("run", "no_such_file.sql").returncode == 3


def test_other_dialects() -> None:
    done = run("--dialect", "duckdb", "--format", "csv", "-c", "FROM 'orders.parquet' SELECT count(*) AS n")
    assert done.stdout == "n\n2000\n"


def test_interrupt_ends_a_long_query_quickly() -> None:
    sql = "SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id % 7 > b.id % 11"
    process = subprocess.Popen(
        [*COMMAND, "-c", sql], cwd=SAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(3)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_tour_runs() -> None:
    done = run("run", "tour.sql")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "espresso machine" in done.stdout
