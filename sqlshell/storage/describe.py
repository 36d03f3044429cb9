"""From a path to a `Source`: which files, which format, which schema. Runs in a worker.

The format comes from the caller, else from the files' names. Schemas come from footers (Parquet, ORC, Arrow), from a
sample (CSV, JSON) or are fixed (text, binaryFile); `schema` among the options overrides them.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, CorruptInputError, NotSupportedError, did_you_mean
from sqlshell.records import replace
from sqlshell.storage import uri as uris
from sqlshell.storage.source import FORMATS, FileInfo, Source
from sqlshell.types import BIGINT, BINARY, DATE, DOUBLE, INT, STRING, TIMESTAMP, Field, SqlType, Struct
from sqlshell.types_ddl import parse_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

EXTENSIONS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".txt": "text",
    ".log": "text",
    ".orc": "orc",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
COMPRESSIONS = (".gz", ".zst", ".bz2")


def describe_source(
    uri: str,
    format: str | None,
    options: dict[str, str],
    schema: Struct | None = None,
    base: str | None = None,
) -> Source:
    """The source at `uri`, a relative one below `base`.

    Raises PATH_NOT_FOUND, or UNABLE_TO_INFER_FORMAT when no file name tells the format.
    """
    if format is not None:
        _format(uri, format, [])
    paths = uris.expand(uri, base)
    options = {k.lower(): v for k, v in options.items()}
    if "schema" in options:
        schema = parse_schema(options.pop("schema"))
    if not paths:
        raise AnalysisError(
            f"'{uri}' holds no data files", condition="UNABLE_TO_INFER_SCHEMA", hint="give a schema"
        )
    name = _format(uri, format, paths)
    root = _partition_root(uris.resolve(uri, base, remote=True), paths)
    partitions = [uris.partition_values(root, p) for p in paths] if root else [{} for _ in paths]
    keys = tuple(partitions[0])
    for path, values in zip(paths, partitions, strict=True):
        if tuple(values) != keys:
            raise AnalysisError(
                f"partition directories disagree: '{path}' has {list(values)}, others {list(keys)}",
                condition="CONFLICTING_PARTITION_COLUMN_NAMES",
            )
    files = tuple(
        FileInfo(p, size, None, tuple(v.values()), modified / 1e9)
        for (p, modified, size), v in zip(map(uris.version, paths), partitions, strict=True)
    )
    _check_options(name, options)
    bare = Source(f"{name}.`{uri}`", name, Struct(()), files, keys, tuple(options.items()))
    described = _describers()[name](bare, schema)
    return _with_partitions(described, partitions, schema)


def _check_options(format: str, options: dict[str, str]) -> None:
    """CSV and JSON look at their options themselves; the others have next to none."""
    for key, value in options.items():
        if format == "parquet" and key == "mergeschema":
            if value.strip().lower() == "true":
                raise NotSupportedError("mergeSchema is not supported yet: give a schema instead")
        elif format not in {"csv", "json"}:
            raise AnalysisError(f"{format} has no option {key}", condition="INVALID_OPTION")


def _format(uri: str, format: str | None, paths: list[str]) -> str:
    if format is not None:
        lowered = {"jsonl": "json", "ndjson": "json", "tsv": "csv", "ipc": "arrow", "txt": "text"}.get(
            format.lower(), format.lower()
        )
        if lowered == "delta":
            raise NotSupportedError("Delta tables are opened by their log", hint=f"query delta.`{uri}`")
        if lowered not in FORMATS:
            raise AnalysisError(
                f"unknown format {format}",
                condition="DATA_SOURCE_NOT_FOUND",
                hint=did_you_mean(format, FORMATS) or "formats are " + ", ".join(FORMATS),
            )
        return lowered
    known = Counter(f for f in map(_guess, paths) if f)
    if not known:
        raise AnalysisError(
            f"cannot tell the format of '{uri}' from its name",
            condition="UNABLE_TO_INFER_FORMAT",
            hint=f"say it: csv.`{uri}` or read_files('{uri}', format => 'csv')",
        )
    return known.most_common(1)[0][0]


def _guess(path: str) -> str | None:
    stem, extension = os.path.splitext(path.lower())
    if extension in COMPRESSIONS:
        extension = os.path.splitext(stem)[1]
    return EXTENSIONS.get(extension)


def _partition_root(path: str, files: list[str]) -> str | None:
    """Where `key=value` directories start to count: the directory itself, or before the first glob sign."""
    if uris.is_remote(path) and files[0].startswith(path + "/"):
        return path
    if files == [path]:
        return None
    if os.path.isdir(path):
        return path
    head = path
    while any(c in head for c in "*?["):
        head = os.path.dirname(head)
    return head


def _with_partitions(
    source: Source, partitions: list[dict[str, str | None]], schema: Struct | None
) -> Source:
    if not source.partition_columns:
        return source
    data = tuple(f for f in source.schema.fields if f.name not in source.partition_columns)
    declared = {f.name.lower(): f.type for f in schema.fields} if schema else {}
    columns = tuple(
        Field(name, declared.get(name.lower()) or _partition_type([p[name] for p in partitions]))
        for name in source.partition_columns
    )
    return replace(source, schema=Struct(data + columns))


def _partition_type(values: list[str | None]) -> SqlType:
    """Spark's inference for directory values: int, bigint, double, date, else string."""
    known = [v for v in values if v is not None]
    for sql_type, test in ((INT, _is_int), (BIGINT, _is_bigint), (DOUBLE, _is_double), (DATE, _is_date)):
        if known and all(test(v) for v in known):
            return sql_type
    return STRING


