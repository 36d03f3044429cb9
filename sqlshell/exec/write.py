"""Writing data files: the Write operator. Its rows are the files it wrote. Runs in workers.

File names hold a random number made by the attempt that writes them: an attempt that dies leaves files that nobody
refers to, and no two attempts meet. Nothing here is visible to readers of a table until its driver commits.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import polars as pl

from sqlshell.errors import AnalysisError, InternalError
from sqlshell.exec.collect import flags
from sqlshell.exec.write_form import arrow_schema, file_dtype, partition_text, to_file
from sqlshell.exec.write_stats import FileStats
from sqlshell.storage import object_files
from sqlshell.storage.uri import is_remote, resolve
from sqlshell.types import Boolean, Date, Decimal, Fractional, Integral, String, Timestamp, TimestampNtz

if TYPE_CHECKING:
    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.plan.logical_write import Write
    from sqlshell.storage.write_spec import WriteSpec

NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_SUFFIX = {"parquet": "parquet", "csv": "csv", "json": "json", "arrow": "arrow"}
_PARTITION_TYPES = (Boolean, Date, Decimal, Fractional, Integral, String, Timestamp, TimestampNtz)


def write_files(k: Kernel, node: Write, lf: pl.LazyFrame, task: int) -> pl.LazyFrame:
    """Write the rows and give one row per file, in the columns of the node's output."""
    spec = node.spec
    writer = _Writer(spec, task)
    source = node.input.output
    data = [(spec.columns[i].name, spec.columns[i].type) for i in spec.data_columns]
    exprs = [
        to_file(pl.col(f"c{source[i].id}"), source[i].type, spec.columns[i].type).alias(spec.columns[i].name)
        for i in spec.data_columns
    ]
    keys: dict[str, pl.Expr] = {}
    for n, i in enumerate(spec.partition_by):
        if not isinstance(source[i].type, _PARTITION_TYPES):
            raise AnalysisError(
                f"a table cannot be partitioned by `{source[i].name}` of type {source[i].type}",
                condition="INVALID_PARTITION_COLUMN_DATA_TYPE",
            )
        keys[f"\x01p{n}"] = partition_text(k, pl.col(f"c{source[i].id}"), source[i].type)
    rows = lf.select(*exprs, *(e.alias(name) for name, e in keys.items()))
    if not exprs:
        raise AnalysisError(
            "a table needs a column that it is not partitioned by",
            condition="ALL_PARTITION_COLUMNS_NOT_ALLOWED",
        )
    try:
        writer.run(rows, list(keys), data)
        files = writer.finished(data)
    except BaseException:
        writer.discard()
        raise
    names = [f"c{c.id}" for c in node.output]
    kinds = [k.dtype(c.type) for c in node.output]
    return pl.DataFrame(files, schema=dict(zip(names, kinds, strict=True)), orient="row").lazy()


