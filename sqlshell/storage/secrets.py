"""Credentials for object stores: what CREATE SECRET keeps for a session, else profiles, else the environment.

A secret's values are shown by nothing: not by `repr`, SHOW SECRETS, EXPLAIN, errors or the history of the prompt.
The driver puts a session's secrets in force while it executes; workers get them in their environment.
"""

from __future__ import annotations

import json
import os
import re
from contextvars import ContextVar
from functools import lru_cache

from sqlshell.errors import AnalysisError, Error, NotSupportedError, did_you_mean
from sqlshell.records import dataclass

VARIABLE = "SQLSHELL_SECRETS"
_S3 = {
    "key_id": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "aws_region",
    "endpoint": "aws_endpoint_url",
    "anonymous": "aws_skip_signature",
    "virtual_hosts": "aws_virtual_hosted_style_request",
}
OPTIONS = {
    "s3": _S3,
    "gs": {"key_file": "google_service_account", "key_json": "google_service_account_key"},
    "az": {
        "account_name": "azure_storage_account_name",
        "account_key": "azure_storage_account_key",
        "sas_token": "azure_storage_sas_token",
    },
}
"""What CREATE SECRET takes for each kind of store, and what obstore and Polars call it."""
_SHOWN = {"region", "endpoint", "anonymous", "virtual_hosts", "account_name", "key_file"}
HIDDEN = "***"


@dataclass(frozen=True)
class Secret:
    """Credentials for the locations that start with `scope`; `options` under the names of CREATE SECRET."""

    name: str
    kind: str
    scope: str
    options: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Secret({self.name!r}, {self.kind!r}, {self.scope!r})"

    def shown(self) -> dict[str, str]:
        """The options, with the values that nobody may see hidden."""
        return {k: v if k in _SHOWN else HIDDEN for k, v in self.options}

    def values(self) -> list[str]:
        """The values that nobody may see."""
        return [v for k, v in self.options if k not in _SHOWN and len(v) > 3]


_IN_FORCE: ContextVar[tuple[Secret, ...]] = ContextVar("sqlshell_secrets", default=())


def put_in_force(secrets: tuple[Secret, ...]) -> None:
    """Use these from now on in this thread: the secrets of the session that executes."""
    _IN_FORCE.set(secrets)


def packed(secrets: tuple[Secret, ...]) -> str:
    """The text that workers get as SQLSHELL_SECRETS."""
    return json.dumps([[s.name, s.kind, s.scope, s.options] for s in secrets])


@lru_cache(maxsize=4)
def _unpacked(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(n, k, s, tuple((a, b) for a, b in o)) for n, k, s, o in json.loads(text))


def in_force() -> tuple[Secret, ...]:
    """The session's secrets."""
    return _IN_FORCE.get() or _unpacked(os.environ.get(VARIABLE) or "[]")


def make(name: str, options: dict[str, str]) -> Secret:
    """The secret CREATE SECRET describes. Raises INVALID_OPTION without showing a value."""
    given = {k.lower(): v for k, v in options.items()}
    kind = given.pop("type", "").lower()
    kind = {"gcs": "gs", "azure": "az"}.get(kind, kind)
    if kind not in OPTIONS:
        raise AnalysisError(
            f"a secret needs a TYPE: {', '.join(OPTIONS)}", condition="INVALID_OPTION",
            hint=f"CREATE SECRET {name} (TYPE s3, KEY_ID '...', SECRET '...')",
        )  # fmt: skip
    scope = given.pop("scope", f"{kind}://")
    if not scope.startswith(f"{kind}://"):
        raise AnalysisError(
            f"the scope of a {kind} secret starts with {kind}://, not '{scope}'", condition="INVALID_OPTION"
        )
    for key in given:
        if key not in OPTIONS[kind]:
            raise AnalysisError(
                f"a {kind} secret has no option {key}",
                condition="INVALID_OPTION",
                hint=did_you_mean(key, OPTIONS[kind]) or "options are " + ", ".join(OPTIONS[kind]),
            )
    return Secret(name, kind, scope, tuple(sorted(given.items())))


