"""CREATE, SHOW, DESCRIBE, ALTER, REFRESH, RESTORE and DROP MODEL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.commands.common import like, strings
from sqlshell.commands.model_query import stored_text
from sqlshell.commands.model_training import Trainer, setting
from sqlshell.errors import AnalysisError
from sqlshell.ml import importing
from sqlshell.ml.options import model_type
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.storage.models import Reference, exists_error
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, TIMESTAMP, Field

if TYPE_CHECKING:
    from sqlshell.parser import statement_model as st
    from sqlshell.session import Session


def create_model(session: Session, s: st.CreateModel) -> Result:
    """Train a model and store it as a new version."""
    models = session.models
    if models.exists(s.name) and not s.replace:
        if s.if_not_exists:
            return command(f"the model {'.'.join(s.name)} exists already")
        raise exists_error(s.name, s.name_span)
    if importing.is_import(s.options):
        if s.query is not None or s.transform is not None:
            raise AnalysisError(
                "an imported model has no training query", condition="INVALID_MODEL_OPTION_COMBINATION",
                span=s.name_span, hint="leave AS and TRANSFORM out, or name a model type to train",
            )  # fmt: skip
        return _import(session, s)
    if s.inputs:
        raise AnalysisError(
            "INPUT (...) belongs to imports", condition="INVALID_MODEL_OPTION_COMBINATION", span=s.name_span,
            hint="the training query says what a model's inputs are",
        )  # fmt: skip
    if s.query is None:
        model_type(s.options, s.name_span)
        raise AnalysisError(
            "CREATE MODEL needs AS and a training query", condition="MISSING_TRAINING_QUERY", span=s.name_span
        )
    made = _train(session, s)
    rows = made.data.get("training_rows")
    said = f"model {made.name} version {made.version}"
    return command(said if rows is None else f"{said}, trained on {rows:,} rows", session.warnings)


def _import(session: Session, s: st.CreateModel) -> Result:
    """Read a model's file and store it as a new version."""
    found, description = importing.read(s)
    version = session.models.add(s.name, found.data, found.parameters, description, found.files)
    return command(f"model {version.name} version {version.version}", session.warnings)


def _train(session: Session, s: st.CreateModel) -> Any:
    """Train in the time zone, and at the instant, that the statement names."""
    from sqlshell.ml.train import create

    assert s.query is not None
    given = {o.name: o for o in s.options}
    zone = given["time_zone"].value if "time_zone" in given else None
    instant = _instant_of(given["session_time"]) if "session_time" in given else None
    with setting(session, "sqlshell.timeZone", str(zone or session.settings.get("sqlshell.timeZone"))):
        trainer = Trainer(session, instant)
        query = trainer.bind(s.query)
        text, reason = stored_text(trainer.context, s.query, query)
        trainer.unsure = reason
        return create(trainer, s, query, text, list(s.options))


def _instant_of(option: st.ModelOption) -> datetime:
    try:
        found = datetime.fromisoformat(str(option.value))
    except ValueError:
        raise AnalysisError(
            f"session_time takes a timestamp, not {option.value!r}",
            condition="INVALID_MODEL_OPTION_VALUE",
            span=option.span,
        ) from None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def export_model(session: Session, s: st.ExportModel) -> Result:
    """Write a version's files to a path that does not exist yet."""
    import os

    from sqlshell.ml.exporting import files_of
    from sqlshell.storage import object_files
    from sqlshell.storage.uri import resolve

    version = session.models.resolve(Reference(s.name, s.version.kind, s.version.value), s.name_span)
    target = resolve(s.path, os.getcwd(), remote=True, write=True)
    if object_files.exists(target):
        raise AnalysisError(f"'{target}' exists already", condition="PATH_ALREADY_EXISTS", span=s.path_span)
    written = files_of(version, s.path, s.format, s.path_span)
    for name, content in written.items():
        object_files.put_if_absent(os.path.join(target, name) if name else target, content)
    return command(f"model {version.name} version {version.version} written to '{target}'")


def drop_model(session: Session, s: st.DropModel) -> Result:
    """End a model; its versions stay on disk."""
    if s.if_exists and not session.models.exists(s.name):
        return command("OK")
    session.models.drop(session.models.entry(s.name, s.name_span))
    return command("OK")


def show_models(session: Session, s: st.ShowModels) -> Result:
    """The models of a schema."""
    found = {o.name: o for o in session.models.listed(".".join(s.schema) or None)}
    rows = []
    for name in like(found, s.pattern):
        entry = found[name]
        current = session.models.load(entry, entry.payload["current"])
        rows.append((
            entry.schema, name, current.data["model_type"], current.version, len(entry.payload["versions"]),
            _instant(current.created_ms), entry.payload.get("description", ""),
        ))  # fmt: skip
    fields = (
        *strings("namespace", "model", "model_type"), Field("version", BIGINT), Field("versions", BIGINT),
        Field("created", TIMESTAMP), *strings("description"),
    )  # fmt: skip
    return Result(fields, rows)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def describe_model(session: Session, s: st.DescribeModel) -> Result:
    """DESCRIBE MODEL, DESCRIBE HISTORY MODEL, SHOW CREATE MODEL."""
    models = session.models
    entry = models.entry(s.name, s.name_span)
    if s.kind == "history":
        return _history(session, entry)
    reference = Reference(s.name, s.version.kind, s.version.value)
    version = models.resolve(reference, s.name_span)
    if s.kind == "create":
        return Result(strings("createmodel_stmt"), [(create_text(version.name, version.data),)])
    from sqlshell.ml.model import of_version
    from sqlshell.ml.relations import describe_rows

    return Result(strings("info_name", "info_value"), describe_rows(of_version(version)))