def _is_int(v: str) -> bool:
    return _is_bigint(v) and -(2**31) <= int(v) < 2**31


def _is_bigint(v: str) -> bool:
    digits = v.removeprefix("-")
    return digits.isascii() and digits.isdigit() and -(2**63) <= int(v) < 2**63


def _is_double(v: str) -> bool:
    try:
        float(v)
    except ValueError:
        return False
    return v.strip().lower() not in {"nan", "inf", "infinity", "-inf", "-infinity"}


def _is_date(v: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(v)
    except ValueError:
        return False
    return len(v) == 10


def _parquet(source: Source, schema: Struct | None) -> Source:
    from sqlshell.storage import parquet

    paths = [f.path for f in source.files]
    # Row counts and statistics cost one footer a file: past a thousand files a sample must do.
    files = source.files
    if len(files) <= 1000:
        files = tuple(replace(f, rows=parquet.footer(f.path).num_rows) for f in files)
    stats = parquet.column_stats(paths)
    if schema is not None:  # converting the files' values may widen them and make NULLs
        stats = tuple((name, replace(s, exact=False)) for name, s in stats)
    else:
        files = tuple(replace(f, zones=z) for f, z in zip(files, parquet.clustered(paths), strict=True))
    return replace(source, files=files, schema=schema or parquet.sql_schema(paths[0]), stats=stats)


def _fixed(*fields: Field) -> Callable[[Source, Struct | None], Source]:
    def describe(source: Source, schema: Struct | None) -> Source:
        return replace(source, schema=Struct(fields))

    return describe


def _orc(source: Source, schema: Struct | None) -> Source:
    import pyarrow as pa
    from pyarrow import orc

    path = source.files[0].path
    try:
        found = orc.ORCFile(uris.open_input(path)).schema
    except (pa.ArrowInvalid, OSError) as e:
        raise CorruptInputError(f"'{path}' is not a readable ORC file: {e}") from None
    return replace(source, schema=schema or _struct(found))


def _arrow(source: Source, schema: Struct | None) -> Source:
    import pyarrow as pa

    path = source.files[0].path
    try:
        with uris.open_input(path) if uris.is_remote(path) else pa.memory_map(path) as f:
            found = _ipc_schema(f)
    except (pa.ArrowInvalid, OSError) as e:
        raise CorruptInputError(f"'{path}' is not a readable Arrow IPC file: {e}") from None
    return replace(source, schema=schema or _struct(found))


def _ipc_schema(file: pa.MemoryMappedFile) -> pa.Schema:
    """The schema of an IPC file or an IPC stream."""
    import pyarrow as pa

    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file).schema


def _struct(schema: pa.Schema) -> Struct:
    from sqlshell.types_arrow import from_arrow

    return Struct(tuple(Field(f.name, from_arrow(f.type)) for f in schema))


def _describers() -> dict[str, Callable[[Source, Struct | None], Source]]:
    """One function per format: fills in the schema (and what else the files tell)."""
    from sqlshell.storage import csv_schema, json_schema

    return {
        "parquet": _parquet,
        "csv": csv_schema.describe,
        "json": json_schema.describe,
        "text": _fixed(Field("value", STRING)),
        "binaryfile": _fixed(
            Field("path", STRING),
            Field("modificationTime", TIMESTAMP),
            Field("length", BIGINT),
            Field("content", BINARY),
        ),
        "orc": _orc,
        "arrow": _arrow,
    }
