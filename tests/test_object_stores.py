"""s3:// locations against a local S3 server (moto's), which the tests start; skipped where it cannot start.

Answers are compared with the same statements over the same files on the local disk.
"""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error, render_error
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

obstore = pytest.importorskip("obstore")
pytest.importorskip("moto.server")

KEY, SECRET = "AKIAEXAMPLEKEY", "very/Secret+Value"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except OSError:
                if server.poll() is not None:
                    pytest.skip("moto's server does not start here")
                time.sleep(0.1)
        else:
            pytest.skip("moto's server does not answer here")
        request = urllib.request.Request(f"{url}/lake", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        yield url
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> Any:
    from obstore.store import S3Store

    return S3Store(
        "lake",
        config={
            "aws_access_key_id": KEY,
            "aws_secret_access_key": SECRET,
            "aws_endpoint_url": endpoint,
            "aws_region": "us-east-1",
        },
        client_options={"allow_http": True},
    )


def create_secret(endpoint: str, name: str = "s") -> str:
    return (
        f"CREATE OR REPLACE SECRET {name} (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', "
        f"ENDPOINT '{endpoint}', REGION 'us-east-1')"
    )


@pytest.fixture(scope="module")
def session(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("warehouse"))) as s:
        s.execute(create_secret(endpoint))
        yield s


