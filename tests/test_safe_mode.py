"""Safe mode: ways out that must be closed, and what must go on working inside."""

from __future__ import annotations

import inspect
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import sqlshell
from sqlshell import safe_mode
from sqlshell.commands import _HANDLERS
from sqlshell.errors import Error, InterfaceError, SafeModeError
from sqlshell.exec.confine import landlock_version
from sqlshell.expr import expr
from sqlshell.plan import logical, logical_write
from sqlshell.plan.logical import Plan
from sqlshell.safe_mode import EXPRESSIONS, PLANS, READS, WRITES
from sqlshell.shell.cli import complete
from sqlshell.shell.config_file import load
from sqlshell.shell.exits import UsageError
from sqlshell.shell.options import build_parser
from sqlshell.shell.runner import Options, Runner
from sqlshell.storage import policy
from tests.cli.test_command import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlshell.connect.dbapi import Connection


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`inside/` is allowed, `outside/` is not; `wh/` is the warehouse, made before by a session that trusts."""
    root = tmp_path_factory.mktemp("safe").resolve()
    inside, outside = root / "inside", root / "outside"
    for folder in (inside / "days", outside):
        folder.mkdir(parents=True)
    (outside / "secret.csv").write_text("word\nhush\n")
    (outside / "secret.sql").write_text("SELECT 'hush' AS word;\n")
    with sqlshell.connect(str(root / "wh")) as con:
        for statement in (
            f"COPY (SELECT id, id * 2 AS b FROM range(1000)) TO '{inside}/a.parquet'",
            f"COPY (SELECT id FROM range(10)) TO '{inside}/days/1.parquet'",
            f"COPY (SELECT 'hush' AS word) TO '{outside}/secret.parquet'",
            "CREATE TABLE t AS SELECT id, id % 2 = 0 AS even FROM range(100)",
            f"CREATE TABLE far (word STRING) USING delta LOCATION '{outside}/far'",
            "INSERT INTO far VALUES ('hush'), ('hush hush')",
            f"CREATE TABLE listed (word STRING) USING csv OPTIONS (header 'true') LOCATION '{outside}/secret.csv'",
            f"CREATE VIEW peek AS SELECT * FROM '{outside}/secret.parquet'",
            f"CREATE TABLE delta.`{inside}/shallow` SHALLOW CLONE far",
            "CREATE TABLE copied SHALLOW CLONE far",
            "CREATE FUNCTION py(x INT) RETURNS INT LANGUAGE PYTHON AS $$ return open('/etc/passwd').read() and x $$",
        ):
            con.execute(statement)
    os.symlink(outside / "secret.parquet", inside / "link.parquet")
    os.symlink(outside, inside / "way")
    os.symlink(outside / "secret.parquet", inside / "days" / "2.parquet")
    yield root


@pytest.fixture(scope="module")
def safe(places: Path) -> Iterator[Connection]:
    with sqlshell.connect(str(places / "wh"), safe=True, allow=[str(places / "inside")]) as con:
        yield con


@pytest.fixture(autouse=True)
def _here(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places / "inside")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM '{out}/secret.parquet'",
        "SELECT * FROM '../outside/secret.parquet'",
        "SELECT * FROM 'days/../../outside/secret.parquet'",
        "SELECT * FROM '{out}/*.parquet'",
        "SELECT * FROM '*/../../outside/*.parquet'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM text.`/proc/self/environ`",
        "SELECT * FROM csv.`{out}/secret.csv`",
        "SELECT * FROM 'file://{out}/secret.parquet'",
        "SELECT * FROM 'file:{out}/secret.parquet'",
        "SELECT * FROM 'FILE://{out}/secret.parquet'",
        "SELECT * FROM 'file:///%65tc/passwd'",
        "SELECT * FROM '~/.bashrc'",
        "SELECT * FROM 'link.parquet'",
        "SELECT * FROM 'way/secret.parquet'",
        "SELECT * FROM 'way/*.parquet'",
        "SELECT * FROM '*/secret.parquet'",
        "SELECT * FROM 'days'",
        "SELECT * FROM 'days/*.parquet'",
        "SELECT * FROM 's3://bucket/x.parquet'",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "SELECT * FROM delta.`{out}/far`",
        "SELECT * FROM delta.`{out}/far@v1`",
        "SELECT * FROM delta.`shallow`",
        "SELECT * FROM delta.`s3://bucket/t`",
        "SELECT * FROM far",
        "SELECT * FROM far VERSION AS OF 1",
        "SELECT * FROM copied",
        "SELECT * FROM listed",
        "SELECT * FROM peek",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM peek)",
        "SELECT (SELECT max(word) FROM '{out}/secret.parquet')",
        "WITH x AS (SELECT * FROM '{out}/secret.parquet') SELECT 1 FROM x",
        "DESCRIBE QUERY SELECT * FROM '{out}/secret.parquet'",
        "DESCRIBE HISTORY far",
        "DESCRIBE DETAIL delta.`{out}/far`",
        "EXPLAIN SELECT * FROM peek",
        "EXPLAIN ANALYZE SELECT * FROM peek",
        "EXPLAIN INSERT INTO t VALUES (1, true)",
        "SUMMARIZE '{out}/secret.parquet'",
        "CREATE TEMPORARY VIEW v USING parquet OPTIONS (path '{out}/secret.parquet')",
        "CREATE TEMPORARY VIEW v USING delta OPTIONS (path '{out}/far')",
        "CREATE TEMPORARY VIEW v AS SELECT * FROM '{out}/secret.parquet'",
        "EXECUTE IMMEDIATE 'SELECT * FROM ''{out}/secret.parquet'''",
        "BEGIN SELECT * FROM '{out}/secret.parquet'; END",
        "BEGIN CREATE TABLE x AS SELECT 1 AS a; END",
        "CACHE TABLE c AS SELECT * FROM '{out}/secret.parquet'",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS $$ return x $$",
        "CREATE TEMPORARY FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS $$ return x $$",
        "CREATE FUNCTION f(x INT) RETURNS INT RETURN x",
        "SELECT py(1)",
        "SELECT count(*) FROM t WHERE py(CAST(id AS INT)) = 1",
        "EXPORT MODEL m TO '{out}/m'",
        "CONVERT TO DELTA parquet.`days`",
        "DROP VIEW peek",
        "DROP TABLE t",
        "CREATE TABLE x AS SELECT 1 AS a",
        "INSERT INTO t VALUES (1, true)",
        "INSERT OVERWRITE t VALUES (1, true)",
        "UPDATE t SET even = true",
        "DELETE FROM t",
        "TRUNCATE TABLE t",
        "OPTIMIZE t",
        "VACUUM t",
        "ALTER TABLE t ADD COLUMN x INT",
        "CREATE SCHEMA s",
        "COPY (SELECT 1) TO 'x.parquet'",
        "COPY (SELECT 1) TO '{out}/x.parquet'",
        "COPY INTO t FROM '{out}/secret.parquet' FILEFORMAT = PARQUET",
        "CREATE MODEL m OPTIONS (model_type = 'linear_reg', input_label_cols = ['b']) AS SELECT id, b FROM 'a.parquet'",
        "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT 'http://attacker')",
        "SET sqlshell.safe = false",
        "RESET sqlshell.safe",
        "SET sqlshell.spill_dir = '{out}'",
        "SET sqlshell.memory_limit = '900GB'",
        "RESET sqlshell.memory_limit",
        "SET sqlshell.workers = 900",
        "SET spark.sql.autoBroadcastJoinThreshold = '900GB'",
        "SET sqlshell.optimizer.disabled = 'prune_columns'",
        "SET sqlshell.vacuum.retentionCheck = false",
    ],
)
def test_ways_out_are_closed(safe: Connection, places: Path, statement: str) -> None:
    before = sorted(p for p in places.rglob("*"))
    with pytest.raises(Error) as raised:
        safe.execute(statement.replace("{out}", str(places / "outside"))).fetchall()
    assert raised.value.condition in {"SAFE_MODE", "UNSUPPORTED_FEATURE", "NOT_SUPPORTED"}, raised.value
    assert "hush" not in str(raised.value)
    assert sorted(p for p in places.rglob("*")) == before


def test_inside_everything_reads(safe: Connection) -> None:
    assert safe.execute("SELECT count(*), sum(b) FROM 'a.parquet'").fetchall() == [(1000, 999000)]
    assert safe.execute("SELECT count(*) FROM t WHERE even").fetchall() == [(50,)]
    assert safe.execute("SELECT count(*) FROM './days/../a.*'").fetchall() == [(1000,)]
    safe.execute("CREATE TEMPORARY VIEW v AS SELECT id, b FROM 'a.parquet'")
    safe.execute("CACHE TABLE v")
    assert safe.execute("SELECT max(b) FROM v JOIN t USING (id)").fetchall() == [(198,)]
    safe.execute("CREATE TEMPORARY FUNCTION twice(x INT) RETURNS INT RETURN x * 2")
    assert safe.execute("SELECT twice(4)").fetchall() == [(8,)]
    safe.execute("SET TIME ZONE 'Europe/Berlin'")
    safe.execute("RESET")
    assert safe.execute("SET sqlshell.safe").fetchall()[0][1] == "true"
    assert safe.execute("SET sqlshell.memory_limit").fetchall()[0][1] != "<undefined>"
    with pytest.raises(SafeModeError):
        safe.execute("SELECT * FROM '../outside/secret.csv'")


def test_data_of_the_caller(places: Path) -> None:
    import pyarrow as pa

    with sqlshell.connect(str(places / "wh"), safe=True) as con:
        con.register("mine", pa.table({"a": [1, 2]}))
        assert con.execute("SELECT sum(a) FROM mine").fetchall() == [(3,)]


def test_a_link_swapped_after_the_view_was_made(safe: Connection, places: Path) -> None:
    link = places / "inside" / "swapped.parquet"
    os.symlink(places / "inside" / "a.parquet", link)
    try:
        safe.execute(
            "CREATE OR REPLACE TEMPORARY VIEW swapped USING parquet OPTIONS (path 'swapped.parquet')"
        )
        assert safe.execute("SELECT count(*) FROM swapped").fetchall() == [(1000,)]
        link.unlink()
        os.symlink(places / "outside" / "secret.parquet", link)
        with pytest.raises(SafeModeError, match="really"):
            safe.execute("SELECT * FROM swapped").fetchall()
    finally:
        link.unlink()


def test_workers_check_for_themselves(safe: Connection, places: Path) -> None:
    """A plan that reaches a worker past the session's own checks."""
    session = safe.session
    with pytest.raises(SafeModeError):
        session.engine.call("describe_source", str(places / "outside" / "secret.csv"), "csv", {}, None, "/")
    with sqlshell.connect() as trusting:
        bound = trusting.session.bind_text(f"SELECT word FROM '{places}/outside/secret.parquet'")
        graph = trusting.session.stages(trusting.session.optimize(bound.plan).plan)
    with pytest.raises(SafeModeError):
        session.engine.run(graph)