def _history(session: Session, entry: Any) -> Result:
    aliases: dict[int, list[str]] = {}
    for alias, number in sorted(entry.payload.get("aliases", {}).items()):
        aliases.setdefault(int(number), []).append(alias)
    rows = []
    for number in sorted((int(v) for v in entry.payload["versions"]), reverse=True):
        version = session.models.load(entry, number)
        d = version.data
        rows.append((
            number, _instant(version.created_ms), d["model_type"], number == entry.payload["current"],
            ", ".join(aliases.get(number, [])), d.get("training_rows"), d.get("seconds"),
            str(d.get("metrics", {})), d.get("parameter_sha256", ""),
        ))  # fmt: skip
    fields = (
        Field("version", BIGINT), Field("created", TIMESTAMP), *strings("model_type"), Field("is_current", BOOLEAN),
        *strings("aliases"), Field("training_rows", BIGINT), Field("seconds", DOUBLE),
        *strings("metrics", "parameter_sha256"),
    )  # fmt: skip
    return Result(fields, rows)


SEARCH = ("num_trials", "max_parallel_trials", "hparam_tuning_algorithm", "hparam_tuning_objectives")
"""Options of a search; a version's statement names what was found instead."""


def create_text(name: str, data: dict[str, Any]) -> str:
    """The statement that trains this version again, tables at the versions it saw; of an import, that one."""
    if not data["query"]:
        found: str = data["statement"]
        return found
    from sqlshell.ml import estimators
    from sqlshell.ml.options import COMMON

    row = estimators.get(data["model_type"])
    defaults = {o.name: o.default for o in (*COMMON, *row.options)}
    shown = [f"model_type = '{data['model_type']}'"]
    for key, value in data["options"].items():
        default = defaults.get(key)
        if (
            key in SEARCH
            or key == "model_type"
            or value == (list(default) if isinstance(default, tuple) else default)
        ):
            continue
        shown.append(f"{key} = {_option_text(value)}")
    parts = [f"CREATE OR REPLACE MODEL {name}"]
    if data.get("transform") is not None:
        parts.append(f"TRANSFORM ({data['transform']})")
    parts.append(f"OPTIONS ({', '.join(shown)})")
    parts.append(f"AS {data['query']}")
    return "\n".join(parts)


def _option_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(
            "STRUCT(" + ", ".join(map(_option_text, v)) + ")" if isinstance(v, (list, tuple)) else _option_text(v)
            for v in value
        ) + "]"  # fmt: skip
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)


def alter_model(session: Session, s: st.AlterModel) -> Result:
    """Description, aliases, name."""
    models = session.models
    entry = models.entry(s.name, s.name_span)
    if s.action == "rename":
        models.rename(entry, s.new_name, s.name_span)
        return command("OK")
    if s.action == "options":
        for option in s.options:
            if option.name not in ("description", "comment"):
                raise AnalysisError(
                    f"ALTER MODEL sets the description only, not {option.name}",
                    condition="UNKNOWN_MODEL_OPTION",
                    span=option.span,
                    hint="other options belong to training: CREATE OR REPLACE MODEL or REFRESH MODEL",
                )
            models.change(entry, description=str(option.value))
        return command("OK")
    aliases = dict(entry.payload.get("aliases", {}))
    alias = s.alias.lower()
    if s.action == "unalias":
        if aliases.pop(alias, None) is None:
            raise AnalysisError(
                f"the model `{entry.name}` has no alias {s.alias}",
                condition="MODEL_VERSION_NOT_FOUND",
                span=s.name_span,
            )
    else:
        if (alias[:1] == "v" and alias[1:].isdigit()) or alias.startswith("timestamp:"):
            raise AnalysisError(
                f"an alias cannot look like a version: {s.alias}",
                condition="INVALID_MODEL_ALIAS",
                span=s.name_span,
            )
        aliases[alias] = models.version_of(entry, Reference(s.name, "version", s.version.value), s.name_span)
    models.change(entry, aliases=aliases)
    return command("OK")


def refresh_model(session: Session, s: st.RefreshModel) -> Result:
    """Train the current version's statement again, on the tables as they are now."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement_model import CreateModel

    current = session.models.resolve(Reference(s.name), s.name_span)
    statement = parse_statement(current.data["statement"])
    assert isinstance(statement, CreateModel)
    if importing.is_import(statement.options):
        return _import(session, replace(statement, name=s.name, replace=True))
    changed = {o.name for o in s.options}
    options = (*(o for o in statement.options if o.name not in changed), *s.options)
    made = _train(session, replace(statement, name=s.name, replace=True, options=options))
    return command(f"model {made.name} version {made.version}", session.warnings)


def restore_model(session: Session, s: st.RestoreModel) -> Result:
    """An earlier version becomes the current one."""
    models = session.models
    entry = models.entry(s.name, s.name_span)
    reference = Reference(s.name, s.version.kind, s.version.value)
    models.change(entry, current=models.version_of(entry, reference, s.name_span))
    return command("OK")