def configuration(kind: str, location: str) -> dict[str, str]:
    """What obstore and Polars are told about the store of a location, by their names.

    A session's secret with the longest matching scope wins; for s3 then AWS_PROFILE or the default profile (unless
    the environment has a key); what is left to the environment they read themselves.
    """
    fitting = [s for s in in_force() if s.kind == kind and _covers(s.scope, location)]
    if fitting:
        best = max(fitting, key=lambda s: len(s.scope))
        found = {OPTIONS[kind][k]: v for k, v in best.options}
    elif kind == "s3":
        found = _profile()
    else:
        found = {}
    variables = (os.environ.get(f"AWS_ENDPOINT_URL{of}") for of in ("_S3", ""))
    endpoint = found.get("aws_endpoint_url") or next(filter(None, variables), None)
    if endpoint:
        found["aws_endpoint_url"] = endpoint if "://" in endpoint else f"https://{endpoint}"
    if kind == "s3" and not ({"AWS_REGION", "AWS_DEFAULT_REGION"} & set(os.environ)):
        found.setdefault("aws_region", "us-east-1")
    return found


def _covers(scope: str, location: str) -> bool:
    """Whether a location lies in a scope: `s3://a` covers `s3://a/b`, not `s3://ab`."""
    return (scope.endswith("/") and location.startswith(scope)) or f"{location}/".startswith(f"{scope}/")


def _profile() -> dict[str, str]:
    """What a profile of the AWS tools says: keys, region, endpoint."""
    chosen = os.environ.get("AWS_PROFILE")
    if chosen is None and "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    from configparser import ConfigParser
    from configparser import Error as BadFile

    files = {
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"): f"profile {chosen}",
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"): chosen or "",
    }
    said: dict[str, str] = {}
    there = False
    for path, section in files.items():
        parser = ConfigParser(interpolation=None, default_section="")
        try:
            parser.read(os.path.expanduser(path), encoding="utf-8")
        except (BadFile, OSError, UnicodeDecodeError):
            raise AnalysisError(
                f"'{path}' is not a readable profile file", condition="INVALID_OPTION"
            ) from None
        for name in ("default",) if chosen in {None, "default"} else (section,):
            if parser.has_section(name):
                there = True
                said |= dict(parser.items(name))
    if chosen is not None and not there:
        raise AnalysisError(f"there is no profile '{chosen}' (AWS_PROFILE)", condition="INVALID_OPTION")
    if chosen is not None and "aws_access_key_id" not in said:
        raise NotSupportedError(
            f"the profile '{chosen}' has no keys of its own: sign-on and role profiles are not supported",
            hint="put keys into the environment, or use CREATE SECRET",
        )
    names = {"region": "aws_region", "endpoint_url": "aws_endpoint_url"}
    kept = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", *names}
    return {names.get(k, k): v for k, v in said.items() if k in kept}


_CREATE = re.compile(r"\bSECRET\b", re.IGNORECASE)
_LITERAL = re.compile(r"'[^']*'?|\"[^\"]*\"?")


def redacted(text: str) -> str:
    """A statement's text without the literals of a CREATE SECRET, every character in its place."""
    words = text.split(None, 4)[:5]
    if words and words[0].upper() == "CREATE" and _CREATE.search(" ".join(words)):
        return _LITERAL.sub(lambda m: m[0][0] + "*" * (len(m[0]) - 1), text)
    return text


def hide(error: Error, secrets: tuple[Secret, ...]) -> None:
    """Take the literals of a CREATE SECRET, and all values of secrets, out of an error's texts."""
    statement = error.statement or ""
    values = [v for s in secrets for v in s.values()]
    shown = redacted(statement)
    if shown != statement:
        error.statement = shown
        values += [m.strip("'\"") for m in _LITERAL.findall(statement) if len(m) > 5]
    for value in values:
        error.message = error.message.replace(value, HIDDEN)
        error.hint = error.hint and error.hint.replace(value, HIDDEN)
    error.args = (error.message,)
