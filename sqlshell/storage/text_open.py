"""Text files opened for a look inside (sampling, finding a bad record): decompressed, decoded, line by line."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sqlshell.errors import CorruptInputError, SourceNotFound
from sqlshell.storage.uri import is_remote, open_input, resolve

if TYPE_CHECKING:
    from typing import TextIO


def open_text(path: str) -> TextIO:
    """The file as UTF-8 text (a byte order mark is skipped); .gz, .bz2 and .zst are decompressed."""
    import pyarrow as pa

    resolved = resolve(path, remote=True)
    try:
        if is_remote(resolved):
            raw = pa.input_stream(open_input(resolved), compression=_compression(path), buffer_size=1 << 20)
        else:
            raw = pa.input_stream(resolved, compression="detect")
    except FileNotFoundError:
        raise SourceNotFound(f"the file '{path}' is gone") from None
    except (OSError, pa.ArrowInvalid) as e:
        raise CorruptInputError(f"cannot read '{path}': {e}") from None
    return io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8-sig", errors="replace", newline="")


def _compression(path: str) -> str | None:
    return {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}.get(path.rpartition(".")[2].lower())
