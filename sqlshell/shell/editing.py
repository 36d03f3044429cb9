"""The line editor's parts: colours of what is typed, completion and fuzzy history behind one completer, keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prompt_toolkit.buffer import CompletionState
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.filters import Condition, completion_is_selected, has_completions
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import Lexer

from sqlshell.shell.completion import Completer as Engine

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History as Past
    from prompt_toolkit.key_binding import KeyPressEvent

    from sqlshell.session import Session

LARGE = 50_000
"""Longer texts (pasted scripts) are shown without colours, so that keys stay quick."""

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<string>[rRxX]?'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `[^`]*` | \$\$.*?\$\$)
      | (?P<open>['"`].*\Z)
      | (?P<number>\b(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*)
      | (?P<command>(?:(?<=\n)|\A)[ \t]*[.\\][A-Za-z!?]\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<rest>\s+|.)""",
    re.VERBOSE | re.DOTALL,
)


class SqlLexer(Lexer):
    """Colours of SQL and commands."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """A function from line number to styled pieces."""
        if len(document.text) > LARGE:
            plain = document.lines
            return lambda n: [("", plain[n])] if n < len(plain) else []
        lines: list[StyleAndTextTuples] = [[]]
        for match in _TOKEN.finditer(document.text):
            kind = str(match.lastgroup)
            if kind == "word":
                kind = "keyword" if match[0].upper() in _keywords() else ""
            style = f"class:sql.{kind}" if kind and kind != "rest" else ""
            for n, piece in enumerate(match[0].split("\n")):
                if n:
                    lines.append([])
                if piece:
                    lines[-1].append((style, piece))
        return lambda n: lines[n] if n < len(lines) else []


_words: frozenset[str] = frozenset()


def _keywords() -> frozenset[str]:
    global _words
    if not _words:
        from sqlshell.shell.completion import words as w

        listed = (
            *w.STATEMENTS,
            *w.AFTER,
            *w.AFTER_ITEM,
            *w.AFTER_RELATION,
            *w.AFTER_CONDITION,
            *w.IN_EXPRESSION,
        )
        more = {x for texts in w.AFTER.values() for text in texts for x in text.split()}
        _words = frozenset({x.strip("(") for text in listed for x in text.split()} | w.RESERVED | more)
    return _words


class History:
    """Past statements, searched fuzzily: the letters of each word in order, the newest first."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def search(self, text: str, most: int = 100) -> list[str]:
        """Statements that match every word of `text`."""
        tests = [re.compile(".{0,8}?".join(map(re.escape, t)), re.I | re.S).search for t in text.split()]
        found: dict[str, None] = {}
        for statement in reversed(self._past.get_strings()):
            if all(test(statement) for test in tests):
                found.setdefault(statement)
                if len(found) >= most:
                    break
        exact = text.lower()
        return sorted(found, key=lambda s: exact not in s.lower())


class SqlCompleter(Completer):
    """Completion for the prompt; while `searching`, past statements instead."""

    def __init__(self, session: Session, in_use: threading.Lock) -> None:
        self.engine = Engine(session)
        self.searching = False
        self.past: History | None = None
        self._in_use = in_use

    def forget(self) -> None:
        """A statement has run."""
        self.engine.forget()

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """What may replace the text before the cursor."""
        if self.searching and self.past is not None:
            for statement in self.past.search(document.text):
                shown = " ".join(statement.split())
                yield Completion(statement, -document.cursor_position, display=shown[:100])
            return
        before = document.char_before_cursor
        if not event.completion_requested and not (before.isalnum() or before in ("_", ".", "`", "'", "/")):
            return
        if not self._in_use.acquire(blocking=event.completion_requested):
            return
        try:
            offers = self.engine.offers(document.text, document.cursor_position)
        finally:
            self._in_use.release()
        for o in offers:
            about = " ".join(o.about.split())
            yield Completion(
                o.text,
                o.start - document.cursor_position,
                display=o.label or o.text,
                display_meta=f"{o.kind}  {about}"[:90],
            )


def bindings(completer: SqlCompleter) -> KeyBindings:
    """Enter runs what is complete; Alt-Enter never does; F4 lays out; Ctrl-R searches the past; Tab completes."""
    keys = KeyBindings()
    searching = Condition(lambda: completer.searching)

    @keys.add("enter", filter=completion_is_selected)
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None
        completer.searching = False

    @keys.add("enter", filter=~completion_is_selected)
    def _enter(event: KeyPressEvent) -> None:
        completer.searching = False
        buffer = event.current_buffer
        if _may_run(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=True)

    @keys.add("tab")
    def _complete(event: KeyPressEvent) -> None:
        _tab(event.current_buffer, completer)

    @keys.add("escape", "enter")
    def _newline(event: KeyPressEvent) -> None:
        event.current_buffer.newline()

    @keys.add("f4")
    def _layout(event: KeyPressEvent) -> None:
        from sqlshell.shell.script import layout_script

        buffer = event.current_buffer
        text = layout_script(buffer.text).rstrip("\n")
        if text != buffer.text:
            buffer.save_to_undo_stack()
            buffer.text = text
            buffer.cursor_position = len(text)

    @keys.add("c-r")
    def _search(event: KeyPressEvent) -> None:
        completer.searching = True
        event.current_buffer.start_completion(select_first=False)

    @keys.add("escape", filter=searching & has_completions, eager=True)
    def _no_search(event: KeyPressEvent) -> None:
        completer.searching = False
        event.current_buffer.cancel_completion()

    return keys


def _tab(buffer: Buffer, completer: SqlCompleter) -> None:
    """The best completion, or the next one of the menu; white space at the start of a line."""
    if buffer.complete_state is not None:
        buffer.complete_next()
    elif not buffer.document.current_line_before_cursor.strip():
        buffer.insert_text("    ")
    else:  # at once: one that is under way because of typing would swallow the key
        found = list(completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.complete_state = CompletionState(buffer.document, found)
            buffer.go_to_completion(0)


def _may_run(text: str) -> bool:
    from sqlshell.shell.script import is_ready

    bare = text.strip()
    words = bare.lower().rstrip(";").split()
    if not words or (words[0] in {"quit", "exit", "help", "clear"} and "\n" not in bare and len(words) < 4):
        return True
    return is_ready(text)
