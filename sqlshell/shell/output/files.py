"""Results as files: parquet and arrow streams, and files that appear under their name only when complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sqlshell.result import Result
    from sqlshell.shell.output import Style


def parquet(result: Result, out: IO[bytes], style: Style) -> None:
    """A Parquet file (zstd)."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, result.arrow_schema(), compression="zstd") as writer:
        for batch in _limited(result, style.limit):
            writer.write_batch(batch)


def arrow(result: Result, out: IO[bytes], style: Style) -> None:
    """An Arrow IPC stream."""
    import pyarrow as pa

    with pa.ipc.new_stream(out, result.arrow_schema()) as writer:
        for batch in _limited(result, style.limit):
            writer.write_batch(batch)


def _limited(result: Result, limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in result.batches():
        if left is not None:
            if left <= 0:
                return
            batch = batch.slice(0, left)  # noqa: PLW2901
            left -= batch.num_rows
        yield batch


@contextlib.contextmanager
def replacing(path: str) -> Iterator[Any]:
    """A text stream (with a `buffer`) whose file gets its name when the block ends without an error.

    Whatever was there before stays until then; a failure leaves nothing behind. Devices and pipes are opened
    as they are.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8", newline="") as device:
            yield device
        return
    real = os.path.realpath(path)  # a link keeps pointing to the file
    folder = os.path.dirname(real)
    handle, unfinished = tempfile.mkstemp(prefix=f".{os.path.basename(real)}.", suffix=".part", dir=folder)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:
            yield out
        os.chmod(unfinished, _mode(real))
        os.replace(unfinished, real)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(unfinished)
        raise


def _mode(path: str) -> int:
    """The permissions of the file that is replaced, or those of a new file."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