@pytest.fixture(scope="module")
def files(session: Session, bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files below a local directory and in `s3://lake/files`."""
    root = tmp_path_factory.mktemp("files")
    query = "SELECT id, CAST(id AS STRING) AS t, named_struct('x', id * 2, 'y', 'w') AS n FROM range(500)"
    session.execute(f"COPY ({query}) TO '{root}/a.parquet'")
    session.execute(f"COPY ({query}) TO '{root}/a.json'")
    session.execute(f"COPY ({query}) TO '{root}/a.arrow'")
    session.execute(f"COPY (SELECT id, id % 7 AS m FROM range(500)) TO '{root}/a.csv' (HEADER true)")
    (root / "b.csv.gz").write_bytes(gzip.compress(b"id,m\n1,2\n3,4\n"))
    (root / "all.orc").write_bytes((Path(__file__).parent / "data" / "all_types.orc").read_bytes())
    (root / "lines.txt").write_text("one\ntwo\n")
    for k, r in (("1", "a b"), ("2", "c%2Fd")):
        folder = root / "parts" / f"k={k}" / f"r={r}"
        folder.mkdir(parents=True)
        (folder / "f.parquet").write_bytes((root / "a.parquet").read_bytes())
    (root / "parts" / "_SUCCESS").write_bytes(b"")
    (root / "broken.parquet").write_bytes(b"PAR1 this is no Parquet file PAR1")
    upload(bucket, root, "files")
    return root


def upload(bucket: Any, root: Path, prefix: str) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            obstore.put(bucket, f"{prefix}/{path.relative_to(root)}", path.read_bytes())


def rows(session: Session, text: str) -> list[Any]:
    return list(session.execute(text).rows())


def refused(session: Session, text: str) -> Error:
    with pytest.raises(Error) as e:
        rows(session, text)
    return e.value


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*), sum(id), max(t) FROM '{}/a.parquet'",
        "SELECT sum(n.x) FROM '{}/a.parquet' WHERE id BETWEEN 10 AND 20",
        "SELECT count(*), sum(id), max(n.y) FROM '{}/a.json'",
        "SELECT count(*), sum(id), min(t) FROM '{}/a.arrow'",
        "SELECT count(*), sum(id), sum(m) FROM read_files('{}/a.csv', header => true)",
        "SELECT * FROM read_files('{}/b.csv.gz', format => 'csv', header => true)",
        "SELECT * FROM text.`{}/lines.txt`",
        "SELECT * FROM '{}/all.orc'",
        "SELECT length, content FROM binaryFile.`{}/lines.txt`",
        "SELECT k, r, count(*), sum(id) FROM '{}/parts' GROUP BY ALL ORDER BY ALL",
        "SELECT k, r, count(*) FROM '{}/parts/*/*/f.parquet' WHERE k = 2 GROUP BY ALL",
        "SELECT count(*) FROM '{}/[ac].parquet'",
        "SELECT count(*) FROM '{}/parts/**/f.parquet'",
    ],
)
def test_reads_as_the_local_disk(session: Session, files: Path, query: str) -> None:
    assert rows(session, query.format("s3://lake/files")) == rows(session, query.format(files))


def test_several_workers_read_row_group_ranges(endpoint: str, files: Path, tmp_path: Path) -> None:
    with Session(warehouse=str(tmp_path), settings={"sqlshell.partitions": 3}, workers=2) as s:
        s.execute(create_secret(endpoint))
        assert rows(s, "SELECT count(*), sum(id) FROM 's3a://lake/files/parts/'") == [(1000, 249500)]


def test_a_changed_object_is_read_again(session: Session, bucket: Any) -> None:
    for text in (b"id\n1\n", b"id\n2\n"):
        obstore.put(bucket, "changed.csv", text)
        read = "SELECT id FROM read_files('s3://lake/changed.csv', header => true)"
        assert rows(session, read) == [(int(text.split()[1]),)]


@pytest.mark.parametrize(
    ("path", "condition", "word"),
    [
        ("s3://lake/files/b.parquet", "PATH_NOT_FOUND", "a.parquet"),
        ("s3://lake/files/*.pq", "PATH_NOT_FOUND", ""),
        ("s3://nowhere/a.parquet", "BUCKET_NOT_FOUND", "nowhere"),
        ("s3:///a.parquet", "INVALID_URI", "bucket"),
        ("ftp://host/a.parquet", "UNSUPPORTED_FEATURE", "s3://"),
        ("s3://lake/files/broken.parquet", "CORRUPT_INPUT", "broken.parquet"),
    ],
)
def test_errors_say_what_is_wrong(
    session: Session, files: Path, path: str, condition: str, word: str
) -> None:
    error = refused(session, f"SELECT * FROM '{path}'")
    assert error.condition == condition
    assert word in f"{error.message} {error.hint}"


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with Session(warehouse=str(tmp_path), warm=False) as s:
        s.execute(create_secret("http://127.0.0.1:1"))
        assert refused(s, "SELECT * FROM 's3://lake/a.parquet'").condition == "NETWORK_ERROR"


def test_a_refusal_does_not_quote_the_server() -> None:
    from sqlshell.storage.objects import explain

    answer = (
        "Server returned non-2xx status code: 403 Forbidden: <Error><Code>InvalidAccessKeyId</Code>"
        f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId></Error>"
    )
    error = explain(answer, "s3://lake/a.parquet")
    assert error.condition == "ACCESS_DENIED"
    assert KEY not in error.message


# -- credentials


def test_secrets_are_never_shown(session: Session, endpoint: str, files: Path, tmp_path: Path) -> None:
    shown = str(rows(session, "SHOW SECRETS"))
    assert "***" in shown
    assert endpoint in shown
    texts = [shown, repr(session.secrets)]
    texts.append(str(rows(session, "EXPLAIN EXTENDED SELECT * FROM 's3://lake/files/a.parquet'")))
    for statement in (
        create_secret(endpoint).replace("KEY_ID", "KYE_ID"),
        create_secret(endpoint).replace("TYPE s3", "TYPE s4"),
        create_secret(endpoint).replace(", SECRET", " SECRET"),
        create_secret(endpoint)[:-40],
        create_secret(endpoint).replace("OR REPLACE", ""),
        create_secret(endpoint).replace("OR REPLACE", "PERSISTENT"),
        create_secret(endpoint).replace("OR REPLACE", "STRANGE"),
        f"SELECT '{SECRET}' + 1 AS x FROM nowhere",
    ):
        error = refused(session, statement)
        texts.append(repr(error))
        if "nowhere" not in statement:  # a text of the user's own stays as it is
            texts.append(render_error(error))
    for text in texts:
        assert KEY not in text
        assert SECRET not in text


def test_the_history_of_the_prompt_keeps_no_secret(endpoint: str, tmp_path: Path) -> None:
    from sqlshell.shell.repl import _history

    past = _history(tmp_path / "history")
    past.store_string(create_secret(endpoint))
    past.store_string("SELECT 'secret'")
    text = (tmp_path / "history").read_text()
    assert KEY not in text
    assert SECRET not in text
    assert "SELECT 'secret'" in text


def test_the_longest_scope_wins_and_sessions_do_not_share(endpoint: str, files: Path, tmp_path: Path) -> None:
    with Session(warehouse=str(tmp_path)) as s, Session(warehouse=str(tmp_path)) as other:
        s.execute(create_secret("http://127.0.0.1:1", "everywhere"))
        s.execute(create_secret(endpoint, "here").replace("TYPE s3", "TYPE s3, SCOPE 's3://lake/files'"))
        assert rows(s, "SELECT count(*) FROM 's3://lake/files/a.parquet'") == [(500,)]
        assert refused(s, "SELECT * FROM 's3://lake/files2.parquet'").condition == "NETWORK_ERROR"
        assert rows(other, "SHOW SECRETS") == []
        s.execute("DROP SECRET here")
        assert refused(s, "DROP SECRET here").condition == "SECRET_NOT_FOUND"
        assert refused(s, "SELECT * FROM 's3://lake/files/a.parquet'").condition == "NETWORK_ERROR"


def test_profiles_and_environment(
    endpoint: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    query = "SELECT count(*) FROM 's3://lake/files/a.parquet'"
    with Session(warehouse=str(tmp_path)) as s:
        assert rows(s, query) == [(500,)]
    monkeypatch.setenv("AWS_PROFILE", "other")
    with Session(warehouse=str(tmp_path)) as s:
        assert "no profile" in refused(s, query).message
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with Session(warehouse=str(tmp_path)) as s:
        assert rows(s, query) == [(500,)]


# -- Delta tables


@pytest.fixture(scope="module")
def table(session: Session, bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with odd partition values and deletion vectors, on disk and in `s3://lake/table`."""
    root = tmp_path_factory.mktemp("tables") / "t"
    session.execute(
        f"CREATE TABLE t (a INT, p STRING) PARTITIONED BY (p) LOCATION '{root}' "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '4')"
    )
    session.execute("INSERT INTO t VALUES (1, 'x'), (2, 'y z'), (3, '100%'), (4, NULL)")
    session.execute("DELETE FROM t WHERE a = 1")
    session.execute("INSERT INTO t SELECT id, 'x' FROM range(5000)")
    session.execute("DELETE FROM t WHERE p = 'x' AND a % 2 = 0")
    session.execute("INSERT INTO t VALUES (9, 'x')")
    upload(bucket, root, "table")
    return root


