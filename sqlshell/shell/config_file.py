"""Configuration files: TOML, one of the user's own and one per project, with profiles.

`$XDG_CONFIG_HOME/sqlshell/config.toml` (default `~/.config`) is read first, then the nearest `.sqlshell.toml` in
the working directory or above it; later ones win. Keys at the top are options, `[settings]` are settings,
`[profiles.NAME]` holds both and applies with `-P NAME`. What is not understood is an error with file and line.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from sqlshell.errors import did_you_mean
from sqlshell.records import dataclass, field
from sqlshell.shell.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SAFETY = ("safe", "allow", "allow_writes")
KEYS: dict[str, type[Any]] = {
    "dialect": str,
    "workers": int,
    "format": str,
    "timer": bool,
    "timeout": str,
    "memory_limit": str,
    "max_rows": int,
    "warehouse": str,
    "keys": str,
    "pager": bool,
    "history": str,
    "null": str,
    "safe": bool,
    "allow": list,
    "allow_writes": bool,
}
"""Option to the type of its value; `settings` and `profiles` are tables."""


@dataclass
class Config:
    """What the files say: options, settings, and the file each came from."""

    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    safe_in: str | None = None
    """The file that turned safe mode on: what that means is said there, and not changed by files read later."""


def files() -> Iterator[str]:
    """The configuration files that exist, in the order they are read."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    own = os.path.join(base, "sqlshell", "config.toml")
    if os.path.isfile(own):
        yield own
    folder = os.getcwd()
    while True:
        project = os.path.join(folder, ".sqlshell.toml")
        if os.path.isfile(project):
            yield project
            return
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def load(profile: str | None = None) -> Config:
    """What the files say, with a profile; raises UsageError with file:line."""
    config = Config()
    known: set[str] = set()
    for path in files():
        known |= _read(path, profile, config)
        if config.safe_in is None and (
            config.options.get("safe") or config.settings.get("sqlshell.safe") == "true"
        ):
            config.safe_in = path
    if profile is not None and profile not in known:
        raise UsageError(
            f"no configuration file has a profile {profile}",
            hint=did_you_mean(profile, known) or "add [profiles.NAME] to ~/.config/sqlshell/config.toml",
        )
    return config


def _read(path: str, profile: str | None, config: Config) -> set[str]:
    """Take in one file; gives the names of its profiles."""
    import tomllib

    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        line = re.search(r"line (\d+)", str(e))  # else it says "at end of document"
        raise UsageError(f"{path}:{line[1] if line else text.count(chr(10)) + 1}: {e}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"cannot read {path}: {e}") from None
    profiles = content.pop("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise _wrong(path, text, "profiles", "profiles are tables, [profiles.NAME]")
    _take(path, text, content, config)
    for name, table in profiles.items():
        target = config if name == profile else Config()  # the others are checked, too
        _take(path, text, table, target, f"profiles.{name}")
    return set(profiles)


def _take(path: str, text: str, table: dict[str, Any], config: Config, section: str = "") -> None:
    for key, value in table.items():
        if key == "settings":
            _settings(path, text, value, config, section)
            continue
        kind = KEYS.get(key)
        if kind is None:
            hint = did_you_mean(key, [*KEYS, "settings", "profiles"])
            raise _wrong(path, text, key, f"there is no option {key}", hint, section)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            words = {str: "a text", int: "a number", bool: "true or false", list: "a list of texts"}
            raise _wrong(path, text, key, f"{key} takes {words[kind]}", None, section)
        if kind is list and not all(isinstance(v, str) for v in value):
            raise _wrong(path, text, key, f"{key} takes a list of texts", None, section)
        if key in SAFETY and config.safe_in not in (None, path):
            raise _wrong(
                path, text, key, f"safe mode is on in {config.safe_in}: {key} cannot be changed here",
                None, section,
            )  # fmt: skip
        config.options[key] = value
        config.origins[key] = path


def _settings(path: str, text: str, table: Any, config: Config, section: str) -> None:
    from sqlshell.config import Settings
    from sqlshell.errors import AnalysisError

    inside = f"{section}.settings" if section else "settings"
    if not isinstance(table, dict):
        raise _wrong(path, text, "settings", "settings are a table, [settings]", None, section)
    for key, value in _flat(table):
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            Settings().set(key, shown)
        except AnalysisError as e:
            raise _wrong(path, text, key.rpartition(".")[2], e.message, e.hint, inside) from None
        config.settings[key] = shown
        config.origins[key] = path


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots are tables to TOML."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _wrong(
    path: str, text: str, key: str, message: str, hint: str | None = None, section: str = ""
) -> UsageError:
    return UsageError(f"{path}:{_line(text, key, section)}: {message}", hint=hint)


def _line(text: str, key: str, section: str) -> int:
    """The line where a key of a section stands."""
    inside = not section
    first = 1
    for n, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if head is not None:
            name = head[1].replace('"', "")
            inside = name == section or (bool(section) and name.startswith(section + "."))
            first = n if inside else first
            if name.rpartition(".")[2] == key:
                return n
        elif inside and re.match(rf'\s*(["\w.]*\.)?"?[\w.]*{re.escape(key)}"?\s*=', line):
            return n
    return first
