"""What model.json says about how a version came to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Expr
from sqlshell.plan.logical import Plan, Scan
from sqlshell.plan.renew import is_deterministic
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from sqlshell.ml.estimators import Estimator
    from sqlshell.ml.model import Feature
    from sqlshell.ml.train import Prepared, Surroundings
    from sqlshell.parser.statement_model import CreateModel


def data_of(
    around: Surroundings,
    statement: CreateModel,
    source: str,
    options: dict[str, Any],
    prepared: Prepared,
    estimator: Estimator,
) -> dict[str, Any]:
    """What model.json holds, but for what training finds."""
    import platform

    from sqlshell.version import __version__

    if around.instant is not None:
        options["session_time"] = around.instant
    deterministic = all(is_deterministic(e) for p in prepared.raw.plan.walk() for e in _exprs(p))
    reason = around.unsure if deterministic else "the query has functions that differ from run to run"
    if options["warm_start"] and not reason:
        reason = "warm_start began from the version before"
    return {
        "format": 1,
        "model_type": estimator.name,
        "options": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        "label": options["input_label_cols"][0] if prepared.label is not None else None,
        "label_type": str(prepared.label_type) if prepared.label_type is not None else None,
        "input": prepared.input,
        "transform": statement.transform,
        "statistics": prepared.statistics,
        "query": source,
        "statement": statement.text,
        "sources": [_source(p.source) for p in prepared.raw.plan.walk() if isinstance(p, Scan)],
        "reproducible": not reason,
        "reason": reason,
        "libraries": {"sqlshell": __version__, "python": platform.python_version(), "machine": platform.machine(),
                      **_libraries(estimator)},
    }  # fmt: skip


def _libraries(estimator: Estimator) -> dict[str, str]:
    from importlib import import_module, metadata

    found = {name: metadata.version(name) for name in ("numpy", "polars")}
    if estimator.package is not None:
        found[estimator.package[0]] = str(import_module(estimator.package[0]).__version__)
    return found


def _exprs(plan: Plan) -> list[Expr]:
    out = []
    for e in plan.exprs:
        inner = getattr(e, "expr", e)
        if isinstance(inner, Expr):
            out.append(inner)
    return out


def _source(source: Any) -> dict[str, Any]:
    """What a model remembers of a table it was trained on."""
    files = [(f.path, f.size, f.modified) for f in getattr(source, "files", ())]
    return {
        "name": source.name,
        "format": getattr(source, "format", "memory"),
        "location": source.table.location if isinstance(source, Source) and source.table else None,
        "version": source.table.version if isinstance(source, Source) and source.table else None,
        "files": len(files),
        "bytes": sum(size for _, size, _ in files),
        "first_files": [{"path": p, "size": s, "modified": m} for p, s, m in files[:100]],
    }


def as_json(f: Feature) -> dict[str, Any]:
    return {
        "name": f.name, "kind": f.kind, "type": f.type, "width": f.width, "fill": f.fill,
        "categories": list(f.categories), "dropped": f.dropped, "slots": list(f.slots),
    }  # fmt: skip
