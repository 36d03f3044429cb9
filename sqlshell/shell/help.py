"""`help NAME`: what a command, function, setting, statement or exit code is, found in spite of small mistakes."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from sqlshell.errors import did_you_mean
from sqlshell.shell.dots import COMMANDS
from sqlshell.shell.exits import UsageError
from sqlshell.shell.statements import STATEMENTS

if TYPE_CHECKING:
    from sqlshell.functions.registry import Function
    from sqlshell.session import Session


def about(session: Session, name: str) -> str:
    """The help text for a name; raises UsageError with suggestions where nothing is close."""
    from sqlshell.functions.registry import load

    wanted = name.strip().strip("`'\";").lstrip(".\\")
    found = _exactly(session, wanted)
    if found is not None:
        return found
    names = _names(session)
    close = get_close_matches(wanted.lower(), names, n=1, cutoff=0.75)
    if close:
        found = _exactly(session, names[close[0]])
        if found is not None:
            return f"(nothing is called {wanted}; this is {names[close[0]]})\n{found}"
    mentioned = [f for f in dict.fromkeys(load().values()) if wanted.lower() in f.doc.lower()]
    if mentioned:
        lines = [f"{f.name}: {f.doc}" for f in sorted(mentioned, key=lambda f: f.name)[:20]]
        return f"(nothing is called {wanted}; functions that mention it)\n" + "\n".join(lines)
    raise UsageError(f"there is no help about {wanted}", hint=did_you_mean(wanted, list(names.values())))


def _names(session: Session) -> dict[str, str]:
    from sqlshell.functions.registry import load

    names = [*(c.name for c in COMMANDS), *STATEMENTS, *(k for k, _, _ in session.settings.items()), *load()]
    return {n.lower(): n for n in names}


def _exactly(session: Session, name: str) -> str | None:
    from sqlshell.functions.registry import lookup

    parts = []
    upper = " ".join(name.upper().split())
    forms = [f for s, f in STATEMENTS.items() if s == upper or s.startswith(upper + " ")]
    if forms:
        parts.append("\n".join(forms))
    function = lookup(name)
    if function is not None:
        parts.append(function_text(function))
    for key, value, doc in session.settings.items():
        if name.lower() in (key.lower(), key.lower().removeprefix("sqlshell.")):
            parts.append(f"SET {key} = ...\n{doc}\nNow: {'not set' if value is None else value}")
    for c in COMMANDS:
        if name.lower() in (c.name, *c.aliases):
            aliases = f"\nAlso: {', '.join(chr(92) + a for a in c.aliases)}" if c.aliases else ""
            parts.append(f".{c.name} {c.arguments}".rstrip() + f"\n{c.doc}{aliases}")
    return "\n\n".join(parts) or None


def function_text(f: Function) -> str:
    """A function's signatures, doc and example."""
    lines = [f"{f.name}({s.strip().removeprefix('->').strip()})" for s in f.sig.split(" | ")]
    lines = [line.replace(" -> ", ") -> ", 1).rstrip(")") if " -> " in line else line for line in lines]
    lines.append(f.doc)
    if f.aliases:
        lines.append("Also: " + ", ".join(f.aliases))
    if f.example:
        shown = f" gives {f.example_result}" if f.example_result else ""
        lines.append(f"Example: {f.example}{shown}")
    return "\n".join(lines)
