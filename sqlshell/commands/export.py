"""COPY ... TO and INSERT OVERWRITE DIRECTORY: a query's rows as files, there in full or not at all.

Files are written beside the target under a hidden name; one rename makes them visible.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlshell.commands.delta_write import run_write
from sqlshell.errors import AnalysisError, NotSupportedError, OperationalError, did_you_mean
from sqlshell.expr.expr import Expr, Literal
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Named, Project, named, passthrough
from sqlshell.result import Result
from sqlshell.storage import object_files
from sqlshell.storage.uri import is_remote, resolve
from sqlshell.storage.write_spec import FILE_BYTES, WriteColumn, WriteSpec
from sqlshell.types import (
    BIGINT,
    STRING,
    Array,
    CalendarInterval,
    Field,
    Map,
    SqlType,
    String,
    Struct,
    Variant,
    as_read,
)

if TYPE_CHECKING:
    from sqlshell.expr.expr import Column
    from sqlshell.parser.statement_dml import CopyTo
    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session

SUFFIXES = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
}
ONE_FILE = 1 << 62
_OPTIONS = {
    "parquet": ("compression", "compression_level", "row_group_size"),
    "csv": ("header", "sep", "delimiter"),
    "json": (),
    "arrow": (),
}
_CODECS = ("zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed", "none")


def copy_to(session: Session, s: CopyTo) -> Result:
    """Write the query's rows; gives their number."""
    target = resolve(s.path, os.getcwd(), remote=True, write=True)
    form = s.format or SUFFIXES.get(os.path.splitext(target)[1].lower(), "parquet")
    single = not s.partition_by and os.path.splitext(target)[1].lower() in SUFFIXES
    if object_files.exists(target) and not s.overwrite:
        raise AnalysisError(
            f"'{target}' exists already",
            condition="PATH_ALREADY_EXISTS",
            span=s.path_span,
            hint=f"COPY ... TO '{s.path}' (OVERWRITE) replaces it",
        )
    bound = session.bind(s.query)
    partition = _partition(s, bound)
    plan, columns = arranged(s, bound, form, partition)
    folder, name = os.path.split(target)
    hidden = resolve(os.path.join(folder, f".{name}.{uuid4().hex[:12]}.tmp"), remote=True, write=True)
    spec = with_options(
        s,
        WriteSpec(
            hidden,
            columns,
            format=form,
            partition_by=tuple(range(len(columns) - len(partition), len(columns))),
            codec=session.settings.get("sqlshell.write.codec"),
            level=session.settings.get("sqlshell.write.level"),
            row_group_rows=session.settings.get("sqlshell.write.rowGroupRows"),
            file_bytes=ONE_FILE if single else FILE_BYTES,
            single=single,
            stats=0,
        ),
    )
    try:
        if not is_remote(hidden):
            os.makedirs(hidden)
        files = run_write(session, plan, (), spec)
        publish = _publish_objects if is_remote(target) else _publish
        publish(os.path.join(hidden, files[0].path) if single else hidden, target)
    except OSError as e:
        raise OperationalError(f"cannot write '{target}': {e.strerror or e}") from e
    finally:
        object_files.remove_tree(hidden)
    return Result([Field("num_rows", BIGINT)], [(sum(f.rows for f in files),)])


def _publish(made: str, target: str) -> None:
    """Put the finished file or directory in its place; what was there goes."""
    old = None
    if os.path.isdir(target) or (os.path.isdir(made) and os.path.lexists(target)):
        old = f"{made}.old"
        os.rename(target, old)
    try:
        os.replace(made, target)
    except OSError:
        if old is not None:
            os.rename(old, target)
        raise
    if old is not None:
        if os.path.isdir(old):
            object_files.remove_tree(old)
        else:
            with contextlib.suppress(OSError):
                os.unlink(old)


def _publish_objects(made: str, target: str) -> None:
    """As `_publish` in a store, which cannot rename: the objects are copied there, then what was there goes.

    A single file appears at once, a directory file by file.
    """
    from sqlshell.storage import objects

    old = {target, *(f.path for f in objects.below(target))}
    new = {target + f.path[len(made) :]: f.path for f in objects.below(made)} or {target: made}
    for path, source in new.items():
        objects.copy(source, path, replace=True)
    for path in old - set(new):
        objects.delete(path)


