"""JSON: a schema from a sample of records (Spark's rules), and the place of a malformed record."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, CorruptInputError
from sqlshell.records import replace
from sqlshell.storage.records import can_be_cut, lines
from sqlshell.storage.source import CUTTABLE
from sqlshell.storage.text_open import open_text
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    STRING,
    VOID,
    Array,
    BigInt,
    Boolean,
    Double,
    Field,
    Float,
    Integral,
    SqlType,
    String,
    Struct,
    Void,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlshell.storage.source import FileRange, Source

SAMPLE_RECORDS = 20_480
KNOWN = {"mode", "multiline", "encoding", "samplingratio", "columnnameofcorruptrecord", "primitivesasstring"}
MODES = ("FAILFAST", "PERMISSIVE", "DROPMALFORMED")


def describe(source: Source, schema: Struct | None) -> Source:
    """The source with `multiline` (an array or one object a file) and `mode` made explicit, and its schema."""
    options = dict(source.options)
    for name in options.keys() - KNOWN:
        raise AnalysisError(f"JSON has no option {name}", condition="INVALID_OPTION")
    mode = options.get("mode", "FAILFAST").upper()
    if mode not in MODES:
        raise AnalysisError(f"JSON mode is {', '.join(MODES)}, not {mode}", condition="INVALID_OPTION")
    path = next((f.path for f in source.files if f.size > 0), None)
    whole = options["multiline"].lower() == "true" if "multiline" in options else _is_array(path)
    explicit = {"mode": mode, "multiline": "true" if whole else "false"}
    if "columnnameofcorruptrecord" in options:
        explicit["columnnameofcorruptrecord"] = options["columnnameofcorruptrecord"]
    if not whole and can_be_cut(source.files):
        explicit[CUTTABLE] = "true"
    if schema is None:
        if path is None:
            raise AnalysisError(
                "the JSON file is empty", condition="UNABLE_TO_INFER_SCHEMA", hint="give a schema for it"
            )
        schema = infer_schema(islice(_sample(path, whole, mode), SAMPLE_RECORDS))
    return replace(source, schema=schema, options=tuple(sorted(explicit.items())))


def _is_array(path: str | None) -> bool:
    """A file that starts with `[`, or whose first line is not a whole object, is one document."""
    if path is None:
        return False
    with open_text(path) as f:
        head = f.read(4096).lstrip()
    if head.startswith("["):
        return True
    first = head.split("\n", 1)[0].strip()
    return first == "{"


def _sample(path: str, whole: bool, mode: str) -> Iterator[Any]:
    with open_text(path) as f:
        if whole:
            try:
                document = json.load(f)
            except json.JSONDecodeError as e:
                raise CorruptInputError(f"{path}, line {e.lineno}, column {e.colno}: {e.msg}") from None
            yield from document if isinstance(document, list) else [document]
            return
        for n, line in enumerate(f, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except json.JSONDecodeError as e:
                if mode == "FAILFAST":
                    raise CorruptInputError(
                        f"{path}, line {n}, column {e.colno}: {e.msg}",
                        condition="MALFORMED_RECORD_IN_PARSING",
                        hint="mode => 'PERMISSIVE' reads such records as NULL, 'DROPMALFORMED' skips them",
                    ) from None


def infer_schema(records: Iterator[Any]) -> Struct:
    """The struct that holds every record; fields in alphabetical order, as Spark gives them."""
    merged: SqlType = VOID
    for record in records:
        merged = merge(merged, infer_type(record))
    if isinstance(merged, Void):
        merged = Struct(())
    if not isinstance(merged, Struct):
        raise AnalysisError("JSON records must be objects", condition="UNABLE_TO_INFER_SCHEMA")
    settled = settle(merged)
    assert isinstance(settled, Struct)
    return settled


def infer_type(value: Any) -> SqlType:
    """The type of one JSON value."""
    match value:
        case None:
            return VOID
        case bool():
            return BOOLEAN
        case int():
            return BIGINT if -(2**63) <= value < 2**63 else DOUBLE
        case float():
            return DOUBLE
        case str():
            return STRING
        case list():
            element: SqlType = VOID
            for v in value:
                element = merge(element, infer_type(v))
            return Array(element)
        case dict():
            return Struct(tuple(Field(k, infer_type(v)) for k, v in value.items()))
    return STRING


def merge(a: SqlType, b: SqlType) -> SqlType:
    """The type that holds both; text holds anything."""
    if a == b or isinstance(b, Void):
        return a
    if isinstance(a, Void):
        return b
    if isinstance(a, (BigInt, Double)) and isinstance(b, (BigInt, Double)):
        return DOUBLE
    if isinstance(a, Array) and isinstance(b, Array):
        return Array(merge(a.element, b.element))
    if isinstance(a, Struct) and isinstance(b, Struct):
        types = {f.name: f.type for f in a.fields}
        for f in b.fields:
            types[f.name] = merge(types.get(f.name, VOID), f.type)
        return Struct(tuple(Field(n, t) for n, t in types.items()))
    return STRING


def settle(t: SqlType) -> SqlType:
    """Unknown leaves become strings, struct fields are sorted by name."""
    match t:
        case Void():
            return STRING
        case Array():
            return Array(settle(t.element))
        case Struct():
            return Struct(
                tuple(Field(f.name, settle(f.type)) for f in sorted(t.fields, key=lambda f: f.name))
            )
    return t


def find_malformed(source: Source, ranges: Sequence[FileRange]) -> str | None:
    """File, line and column of the first record that is not JSON or does not fit the schema; None when all do."""
    for file, start, end in ranges:
        if start == 0 and end is None:
            with open_text(file.path) as f:
                found = _malformed(source, file.path, f, 0)
        else:
            text, before = lines(file.path, start, end, None)
            found = _malformed(source, file.path, text, before)
        if found is not None:
            return found
    return None


def _malformed(source: Source, path: str, text: Iterable[str], before: int) -> str | None:
    """The same in the lines of one range, `before` of which stand above it."""
    for n, line in enumerate(text, before + 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as e:
            return f"{path}, line {n}, column {e.colno}: {e.msg}"
        if not isinstance(record, dict):
            return f"{path}, line {n}: a record must be an object"
        wrong = misfit(record, source.schema)
        if wrong:
            return f"{path}, line {n}: {wrong}"
    return None


def misfit(value: Any, t: SqlType, path: str = "") -> str | None:
    """The first field of a parsed value that does not fit its type, in words; None when all do."""
    match t:
        case Struct() if isinstance(value, dict):
            for f in t.fields:
                if value.get(f.name) is not None:
                    wrong = misfit(value[f.name], f.type, f"{path}.{f.name}" if path else f.name)
                    if wrong:
                        return wrong
            return None
        case Array() if isinstance(value, list):
            return next((w for v in value if v is not None and (w := misfit(v, t.element, path))), None)
        case Boolean() if isinstance(value, bool):
            return None
        case Integral() if isinstance(value, int) and not isinstance(value, bool):
            return (
                None
                if -(2 ** (t.bits - 1)) <= value < 2 ** (t.bits - 1)
                else f"field {path}: {value} is out of range"
            )
        case Double() | Float() if isinstance(value, (int, float)) and not isinstance(value, bool):
            return None
        case String() | Void():
            return None
        case Struct() | Array() | Boolean() | Integral() | Double() | Float():
            return f"field {path}: {json.dumps(value)[:60]} is not {t}"
    return None