def _confined(code: str, allowed: policy.Policy) -> str:
    """What a worker's process says that runs `code` past all checks in Python."""
    program = (
        "import sys\nfrom sqlshell.exec import confine\nconfine.enter()\n"
        f"try:\n    {code}\nexcept Exception as e:\n    print(type(e).__name__, e)\nelse:\n    print('done')\n"
    )
    environment = os.environ | {policy.VARIABLE: allowed.packed()}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.skipif(landlock_version() == 0, reason="the kernel has no Landlock")
def test_the_kernel_confines_workers(places: Path) -> None:
    inside, outside = places / "inside", places / "outside"
    allowed = policy.Policy((str(inside),))
    read = "import polars; polars.read_parquet({!r})"
    assert _confined(read.format(str(inside / "a.parquet")), allowed) == "done\n"
    assert "ermission denied" in _confined(read.format(str(outside / "secret.parquet")), allowed)
    assert "ermission denied" in _confined(read.format(str(inside / "link.parquet")), allowed)
    assert "ermission denied" in _confined(f"open({str(inside / 'new')!r}, 'w')", allowed)
    assert "ermission denied" in _confined(f"import os; os.unlink({str(inside / 'link.parquet')!r})", allowed)
    if landlock_version() >= 4:
        connect = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
        assert "PermissionError" in _confined(connect, allowed)


