"""Barrier stages: the context that a body run by all ranks of a gang talks to the others with.

    def body(ctx, partitions, *args):
        mine = [p.matrix(["x", "y"]) for p in partitions]     # partitions[i].index is the global number
        state = ctx.restore()                                 # None, or what the last checkpoint kept
        for iteration in ...:
            total = ctx.all_reduce([gradient(m) for m in mine])
            ctx.progress(iteration=iteration, loss=loss, rows=rows)
            ctx.checkpoint(state)
        return model                                          # any picklable value; one per rank

    engine.run_gang(plan, body, world_size=2)                 # exec/engine.py

All ranks start together or none does. The input is `ctx.num_partitions` partitions, fixed by the data; rank r
holds a contiguous run of them (`ctx.partitions`), so what a body adds up *by partition* does not depend on the
number of ranks. Every rank must make the same collective calls in the same order. A call waits for the slowest
rank; a rank that dies, hangs or raises ends the attempt, and the whole gang starts again from the last
checkpoint, up to `max_failures` times. User and data errors (`sqlshell.errors`) are not tried again, nor are
calls that differ between ranks.

After Spark's BarrierTaskContext; what differs on purpose: a retry is allowed although the stage gives the
result (only the driver commits), barriers time out after 10 minutes and name the missing ranks, a rank that
finishes while others wait is an error at once, and a gang larger than the slots is refused at once.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from typing import TYPE_CHECKING, Any, ClassVar

from sqlshell.errors import BarrierError
from sqlshell.exec.gang import TaskInfo, ranges
from sqlshell.exec.gang_memory import ANY, SLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from sqlshell.exec.gang_memory import GangMemory

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["BarrierTaskContext", "OpenPort", "TaskInfo"]

TOGETHER = 4 * SLOT
"""Bytes of partials up to which every rank adds up everything itself: one meeting instead of two."""

STRIDE = 1 << 15
"""Elements added up at a time: they stay in the cache."""


class OpenPort:
    """A port of this machine that nobody else can take while `socket` (bound, not listening) is open."""

    def __init__(self, host: str) -> None:
        self.socket = socket.create_server((host, 0), backlog=128)
        self.host = host
        self.port: int = self.socket.getsockname()[1]

    def close(self) -> None:
        """Let go of the port, for a library that binds it itself."""
        self.socket.close()


class BarrierTaskContext:
    """One rank's view of its gang."""

    _current: ClassVar[BarrierTaskContext | None] = None

    def __init__(
        self,
        memory: GangMemory,
        infos: tuple[TaskInfo, ...],
        *,
        attempt: int = 0,
        num_partitions: int = 1,
        timeout: float = 600.0,
        threads: int = 1,
        keep: str = "",
        scratch: str = "",
        report: Callable[[dict[str, Any]], None] | None = None,
        at: Callable[[str], None] | None = None,
    ) -> None:
        self.rank = memory.rank
        """This rank, from 0."""
        self.world_size = memory.world_size
        """How many ranks the gang has."""
        self.attempt = attempt
        """How often the gang was started before: 0 in the first attempt."""
        self.num_partitions = num_partitions
        """Partitions of the gang's input, over all ranks."""
        self.threads = threads
        """Cores this rank may use, for libraries that take a number of threads."""
        self.scratch = scratch
        """A folder for temporary files of this attempt, made on first use by whoever needs it."""
        self._memory = memory
        self._infos = infos
        self._timeout = timeout
        self._keep = keep
        self._report = report
        self._at = at
        self._turn = 0
        self._calls = 0
        self._saved = 0
        self._ports: list[OpenPort] = []

    @classmethod
    def get(cls) -> BarrierTaskContext:
        """The context of the body that is running in this process."""
        if cls._current is None:
            raise BarrierError(
                "there is no barrier stage here",
                condition="NOT_IN_BARRIER_STAGE",
                hint="only a function run by barrier_map or Engine.run_gang has a BarrierTaskContext",
            )
        return cls._current

    @property
    def partitions(self) -> range:
        """The global numbers of this rank's partitions."""
        return range(*ranges(self.num_partitions, self.world_size)[self.rank])

    def task_infos(self) -> tuple[TaskInfo, ...]:
        """All ranks, by rank."""
        return self._infos

    # -- collective calls

    def barrier(self, timeout: float | None = None) -> None:
        """Wait for all ranks. Raises BarrierError after `timeout` seconds, naming those that are missing."""
        self._meet("barrier()", timeout=timeout)

    def all_gather(self, value: Any) -> list[Any]:
        """Every rank's value (anything picklable), by rank."""
        return self._exchange("all_gather()", pickle.dumps(value, protocol=5))

    def broadcast(self, value: Any = None, root: int = 0) -> Any:
        """The root's value, on every rank; what the others give is ignored."""
        data = pickle.dumps(value, protocol=5) if self.rank == root else b""
        turn = self._bring(f"broadcast(root={root})", data)
        return pickle.loads(self._memory.brought(root, turn))

    def all_reduce(self, value: Array | Sequence[Array], op: str = "sum") -> Array:
        """The element-wise sum, min or max over all ranks, in one fixed order, so that it is repeatable.

        A list holds one array for each of this rank's partitions: they are added up in the order of
        partitions, to the same bits for any number of ranks. A plain array is one part per rank, added up in
        the order of ranks.
        """
        import numpy as np

        if op not in {"sum", "min", "max"}:
            raise BarrierError(
                f"all_reduce knows sum, min and max, not {op}", condition="BARRIER_BAD_ARGUMENT"
            )
        if isinstance(value, (list, tuple)):
            counts = [high - low for low, high in ranges(self.num_partitions, self.world_size)]
            if len(value) != counts[self.rank]:
                raise BarrierError(
                    f"all_reduce needs an array for each of the rank's {counts[self.rank]} partitions, not "
                    f"{len(value)}",
                    condition="BARRIER_BAD_ARGUMENT",
                )
            parts, per = [np.asarray(v, order="C") for v in value], "partition"
        else:
            counts = [1] * self.world_size
            parts, per = [np.asarray(value, order="C")], "rank"
        if len({(p.dtype, p.shape) for p in parts}) > 1:
            raise BarrierError("all_reduce needs arrays of one shape", condition="BARRIER_BAD_ARGUMENT")
        label = ANY
        if parts:
            label = f"all_reduce({parts[0].dtype.str} {'x'.join(map(str, parts[0].shape))} {op} per {per})"
        return self._reduce(parts, counts, label)

    def _reduce(self, parts: list[Array], counts: list[int], label: str) -> Array:
        import numpy as np

        memory = self._memory
        size = sum(p.nbytes for p in parts)
        shares = ranges(parts[0].size, self.world_size) if parts else ()
        result_bytes = (shares[self.rank][1] - shares[self.rank][0]) * parts[0].itemsize if parts else 0
        turn = self._next_turn()
        room, payload = memory.reserve(turn, size + result_bytes)
        at = 0
        for p in parts:
            np.frombuffer(room, p.dtype, p.size, at)[:] = p.reshape(-1)
            at += p.nbytes
        self._point("before")
        memory.meet(label, self._timeout, payload)
        self._point("inside")
        dtype, shape, op = _described(memory.label_of_others() if label == ANY else label)
        n = int(np.prod(shape, dtype=np.int64))
        views = [
            np.frombuffer(memory.brought(r, turn), dtype, n, i * n * dtype.itemsize)
            for r in range(self.world_size)
            for i in range(counts[r])
        ]
        if n * dtype.itemsize * len(views) <= TOGETHER or not all(counts):
            return _fold(views, op, 0, n, np.empty(n, dtype)).reshape(shape)
        low, high = ranges(n, self.world_size)[self.rank]
        _fold(views, op, low, high, np.frombuffer(room, dtype, high - low, size))
        memory.meet("all_reduce result", self._timeout, payload)
        out = np.empty(n, dtype)
        for r, (a, b) in enumerate(ranges(n, self.world_size)):
            start = counts[r] * n * dtype.itemsize
            out[a:b] = np.frombuffer(memory.brought(r, turn), dtype, b - a, start)
        return out.reshape(shape)

    def _exchange(self, label: str, data: bytes) -> list[Any]:
        turn = self._bring(label, data)
        return [pickle.loads(self._memory.brought(r, turn)) for r in range(self.world_size)]

    def _bring(self, label: str, data: bytes) -> int:
        turn = self._next_turn()
        room, payload = self._memory.reserve(turn, len(data))
        room[:] = data
        self._meet(label, payload)
        return turn

    def _meet(
        self, label: str, payload: tuple[int, int, int] = (0, 0, 0), timeout: float | None = None
    ) -> None:
        self._point("before")
        self._memory.meet(label, self._timeout if timeout is None else timeout, payload)
        self._point("inside")

    def _next_turn(self) -> int:
        self._turn ^= 1
        return self._turn

    def _point(self, where: str) -> None:
        """Where fault tests strike: `before` or `inside` the n-th collective call."""
        if self._at is not None:
            self._calls += where == "before"
            self._at(f"{where}{self._calls}")

    # -- the rest

    def open_port(self, host: str = "127.0.0.1") -> OpenPort:
        """A free port, held until it is closed or the body ends; tell it to the others with all_gather."""
        port = OpenPort(host)
        self._ports.append(port)
        return port

    def progress(self, **values: Any) -> None:
        """Tell the driver how far this rank is (iteration, loss, rows ...): small plain values."""
        if self._report is not None:
            self._report(values)

    def checkpoint(self, state: Any) -> None:
        """Keep this rank's `state` for the next attempt. A collective call: all ranks' states count together."""
        number = self._saved + 1
        part = f"{self._keep}/c{number}-r{self.rank}"
        os.makedirs(self._keep, mode=0o700, exist_ok=True)
        with open(part, "wb") as f:
            pickle.dump(state, f, protocol=5)
        self._meet("checkpoint()")
        if self.rank == 0:
            with open(f"{self._keep}/new", "w") as f:
                f.write(str(number))
            os.replace(f"{self._keep}/new", f"{self._keep}/last")
        self._saved = number
        # `last` names number - 1 at least: rank 0 wrote that before it came here.
        with contextlib.suppress(FileNotFoundError):  # an earlier attempt may have come this far
            os.unlink(f"{self._keep}/c{number - 2}-r{self.rank}")

    def restore(self) -> Any:
        """This rank's state at the gang's last complete checkpoint, or None. For the start of a body."""
        try:
            with open(f"{self._keep}/last") as f:
                self._saved = int(f.read())
        except FileNotFoundError:
            return None
        with open(f"{self._keep}/c{self._saved}-r{self.rank}", "rb") as f:
            return pickle.load(f)

    def close(self) -> None:
        """The body is over: close its ports, tell whoever waits for this rank."""
        for port in self._ports:
            port.close()
        self._memory.finish()


def _described(label: str) -> tuple[np.dtype[Any], tuple[int, ...], str]:
    """The dtype, shape and operation of an all_reduce call, from its label."""
    import numpy as np

    dtype, shape, op, *_ = label.removeprefix("all_reduce(").split(" ")
    return np.dtype(dtype), tuple(int(s) for s in shape.split("x") if s), op


def _fold(views: list[Array], op: str, low: int, high: int, out: Array) -> Array:
    """Elements [low, high) of all parts combined, from the first part to the last, into `out`."""
    import numpy as np

    combine = {"sum": np.add, "min": np.minimum, "max": np.maximum}[op]
    for start in range(0, high - low, STRIDE):
        piece = out[start : start + STRIDE]
        end = low + start + len(piece)
        piece[:] = views[0][low + start : end]
        for v in views[1:]:
            combine(piece, v[low + start : end], out=piece)
    return out