def _partition(s: CopyTo, bound: BoundQuery) -> list[int]:
    lowered = [n.lower() for n in bound.names]
    twice = next((n for n in bound.names if lowered.count(n.lower()) > 1), None)
    if twice is not None:
        raise AnalysisError(
            f"the query gives the column `{twice}` twice", condition="COLUMN_ALREADY_EXISTS", span=s.path_span
        )
    for name in s.partition_by:
        if name.lower() not in lowered:
            raise AnalysisError(
                f"the query gives no column `{name}` to partition by",
                condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
                span=s.path_span,
                hint=did_you_mean(name, bound.names),
            )
    return [lowered.index(n.lower()) for n in s.partition_by]


def arranged(
    s: CopyTo, bound: BoundQuery, form: str, partition: list[int]
) -> tuple[Project, tuple[WriteColumn, ...]]:
    """The plan with data columns first (as text for text formats), then the partition columns."""
    data = [i for i in range(len(bound.names)) if i not in partition]
    output = bound.plan.output
    items: list[Named]
    if form == "json":
        parts: list[Expr] = []
        for i in data:
            parts += [Literal(bound.names[i], STRING), output[i]]
        items = [named("line", make_call("to_json", [make_call("named_struct", parts)]))]
    elif form == "csv":
        items = [named(bound.names[i], _csv_text(s, bound.names[i], output[i])) for i in data]
    else:
        for i in data:
            _refuse_unwritable(bound.names[i], output[i].type, form)
        items = [passthrough(output[i]) for i in data]
    names = ["line"] if form == "json" else [bound.names[i] for i in data]
    items += [passthrough(output[i]) for i in partition]
    names += [bound.names[i] for i in partition]
    columns = tuple(WriteColumn(n, as_read(i.column.type)) for n, i in zip(names, items, strict=True))
    return Project(bound.plan, tuple(items)), columns


def _refuse_unwritable(name: str, t: SqlType, form: str) -> None:
    """Kernels hold variants and calendar intervals in a form of their own, which is none of a file's."""
    match t:
        case Variant() | CalendarInterval():
            raise AnalysisError(
                f"{form} files cannot hold the column `{name}` of type {t}",
                condition="UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
                hint=f"CAST({name} AS STRING) makes it text",
            )
        case Array():
            _refuse_unwritable(name, t.element, form)
        case Map():
            _refuse_unwritable(name, t.value, form)
        case Struct():
            for f in t.fields:
                _refuse_unwritable(name, f.type, form)


def _csv_text(s: CopyTo, name: str, column: Column) -> Expr:
    if isinstance(column.type, (Array, Map, Struct, Variant)):
        raise AnalysisError(
            f"CSV files cannot hold the column `{name}` of type {column.type}",
            condition="UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
            span=s.path_span,
            hint=f"to_json({name}) makes it text",
        )
    return column if isinstance(column.type, String) else cast_to(column, STRING)


def with_options(s: CopyTo, spec: WriteSpec) -> WriteSpec:
    """The statement's options in force; raises for those that the format does not have."""
    from sqlshell.records import replace

    for key, value in s.options.items():
        if key.lower() not in _OPTIONS[spec.format]:
            raise NotSupportedError(
                f"writing {spec.format} has no option {key}",
                span=s.path_span,
                hint=did_you_mean(key, _OPTIONS[spec.format])
                or "options: " + (", ".join(_OPTIONS[spec.format]) or "none"),
            )
        match key.lower():
            case "header":
                spec = replace(spec, header=value.lower() in ("true", "1"))
            case "sep" | "delimiter":
                spec = replace(spec, separator=_one_character(s, value))
            case "compression":
                if value.lower() not in _CODECS:
                    raise NotSupportedError(f"there is no compression {value}", span=s.path_span)
                spec = replace(spec, codec=value.lower())
            case "compression_level":
                spec = replace(spec, level=_number(s, key, value))
            case "row_group_size":
                spec = replace(spec, row_group_rows=_number(s, key, value))
    return spec


def _one_character(s: CopyTo, value: str) -> str:
    text = {"\\t": "\t"}.get(value, value)
    if len(text) != 1 or ord(text) > 127:
        raise NotSupportedError(f"a separator is one ASCII character, not '{value}'", span=s.path_span)
    return text


def _number(s: CopyTo, key: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise AnalysisError(f"{key} takes a number, not '{value}'", span=s.path_span)
    return int(value)