def test_writes_when_allowed(places: Path) -> None:
    inside, outside = places / "inside", places / "outside"
    with sqlshell.connect(str(places / "wh2"), safe=True, allow=[str(inside)], allow_writes=True) as con:
        con.execute("CREATE TABLE t AS SELECT id, id * 2.0 AS b FROM range(100)")
        con.execute("DELETE FROM t WHERE id < 10")
        con.execute("COPY t TO 'made.parquet'")
        con.execute(
            "CREATE MODEL m OPTIONS (model_type = 'linear_reg', input_label_cols = ['b']) AS SELECT id, b FROM t"
        )
        assert con.execute("SELECT count(*) FROM ML.PREDICT(MODEL m, TABLE t)").fetchall() == [(90,)]
        assert con.execute("SELECT count(*) FROM 'made.parquet'").fetchall() == [(90,)]
        for statement in (
            f"COPY t TO '{outside}/x.parquet'",
            "COPY t TO '../outside/x.parquet'",
            "COPY t TO 'way/x.parquet'",
            "COPY t TO 'link.parquet' (OVERWRITE)",
            "COPY t TO '.' (OVERWRITE)",
            "COPY t TO 's3://bucket/x.parquet'",
            f"CREATE TABLE x (a INT) USING delta LOCATION '{outside}/x'",
            f"CREATE TABLE delta.`{outside}/x` AS SELECT 1 AS a",
            f"CREATE TABLE x SHALLOW CLONE delta.`{outside}/far`",
            f"INSERT INTO delta.`{outside}/far` VALUES ('a')",
            f"DELETE FROM delta.`{outside}/far`",
            f"COPY INTO t FROM '{outside}/secret.parquet' FILEFORMAT = PARQUET",
            "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
        ):
            with pytest.raises(SafeModeError):
                con.execute(statement)
    (inside / "made.parquet").unlink()
    assert sorted(p.name for p in outside.iterdir()) == ["far", "secret.csv", "secret.parquet", "secret.sql"]


