"""Writers that fight over one table: random statements, a model of each, and what their log must then hold.

    python -m tests.support.contention WAREHOUSE WRITER FIRST COUNT SEED KILLS

runs the statements FIRST, FIRST + 1, ... of a writer. Every line of its output is a fact: `start n`, `ok n rows`,
`failed n condition`. While a statement runs, the process may kill one of its workers, or itself (KILLS is the
share of statements that this happens to).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROWS = 200
GROUPS = 20
TABLE = f"""CREATE TABLE t TBLPROPERTIES ('delta.isolationLevel' = '{{}}') AS
    SELECT id, CAST(id % {GROUPS} AS int) AS k, 0L AS v FROM range({ROWS})"""
SETTING = "sqlshell.commit.userMetadata"

Row = tuple[int, int]
State = dict[int, Row]
Changes = dict[int, Row | None]


@dataclass(frozen=True)
class Operation:
    """A statement and what it means: rows by id that it sets or (None) removes, given the table it sees."""

    name: str
    sql: str
    changes: Callable[[Mapping[int, Row]], Changes]


def first_state() -> State:
    return {i: (i % GROUPS, 0) for i in range(ROWS)}


def operation(seed: int, writer: int, number: int) -> Operation:
    """One statement of a writer; the same for the same arguments."""
    rng = random.Random(f"{seed}-{writer}-{number}")
    name = f"w{writer}-{number}"
    base = (writer * 10_000 + number + 1) * 1000  # ids that nobody else makes
    kinds = [_insert, _insert, _insert_from, _update, _update, _delete, _merge, _merge, _optimize]
    sql, changes = rng.choice(kinds)(rng, base)
    return Operation(name, sql, changes)


Made = tuple[str, "Callable[[Mapping[int, Row]], Changes]"]


def _insert(rng: random.Random, base: int) -> Made:
    n, k = rng.randint(1, 40), rng.randrange(GROUPS)
    sql = f"INSERT INTO t SELECT {base} + id, CAST((id + {k}) % {GROUPS} AS int), id FROM range({n})"
    return sql, lambda _: {base + i: ((i + k) % GROUPS, i) for i in range(n)}


def _insert_from(rng: random.Random, base: int) -> Made:
    k = rng.randrange(GROUPS)
    sql = f"INSERT INTO t SELECT id + {base}, k, v + 1 FROM t WHERE k = {k} AND id < {ROWS}"
    return sql, lambda s: {i + base: (k, v + 1) for i, (g, v) in s.items() if g == k and i < ROWS}


def _update(rng: random.Random, base: int) -> Made:
    low, by = rng.randrange(GROUPS), rng.randint(1, 5)
    high = low + rng.randrange(4)
    sql = f"UPDATE t SET v = v + {by} WHERE k BETWEEN {low} AND {high}"
    return sql, lambda s: {i: (k, v + by) for i, (k, v) in s.items() if low <= k <= high}


def _delete(rng: random.Random, base: int) -> Made:
    k, rest = rng.randrange(GROUPS), rng.randrange(3)
    sql = f"DELETE FROM t WHERE k = {k} AND v % 3 = {rest}"
    return sql, lambda s: {i: None for i, (g, v) in s.items() if g == k and v % 3 == rest}


def _merge(rng: random.Random, base: int) -> Made:
    first, step, n, by = rng.randrange(50), rng.randint(1, 5), rng.randint(1, 30), rng.randint(1, 5)
    old = {first + step * i: i for i in range(n)}
    new = {base + i: i for i in range(3)}
    sql = f"""MERGE INTO t USING (
            SELECT {first} + {step} * id AS id, CAST(id % {GROUPS} AS int) AS k FROM range({n})
            UNION ALL SELECT {base} + id, CAST(id AS int) FROM range(3)) s ON t.id = s.id
        WHEN MATCHED AND t.v % 4 = 3 THEN DELETE
        WHEN MATCHED THEN UPDATE SET v = t.v + {by}
        WHEN NOT MATCHED THEN INSERT (id, k, v) VALUES (s.id, s.k, {by})"""

    def changes(state: Mapping[int, Row]) -> Changes:
        made: Changes = {}
        for i, k in (old | new).items():
            row = state.get(i)
            if row is None:
                made[i] = (k % GROUPS, by)
            else:
                made[i] = None if row[1] % 4 == 3 else (row[0], row[1] + by)
        return made

    return sql, changes


def _optimize(rng: random.Random, base: int) -> Made:
    return "OPTIMIZE t", lambda _: {}


class Strike:
    """Something that dies while a statement runs: a worker or this process, after a random time."""

    def __init__(self, rng: random.Random, share: float, pids: Callable[[], list[int]]) -> None:
        self._timer: threading.Timer | None = None
        if rng.random() < share:
            pid = (os.getpid) if rng.random() < 0.5 else (lambda: rng.choice(pids() or [0]))
            self._timer = threading.Timer(rng.uniform(0, 0.25), lambda: _kill(pid()))

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.start()

    def __exit__(self, *exc: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _kill(pid: int) -> None:
    if pid:
        os.kill(pid, signal.SIGKILL)


def main(warehouse: str, *numbers: str) -> None:
    from sqlshell.errors import Error
    from sqlshell.session import Session

    writer, first, count, seed = (int(n) for n in numbers[:4])
    with Session(warehouse=warehouse) as session:
        for number in range(first, first + count):
            rng = random.Random(f"strike {seed} {writer} {number}")
            made = operation(seed, writer, number)
            session.execute(f"SET {SETTING} = {made.name}")
            say("start", number)
            try:
                with Strike(rng, float(numbers[4]), session.engine.cluster.pids):
                    rows = list(session.execute(made.sql).rows())
            except Error as e:
                say("failed", number, e.condition)
            else:
                say("ok", number, rows[0][0])


def say(*facts: Any) -> None:
    print(*facts, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
