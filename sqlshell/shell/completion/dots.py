"""Completion of commands and their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.shell.completion.names import files
from sqlshell.shell.dots import COMMANDS, find
from sqlshell.shell.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.shell.completion import Completer, Offer


def command_offers(completer: Completer, text: str, cursor: int) -> list[Offer]:
    """What may follow on a command line."""
    from sqlshell.shell.completion import Offer

    line = text[:cursor]
    stripped = line.lstrip()
    mark, rest = stripped[0], stripped[1:]
    name, blank, argument = rest.partition(" ")
    if not blank:
        names: Iterable[tuple[str, str]] = [(c.name, c.doc) for c in COMMANDS]
        if mark == "\\":
            names = [(a, c.doc) for c in COMMANDS for a in (*c.aliases, c.name)]
        start = cursor - len(name)
        found = [(n, d) for n, d in names if n.startswith(name.lower())]
        return [Offer(n, start, "command", d) for n, d in found]
    try:
        takes = find(name).takes
    except UsageError:
        return []
    first, blank, rest = argument.lstrip().partition(" ")
    if takes in ("explain", "dialect") and blank:
        from sqlshell.shell.dots.run import EXPLAIN_MODES

        whole = takes == "explain" and first.lower() not in EXPLAIN_MODES
        offset = cursor - len(argument.lstrip() if whole else rest)
        inner = completer.offers(text[offset:], cursor - offset)
        return [Offer(o.text, o.start + offset, o.kind, o.about, o.label) for o in inner]
    if takes == "" and find(name).name in ("watch", "format", "set", "assert", "if", "elif"):
        offset = cursor - len(argument)
        inner = completer.offers(text[offset:], cursor - offset)
        return [Offer(o.text, o.start + offset, o.kind, o.about, o.label) for o in inner]
    word = argument.rpartition(" ")[2] if takes != "file" else argument.lstrip("'\"")
    start = cursor - len(word)
    names = _arguments(completer, takes, word)
    return [Offer(n, start, takes, d) for n, d in names if n.lower().startswith(word.lower())]


def _arguments(completer: Completer, takes: str, word: str) -> Iterable[tuple[str, str]]:
    from sqlshell.parser.foreign import dialects
    from sqlshell.shell.dots.run import EXPLAIN_MODES
    from sqlshell.shell.output import FORMATS
    from sqlshell.shell.output.chart_data import KINDS
    from sqlshell.shell.statements import STATEMENTS

    match takes:
        case "file":
            return [(f, "") for f in files(word)]
        case "format":
            return [(f, "") for f in FORMATS]
        case "switch":
            return [("on", ""), ("off", "")]
        case "chart":
            return [(k, "") for k in KINDS]
        case "keys":
            return [("emacs", ""), ("vi", "")]
        case "param":
            return [("set", ""), ("list", ""), ("unset", "")]
        case "dialect":
            return [(d, "") for d in dialects()]
        case "explain":
            return [(m, "") for m in EXPLAIN_MODES]
        case "table":
            return [(n, "") for n in completer.names.relations()]
        case "setting":
            return [(k, d) for k, _, d in completer.session.settings.items()]
        case "function":
            return [(n, f.doc) for n, f in completer.names.functions().items()]
        case "help":
            names = [(c.name, c.doc) for c in COMMANDS] + [(s, "") for s in STATEMENTS]
            names += [(n, f.doc) for n, f in completer.names.functions().items() if n.isidentifier()]
            return names + [(k, d) for k, _, d in completer.session.settings.items()]
    return []