def test_one_way(places: Path) -> None:
    with sqlshell.connect(str(places / "wh")) as con:
        con.execute(f"CREATE TEMPORARY VIEW v USING parquet OPTIONS (path '{places}/outside/secret.parquet')")
        assert con.execute("SELECT * FROM v").fetchall() == [("hush",)]
        con.execute("SET sqlshell.safe = true")
        assert con.execute("SELECT count(*) FROM 'a.parquet'").fetchall() == [(1000,)]
        for statement in ("SELECT * FROM v", "SET sqlshell.safe = false", "INSERT INTO t VALUES (1, true)"):
            with pytest.raises(SafeModeError):
                con.execute(statement)
        with pytest.raises(SafeModeError):
            con.barrier_map("SELECT 1 AS a", _never, 1)


def _never(context: object, partitions: object) -> None:
    raise AssertionError


def test_arguments(places: Path) -> None:
    with pytest.raises(InterfaceError):
        sqlshell.connect(allow=["/"])
    with sqlshell.connect("sqlshell:///wh?safe=true", max_rows=5) as con:
        assert len(con.execute("SELECT * FROM range(5)").fetchall()) == 5
        for query in ("SELECT * FROM range(6)", "SELECT * FROM VALUES (1), (2), (3), (4), (5), (6)"):
            with pytest.raises(Error, match="more than 5 rows"):
                con.execute(query).fetchall()


def test_every_statement_and_node_was_thought_of() -> None:
    """A new one is refused until somebody lists it here or there."""
    assert not READS & WRITES
    assert set(_HANDLERS) - READS - WRITES == {"CreateSecret", "DropSecret", "CreatePythonFunction"}
    for module in (logical, logical_write):
        plans = {
            c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Plan) and c is not Plan
        }
        assert plans - PLANS == ({logical_write.Write} if module is logical_write else set())
    found = {c for c in vars(expr).values() if inspect.isclass(c) and issubclass(c, expr.Expr)}
    assert found - EXPRESSIONS == {expr.Expr, expr.SubqueryExpr, expr.PythonCall}


def test_an_unlisted_node_is_refused(safe: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_mode, "PLANS", PLANS - {logical.Sort})
    with pytest.raises(SafeModeError, match="Sort"):
        safe.execute("SELECT * FROM (SELECT * FROM t ORDER BY id LIMIT 2 OFFSET 1) ORDER BY 1")
    monkeypatch.setattr(safe_mode, "EXPRESSIONS", EXPRESSIONS - {expr.Cast})
    with pytest.raises(SafeModeError, match="Cast"):
        safe.execute("SELECT CAST(id AS STRING) FROM t")


# -- the command line


