"""ORC and Arrow IPC files to frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import CorruptInputError
from sqlshell.storage.uri import open_binary, open_input, scan_options

if TYPE_CHECKING:
    from sqlshell.exec.scan import FilesToRead


def read(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields, in the files' own types."""
    if request.source.format == "orc":
        return pl.concat([_orc(f.path, request.fields) for f, _ in request.pieces]).lazy()
    lf = pl.concat([_arrow(f.path) for f, _ in request.pieces])
    return lf.select(request.fields) if request.fields else lf


def _orc(path: str, fields: list[str]) -> pl.DataFrame:
    import pyarrow as pa
    from pyarrow import orc

    try:
        table = orc.ORCFile(open_input(path)).read(columns=fields or None)
    except (pa.ArrowInvalid, OSError) as e:
        raise CorruptInputError(f"'{path}' is not a readable ORC file: {e}") from None
    frame: Any = pl.from_arrow(table)
    return frame.select(fields) if fields else frame  # type: ignore[no-any-return]


def _arrow(path: str) -> pl.LazyFrame:
    """IPC files are scanned lazily; IPC streams are read."""
    with open_binary(path) as f:
        is_file = f.read(6) == b"ARROW1"
        if not is_file:
            f.seek(0)
            return pl.read_ipc_stream(f.read()).lazy()
    return pl.scan_ipc(path, glob=False, **scan_options([path]))
