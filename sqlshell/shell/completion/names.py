"""What the session knows by name, kept until the next statement runs: relations, their columns, files, functions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlshell.errors import Error, SafeModeError
from sqlshell.shell.completion.scope import Column
from sqlshell.storage import policy

if TYPE_CHECKING:
    from sqlshell.functions.registry import Function
    from sqlshell.session import Session

DATA_FILES = (
    ".parquet",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".orc",
    ".arrow",
    ".txt",
    ".gz",
    ".avro",
)


class Names:
    """Looks names up in a session, each once until `forget`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._columns: dict[str, list[Column]] = {}
        self._lists: dict[str, list[str]] = {}

    def forget(self) -> None:
        """A statement has run: views, tables and settings may have changed."""
        self._columns.clear()
        self._lists.clear()

    def columns(self, relation: str) -> list[Column]:
        """The columns of a relation as it is written in a FROM clause; none where it cannot be read."""
        key = f"{os.getcwd()}\0{relation}"
        if key not in self._columns:
            try:
                bound = self.session.bind_text(f"SELECT * FROM {relation}")
                pairs = zip(bound.names, bound.plan.output, strict=True)
                self._columns[key] = [Column(n, c.type) for n, c in pairs]
            except (Error, RecursionError, AssertionError):
                self._columns[key] = []
        return self._columns[key]

    def relations(self) -> list[str]:
        """Tables and views."""
        return self._list("SHOW TABLES", 1)

    def models(self) -> list[str]:
        """Models, where there are any."""
        return self._list("SHOW MODELS", 1)

    def schemas(self) -> list[str]:
        """Schemas."""
        return self._list("SHOW SCHEMAS", 0)

    def versions(self, table: str) -> list[tuple[str, str, str]]:
        """(version, timestamp, operation) of a table, the latest first."""
        try:
            result = self.session.execute(f"DESCRIBE HISTORY {table}")
            try:
                names = [n.lower() for n in result.names]
                picked = [names.index(n) for n in ("version", "timestamp", "operation")]
                return [(str(r[picked[0]]), str(r[picked[1]]), str(r[picked[2]])) for r in result.rows()][:50]
            finally:
                result.close()
        except (Error, ValueError):
            return []

    def _list(self, statement: str, column: int) -> list[str]:
        if statement not in self._lists:
            try:
                result = self.session.execute(statement)
                self._lists[statement] = [str(row[column]) for row in result.rows()]
                result.close()
            except Error:
                self._lists[statement] = []
        return self._lists[statement]

    def functions(self) -> dict[str, Function]:
        """All functions by name and alias."""
        from sqlshell.functions.registry import load

        return load()


def table_functions() -> list[tuple[str, str]]:
    """(name, text) of functions that stand in FROM: those of models with their `ML.`, then generators."""
    from sqlshell.functions.registry import load
    from sqlshell.ml.relations import FUNCTIONS

    found = [
        (f"ML.{n.removeprefix('ml_').upper()}", f"ML.{n.removeprefix('ml_').upper()}(") for n in FUNCTIONS
    ]
    return found + [(n, f"{n}(") for n, f in load().items() if f.kind == "generator" and n.isidentifier()]


def files(prefix: str) -> list[str]:
    """Folders (with a slash) and files whose path begins with a text, data files first."""
    folder, name = os.path.split(os.path.expanduser(prefix))
    try:
        policy.check(os.path.abspath(folder))
        with os.scandir(folder or ".") as entries:
            found = [(e.name, e.is_dir()) for e in entries if e.name.lower().startswith(name.lower())]
    except (OSError, SafeModeError):
        return []
    shown = [(n, d) for n, d in found if not n.startswith(".") or name.startswith(".")]
    shown.sort(key=lambda e: (not e[1] and not e[0].lower().endswith(DATA_FILES), e[0]))
    typed = prefix[: len(prefix) - len(name)]
    return [typed + n + ("/" if d else "") for n, d in shown]