@pytest.mark.parametrize("version", ["", " VERSION AS OF 1", " VERSION AS OF 3", "@v4"])
def test_delta_tables_read_as_on_disk(session: Session, table: Path, version: str) -> None:
    query = "SELECT p, count(*), sum(a), max(a) FROM {} GROUP BY p ORDER BY p"
    local, remote = (f"delta.`{where}`{version}" for where in (table, "s3://lake/table"))
    if version == "@v4":
        local, remote = (f"delta.`{where}@v4`" for where in (table, "s3://lake/table"))
    assert rows(session, query.format(remote)) == rows(session, query.format(local))


def test_a_delta_folder_is_never_read_as_plain_files(session: Session, table: Path) -> None:
    counted = rows(session, f"SELECT count(*) FROM '{table}'")
    assert rows(session, "SELECT count(*) FROM 's3://lake/table'") == counted
    error = refused(session, "SELECT * FROM parquet.`s3://lake/table`")
    assert error.condition == "DELTA_INVALID_FORMAT"


def test_of_racing_writers_one_wins(session: Session, bucket: Any, table: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    from sqlshell.storage.delta.store import open_store
    from sqlshell.storage.secrets import put_in_force

    put_in_force(session.secrets)
    store = open_store("s3://lake/race")
    for n in range(5):
        contexts = [copy_context() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            runs = [
                pool.submit(c.run, store.put_if_absent, f"_delta_log/{n}.json", str(i).encode())
                for i, c in enumerate(contexts)
            ]
            won = [r.result() for r in runs]
        assert won.count(True) == 1
        assert store.read(f"_delta_log/{n}.json") == str(won.index(True)).encode()


def test_a_commit_of_the_log_alone(session: Session, bucket: Any, table: Path) -> None:
    upload(bucket, table, "altered")
    session.execute("ALTER TABLE delta.`s3://lake/altered` ADD COLUMN z INT")
    session.execute("RESTORE TABLE delta.`s3://lake/altered` TO VERSION AS OF 1")
    assert rows(session, "SELECT count(*), sum(a) FROM delta.`s3://lake/altered`") == [(4, 10)]


def test_the_page_of_object_stores(session: Session, files: Path, table: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "object-stores.md").read_text()
    (code,) = re.findall(r"^```sql\n(.*?)^```", page, re.M | re.S)
    secret, *queries = [text for text in code.splitlines() if text]
    assert secret.startswith("CREATE SECRET lake (TYPE s3, KEY_ID '...', SECRET '...', REGION")
    # on the page the endpoint is Amazon's; the secret that the session has stands for it
    for query in queries:
        assert rows(session, query.replace("*.parquet", "a.parquet"))