class _Writer:
    """One attempt's files."""

    def __init__(self, spec: WriteSpec, task: int) -> None:
        self.spec = spec
        self.location = resolve(spec.location, remote=True, write=True)
        self.staged = is_remote(self.location)
        """Whether files are finished on the local disk before they go to a store."""
        self.root = _scratch() if self.staged else self.location
        self.task = task
        self.run_id = uuid4()
        self.files: dict[str, tuple[str | None, ...]] = {}
        self.sent: list[str] = []
        self.failed = False

    def name(self, args: Any) -> str:
        """Where the next file of a partition goes (called by polars, from its threads)."""
        if self.failed:
            raise InternalError("a failed write begins no file")
        keys = args.partition_keys
        values: tuple[str | None, ...] = keys.row(0) if keys.width else ()
        number = len(self.files)
        name = f"{self.spec.prefix}-{self.task:05}-{self.run_id}-c{number:03}.{self._suffix()}"
        if values and self.spec.folders:
            name = os.path.join(*self._folders(values), name)
        self.files[name] = values
        return name

    def _folders(self, values: tuple[str | None, ...]) -> list[str]:
        named = zip(self.spec.partition_by, values, strict=True)
        return [
            f"{_escape(self.spec.columns[i].name)}={NO_PARTITION if v is None else _escape(v)}"
            for i, v in named
        ]

    def _suffix(self) -> str:
        suffix = _SUFFIX[self.spec.format]
        return f"{self.spec.codec}.{suffix}" if self.spec.format == "parquet" else suffix

    def run(self, rows: pl.LazyFrame, keys: list[str], data: list[tuple[str, Any]]) -> None:
        """Stream the rows into files."""
        target = pl.PartitionBy(
            self.root,
            file_path_provider=self.name,
            key=keys or None,
            include_key=False if keys else None,
            max_rows_per_file=self.spec.file_rows,
            approximate_bytes_per_file=self.spec.file_bytes,
        )
        options: dict[str, Any] = {
            "maintain_order": True,
            "mkdir": True,
            "engine": "streaming",
            "optimizations": flags(),
        }
        match self.spec.format:
            case "parquet":
                ids = self.spec.field_ids
                rows.sink_parquet(
                    target,
                    compression=_codec(self.spec.codec),
                    compression_level=self.spec.level,
                    row_group_size=self.spec.row_group_rows,
                    arrow_schema=arrow_schema(data, ids) if ids else None,
                    **options,
                )
            case "csv":
                rows.sink_csv(
                    target, include_header=self.spec.header, separator=self.spec.separator, **options
                )
            case "json":
                rows.sink_csv(target, include_header=False, quote_style="never", separator="\x02", **options)
            case "arrow":
                oldest = pl.CompatLevel.oldest()
                rows.sink_ipc(target, compression="uncompressed", compat_level=oldest, **options)
            case other:
                raise InternalError(f"no writer for {other}")

    def finished(self, data: list[tuple[str, Any]]) -> list[tuple[Any, ...]]:
        """(path, partition, rows, size, statistics) of every file that has rows; others are removed."""
        out: list[tuple[Any, ...]] = []
        for name, values in self.files.items():
            path = os.path.join(self.root, name)
            size = os.stat(path).st_size
            rows, stats = -1, None
            if self.spec.format == "parquet":
                found = FileStats(path, data, self.spec.stats)
                rows = found.rows
                stats = found.json() if self.spec.stats else None
            else:
                rows = _count(self.spec, path)
            if rows == 0 and not self.spec.single:
                os.unlink(path)
                continue
            if self.staged:
                self.sent.append(f"{self.location}/{name}")
                object_files.copy(path, self.sent[-1])
                os.unlink(path)
            out.append((name, list(values), rows, size, stats))
        if self.staged:
            object_files.remove_tree(self.root)
        return out

    def discard(self) -> None:
        """Remove what a failed attempt wrote, also what Polars' threads create after their query has failed.

        Names that no file has got yet are watched for ten more seconds, beside the next task.
        """
        self.failed = True
        for path in self.sent:
            object_files.discard(path)
        if self.staged:  # what comes late goes with the worker's folder
            object_files.remove_tree(self.root)
        elif not self._removed(10):
            threading.Thread(target=self._removed, args=(500,), daemon=True).start()

    def _removed(self, tries: int) -> bool:
        """Whether every file that was named has been there and is gone."""
        for _ in range(tries):
            for name in list(self.files):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.root, name))
                    del self.files[name]
            if not self.files:
                return True
            time.sleep(0.02)
        return False


def _scratch() -> str:
    """A new folder where this worker may spill."""
    return tempfile.mkdtemp(prefix="write-", dir=os.environ.get("POLARS_OOC_SPILL_DIR"))


def _count(spec: WriteSpec, path: str) -> int:
    """Rows of a file that has no footer to tell."""
    if spec.format == "arrow":
        lf = pl.scan_ipc(path)
    else:
        single = spec.format == "json"
        lf = pl.scan_csv(
            path,
            has_header=spec.header and not single,
            separator="\x02" if single else spec.separator,
            quote_char=None if single else '"',
            infer_schema=False,
        )
    try:
        rows: int = lf.select(pl.len()).collect().item()
    except pl.exceptions.NoDataError:
        return 0
    return rows


def _codec(name: str) -> Any:
    return {"none": "uncompressed"}.get(name, name)


def _escape(text: str) -> str:
    """A directory name as Hive writes it: everything that a path or a URL could take for something else is encoded."""
    return quote(text, safe=" !$&()*+,;@[]{}|-_.~")


def partition_dtype() -> Any:
    """The dtype of the output's partition column."""
    return file_dtype(String())
