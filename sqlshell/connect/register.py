"""Arrow data of the caller as temporary views: written once to an Arrow IPC file that the workers map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import InterfaceError
from sqlshell.types_arrow import from_arrow

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from sqlshell.session import Session
    from sqlshell.storage.source import Source

BATCH_ROWS = 131_072


def reader_of(data: Any) -> pa.RecordBatchReader:
    """A stream of record batches from anything that exports Arrow: tables, readers, pandas and Polars frames."""
    import pyarrow as pa

    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data]).to_reader()
    if hasattr(data, "collect") and not hasattr(data, "__arrow_c_stream__"):
        data = data.collect()  # a lazy frame
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    if hasattr(data, "to_reader"):
        return data.to_reader()
    if hasattr(data, "__dataframe__") or type(data).__module__.startswith("pandas"):
        return pa.Table.from_pandas(data, preserve_index=False).to_reader()
    if isinstance(data, dict):
        return pa.table(data).to_reader()
    raise InterfaceError(
        f"{type(data).__name__} holds no Arrow data",
        hint="give a pyarrow table or reader, a pandas or Polars frame, or a dict of columns",
    )


def store(session: Session, name: str, data: Any) -> tuple[Source, Callable[[], None]]:
    """Write the rows where exchanges live; gives their source and what removes them again.

    The file is the one copy: workers map it. pandas' own index is left out.
    """
    import os

    import pyarrow as pa

    reader = reader_of(data)
    schema = pa.schema([f.remove_metadata() for f in reader.schema if not _is_index(f.name)])
    kept = [i for i, f in enumerate(reader.schema) if not _is_index(f.name)]
    if not kept:
        raise InterfaceError(f"`{name}` would have no columns")
    for field in schema:
        from_arrow(field.type)  # what has no SQL type is refused before anything is written
    directory, release = session.engine.place(getattr(data, "nbytes", 0) or 0)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        path = os.path.join(directory, "rows.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in reader:
                arrays = [batch.column(i) for i in kept]
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    cut = [a.slice(start, BATCH_ROWS) for a in arrays]
                    writer.write_batch(pa.RecordBatch.from_arrays(cut, schema=schema))
        from sqlshell.records import replace

        source = session.describe_source(path, "arrow", {})
        return replace(source, name=name), release
    except BaseException:
        release()
        raise


def _is_index(name: str) -> bool:
    return name.startswith("__index_level_")
