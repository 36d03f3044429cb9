"""system.ml: what is known of all models and of how each version came to be, as relations of any query.

Rows are made when a query names a table. A version whose files are damaged has a row in `runs` that says so, and none
in the others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, Error, did_you_mean
from sqlshell.ml.column_names import option_text
from sqlshell.plan.context import LiteralRows
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, STRING, TIMESTAMP, Array, Field, Map, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.errors import Span
    from sqlshell.storage.catalog import CatalogObject
    from sqlshell.storage.models import Models

Row = tuple[Any, ...]
SYSTEM = ("system", "ml")
TEXTS = Map(STRING, STRING)


def _table(*fields: tuple[str, SqlType]) -> Struct:
    return Struct(tuple(Field(n, t) for n, t in fields))


def _of_version(*fields: tuple[str, SqlType]) -> Struct:
    return _table(("schema", STRING), ("model", STRING), ("version", BIGINT), *fields)


TABLES = {
    "models": _table(
        ("schema", STRING),
        ("model", STRING),
        ("model_type", STRING),
        ("version", BIGINT),
        ("versions", BIGINT),
        ("aliases", Map(STRING, BIGINT)),
        ("description", STRING),
        ("created", TIMESTAMP),
        ("changed", TIMESTAMP),
    ),
    "runs": _of_version(
        ("created", TIMESTAMP),
        ("model_type", STRING),
        ("is_current", BOOLEAN),
        ("aliases", Array(STRING)),
        ("label", STRING),
        ("training_rows", BIGINT),
        ("seconds", DOUBLE),
        ("options", TEXTS),
        ("query", STRING),
        ("transform", STRING),
        ("statement", STRING),
        ("parameter_sha256", STRING),
        ("reproducible", BOOLEAN),
        ("reason", STRING),
        ("warnings", Array(STRING)),
        ("libraries", TEXTS),
        ("error", STRING),
    ),
    "training_info": _of_version(
        ("iteration", BIGINT), ("loss", DOUBLE), ("eval_loss", DOUBLE), ("step", DOUBLE)
    ),
    "metrics": _of_version(("metric", STRING), ("value", DOUBLE), ("measured_on", STRING)),
    "sources": _of_version(
        ("source", STRING),
        ("format", STRING),
        ("location", STRING),
        ("source_version", BIGINT),
        ("files", BIGINT),
        ("bytes", BIGINT),
    ),
    "features": _of_version(("feature", STRING), ("type", STRING), ("kind", STRING), ("columns", BIGINT)),
    "trials": _of_version(
        ("trial_id", BIGINT),
        ("searched", TEXTS),
        ("objective", STRING),
        ("value", DOUBLE),
        ("training_loss", DOUBLE),
        ("error", STRING),
        ("is_optimal", BOOLEAN),
    ),
}


def is_system(name: tuple[str, ...]) -> bool:
    """Whether a name means one of these tables."""
    return len(name) == 3 and tuple(p.lower() for p in name[:2]) == SYSTEM


def rows_of(models: Models, name: tuple[str, ...], span: Span | None) -> LiteralRows:
    """The relation system.ml.<name>. Raises TABLE_OR_VIEW_NOT_FOUND."""
    own = name[-1].lower()
    schema = TABLES.get(own)
    if schema is None:
        raise AnalysisError(
            f"there is no table or view `{'.'.join(name)}`",
            condition="TABLE_OR_VIEW_NOT_FOUND",
            span=span,
            hint=did_you_mean(own, TABLES) or "system.ml has " + ", ".join(TABLES),
        )
    rows = _models(models) if own == "models" else _versions(models, own)
    return LiteralRows(schema, tuple(rows))


def _entries(models: Models) -> Iterator[CatalogObject]:
    for schema in models.catalog.schemas():
        yield from models.listed(schema)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)


def _models(models: Models) -> Iterator[Row]:
    for entry in _entries(models):
        p = entry.payload
        current = str(p["current"])
        first = min(v["created_ms"] for v in p["versions"].values())
        try:
            kind = models.described(entry, int(current))["model_type"]
        except Error:
            kind = None
        aliases = tuple((a, int(v)) for a, v in sorted(p.get("aliases", {}).items()))
        yield (entry.schema, entry.name, kind, int(current), len(p["versions"]), aliases,
               p.get("description", ""), _instant(first), _instant(entry.time_ms))  # fmt: skip


def _versions(models: Models, table: str) -> Iterator[Row]:
    make = _ROWS[table]
    for entry in _entries(models):
        for number in sorted(int(v) for v in entry.payload["versions"]):
            key = (entry.schema, entry.name, number)
            try:
                data = models.described(entry, number)
            except Error as e:
                if table == "runs":
                    yield _damaged(entry, number, e)
                continue
            for row in make(entry, number, data):
                yield (*key, *row)


def _made(entry: CatalogObject, number: int) -> tuple[Any, bool, tuple[str, ...]]:
    p = entry.payload
    aliases = tuple(a for a, v in sorted(p.get("aliases", {}).items()) if int(v) == number)
    return _instant(p["versions"][str(number)]["created_ms"]), number == int(p["current"]), aliases


def _damaged(entry: CatalogObject, number: int, error: Error) -> Row:
    created, current, aliases = _made(entry, number)
    unknown = len(TABLES["runs"].fields) - 8
    return (entry.schema, entry.name, number, created, None, current, aliases, *[None] * unknown,
            f"[{error.condition}] {error.message}")  # fmt: skip


def _runs(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    created, current, aliases = _made(entry, number)
    options = tuple((k, option_text(v)) for k, v in d["options"].items() if v is not None)
    yield (created, d["model_type"], current, aliases, d.get("label"), d.get("training_rows"), d.get("seconds"),
           options, d["query"], d.get("transform"), d["statement"], d.get("parameter_sha256"), d["reproducible"],
           d["reason"] or None, tuple(d.get("warnings", ())), tuple(d["libraries"].items()), None)  # fmt: skip


def _iterations(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    for e in d.get("log") or ():
        yield int(e["iteration"]), e.get("loss"), e.get("eval_loss"), e.get("step")


def _metrics(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    found = dict(d.get("metrics") or {})
    on = found.pop("measured_on", None)
    for metric, value in found.items():
        yield metric, value, on
    for i, fold in enumerate(d.get("folds", ()), 1):
        for metric, value in fold.items():
            yield metric, value, f"fold {i}"


def _sources(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    for s in d["sources"]:
        yield s["name"], s["format"], s["location"], s["version"], s["files"], s["bytes"]


def _features(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    for f in d.get("features", ()):
        yield f["name"], f["type"], f["kind"], f["width"]


def _trials(entry: CatalogObject, number: int, d: dict[str, Any]) -> Iterator[Row]:
    for i, t in enumerate(d.get("trials", ()), 1):
        searched = tuple((k, option_text(v)) for k, v in t["searched"].items())
        yield (i, searched, t["objective"], t["value"], t["training_loss"], t["error"] or None, t["best"])


_ROWS: dict[str, Callable[[CatalogObject, int, dict[str, Any]], Iterator[Row]]] = {
    "runs": _runs,
    "training_info": _iterations,
    "metrics": _metrics,
    "sources": _sources,
    "features": _features,
    "trials": _trials,
}