@pytest.mark.parametrize(
    "script",
    [
        ".output {out}/x.csv\nSELECT 1;",
        ".output x.csv\nSELECT 1;",
        ".output | cat",
        ".once x.csv\nSELECT 1;",
        "SELECT 1 \\g x.csv",
        "SELECT 1 \\g | cat",
        ".tee x.csv",
        ".read {out}/secret.sql",
        "SOURCE {out}/secret.sql;",
        ".check {out}/secret.sql",
        ".schema '{out}/secret.parquet'",
        ".cd ..",
        ".cd",
        ".shell echo hush",
        "\\! echo hush",
        ".edit SELECT 1",
        ".pager on",
        ".watch 1 SELECT * FROM '{out}/secret.csv'",
        ".set x = (SELECT max(word) FROM '{out}/secret.csv')",
        "SELECT word FROM '{out}/secret.csv' \\gset",
        "SELECT 'SELECT * FROM ''{out}/secret.csv''' \\gexec",
        ".foreach w in SELECT word FROM '{out}/secret.csv'\nSELECT :w;\n.end",
    ],
)
def test_commands_have_no_way_out(
    safe: Connection, places: Path, script: str, capfd: pytest.CaptureFixture[str]
) -> None:
    inside = places / "inside"
    before = sorted(inside.rglob("*"))
    out = io.StringIO()
    runner = Runner(safe.session, Options(format="csv"), out)
    assert runner.run_script(script.replace("{out}", str(places / "outside"))) == 1
    runner.close()
    printed, said = capfd.readouterr()
    assert "SAFE_MODE" in said
    assert out.getvalue() + printed == "" or script.startswith(".watch")
    assert sorted(inside.rglob("*")) == before


def test_the_command_line(places: Path) -> None:
    wh = ("--warehouse", str(places / "wh"))
    inside = places / "inside"
    fine = run("--safe", *wh, "--format", "csv", "-c", "SELECT count(*) AS n FROM 'a.parquet'", cwd=inside)
    assert (fine.returncode, fine.stdout) == (0, "n\n1000\n"), fine.stderr
    cut = run("--safe", *wh, "--max-rows", "3", "--format", "csv", "-c", "SELECT * FROM range(9)", cwd=inside)
    assert cut.stdout == "id\n0\n1\n2\n"
    assert "6 rows not shown" in cut.stderr
    allowed = ("--allow", str(places / "outside"))
    other = run("--safe", *allowed, *wh, "--format", "csv", "-c", "SELECT * FROM far", cwd=inside)
    assert other.stdout == "word\nhush\nhush hush\n", other.stderr
    assert run("--allow", "/", "-c", "SELECT 1").returncode == 2
    assert run("--safe", "-o", "x.csv", "-c", "SELECT 1", cwd=inside).returncode == 1
    assert not (inside / "x.csv").exists()


def test_configuration_cannot_loosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project is not trusted with its own limits, once the user's own file or command line asks for safety."""
    project, own = tmp_path / "project", tmp_path / "sqlshell"
    project.mkdir()
    own.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def effect(*arguments: str, profile: str | None = None) -> tuple[bool, list[str], bool]:
        options = build_parser().parse_args(list(arguments))
        complete(options, load(profile))
        return options.safe, options.allow, options.allow_writes

    theirs = project / ".sqlshell.toml"
    theirs.write_text('safe = true\nallow = ["/"]\nallow_writes = true\n')
    assert effect("--safe") == (True, [], False)
    assert effect() == (True, ["/"], True)  # nobody asked for more than the project does
    assert effect("--allow", "data") == (True, ["data"], True)
    (own / "config.toml").write_text("safe = true\n")
    for text in (
        "safe = false\n",
        'allow = ["/"]\n',
        "allow_writes = true\n",
        '[profiles.x]\nallow = ["/"]\n',
    ):
        theirs.write_text(text)
        with pytest.raises(UsageError, match="safe mode is on in"):
            effect(profile="x" if "profiles" in text else None)
    theirs.write_text('[settings]\n"sqlshell.safe" = false\n')
    assert effect() == (True, [], False)
    (own / "config.toml").write_text('[settings]\n"sqlshell.safe" = true\n')
    theirs.write_text('allow = ["/"]\n')
    with pytest.raises(UsageError):
        effect()
    (own / "config.toml").unlink()
    assert effect("--safe") == (True, [], False)
    for wrong in ('allow = "/"\n', "allow = [1]\n", "safe = 1\n"):
        theirs.write_text(wrong)
        with pytest.raises(UsageError, match=r"\.sqlshell\.toml:1"):
            effect()


def test_a_session_stays_safe(places: Path) -> None:
    done = run(
        "--safe", "--set", "sqlshell.safe=false", "--on-error", "continue", "--warehouse", str(places / "wh"), "-c",
        f"SELECT * FROM '{places}/outside/secret.csv'; SET sqlshell.safe = false; SELECT * FROM far",
        cwd=places / "inside",
    )  # fmt: skip
    assert done.stderr.count("SAFE_MODE") == 3
    assert done.stdout == ""
