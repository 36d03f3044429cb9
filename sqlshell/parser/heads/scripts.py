"""SQL scripts: BEGIN ... END with variables, conditions, loops and handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.statement_dml import TransactionStep
from sqlshell.parser.statement_script import Block, For, Handler, If, Jump, Loop, Script, Sql, Step
from sqlshell.parser.tokens import OPEN, T

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement

_CLOSERS = {"END", "ELSE", "ELSEIF", "WHEN", "UNTIL"}


def begin(c: Cursor) -> Statement:
    """The script, or a transaction's beginning; BEGIN has been read."""
    if c.token is None or c.take("TRANSACTION") or c.take("WORK"):
        c.end()
        return TransactionStep(c.text, "begin")
    parser = _Parser(c)
    block = parser.block("")
    c.end()
    return Script(c.text, block)


class _Parser:
    def __init__(self, c: Cursor) -> None:
        self.c = c
        self.labels: list[tuple[str, bool]] = []  # those around: (label, whether it is a loop)

    def error(self, message: str, condition: str, at: int | None = None) -> ParseError:
        c = self.c
        token = c.tokens[min(c.at if at is None else at, len(c.tokens) - 1)]
        return ParseError(message, condition=condition, span=(token.start, token.end + 1))

    def text(self, *stops: str) -> str:
        """The text up to one of the words, outside parentheses and CASE; `;` is a word too."""
        c = self.c
        start, depth = c.at, 0
        while (token := c.token) is not None:
            word = c.peek()
            if depth == 0 and (word in stops or token.text in stops):
                break
            if token.token_type in OPEN or (word == "CASE" and "WHEN" not in stops):
                depth += 1
            elif token.token_type in (T.R_PAREN, T.R_BRACKET) or (word == "END" and depth):
                depth -= 1
            elif token.token_type == T.SEMICOLON:
                break
            c.at += 1
        if c.at == start:
            raise c.error()
        if c.token is None or (c.peek() not in stops and c.token.text not in stops):
            raise c.error(hint=f"expected {' or '.join(stops)}")
        return c.text[c.tokens[start].start : c.tokens[c.at - 1].end + 1]

    def steps(self) -> tuple[Step, ...]:
        """Statements up to END, ELSE ..."""
        found: list[Step] = []
        while self.c.token is not None and self.c.peek() not in _CLOSERS:
            found.append(self.step())
        return tuple(found)

    def step(self) -> Step:
        c = self.c
        label = ""
        if c.at + 1 < len(c.tokens) and c.tokens[c.at + 1].token_type == T.COLON:
            at = c.at
            label = (c.word() or "").lower()
            c.expect(":")
            if c.peek() not in ("BEGIN", "WHILE", "REPEAT", "LOOP", "FOR"):
                raise c.error(hint="a label stands before BEGIN, WHILE, REPEAT, LOOP or FOR")
            if any(label == name for name, _ in self.labels):
                raise self.error(f"the label {label} is taken", "LABEL_ALREADY_EXISTS", at)
        word = c.peek()
        made: Step
        if word == "BEGIN":
            c.at += 1
            made = self.block(label)
        elif word in ("WHILE", "REPEAT", "LOOP", "FOR"):
            c.at += 1
            made = self.loop(word, label)
        elif (word == "IF" and c.peek(1) != "(") or (word == "IF" and self.is_if()):
            c.at += 1
            made = self.condition()
        elif word == "CASE":
            c.at += 1
            made = self.case()
        elif word in ("LEAVE", "ITERATE"):
            c.at += 1
            made = self.jump(leave=word == "LEAVE")
        elif word in ("SIGNAL", "RESIGNAL", "GET", "OPEN", "FETCH", "CLOSE"):
            raise self.refused(f"the statement {word}")
        else:
            made = Sql(self.text(";"))
        if not c.take(";"):
            raise c.error(hint="expected ;")
        return made

    def refused(self, what: str) -> NotSupportedError:
        token = self.c.token or self.c.tokens[-1]
        return NotSupportedError(f"{what} is not supported in scripts", span=(token.start, token.end + 1))

    def is_if(self) -> bool:
        """Whether THEN follows the parenthesis after IF."""
        c = self.c
        depth, i = 0, c.at + 1
        while i < len(c.tokens) and c.tokens[i].token_type != T.SEMICOLON:
            depth += {T.L_PAREN: 1, T.R_PAREN: -1}.get(c.tokens[i].token_type, 0)
            if depth == 0 and c.tokens[i].text.upper() == "THEN":
                return True
            i += 1
        return False

    def block(self, label: str) -> Block:
        c = self.c
        c.take("NOT", "ATOMIC")
        if c.peek() == "ATOMIC":
            raise c.error(hint="scripts are not atomic")
        if label:
            self.labels.append((label, False))
        body: list[Step] = []
        handlers: list[Handler] = []
        conditions: list[tuple[str, str]] = []
        started = False
        while c.token is not None and c.peek() != "END":
            if c.peek() == "DECLARE":
                at = c.at
                if started:
                    raise self.error(
                        "DECLARE stands at the beginning of a block",
                        "INVALID_VARIABLE_DECLARATION.ONLY_AT_BEGINNING",
                    )
                if c.peek(1) == "OR":
                    raise self.error(
                        "the variables of a block cannot be replaced",
                        "INVALID_VARIABLE_DECLARATION.REPLACE_LOCAL_VARIABLE",
                    )
                if c.peek(1) in ("EXIT", "CONTINUE") and c.peek(2) == "HANDLER":
                    handlers.append(self.handler())
                    self.check_handlers(handlers, at)
                elif c.peek(2) == "CONDITION":
                    conditions.append(self.named_condition())
                elif c.peek(2) == "CURSOR":
                    raise self.refused("DECLARE CURSOR")
                else:
                    body.append(self.step())
                continue
            started = True
            body.append(self.step())
        self.end(label)
        return Block(label, tuple(body), tuple(handlers), tuple(conditions))

    def check_handlers(self, handlers: list[Handler], at: int) -> None:
        names = [n for h in handlers for n in h.conditions]
        for name in names:
            if names.count(name) > 1:
                raise self.error(
                    f"two handlers for {name}", "DUPLICATE_EXCEPTION_HANDLER." + (
                        "SQLSTATE" if name.startswith("SQLSTATE") else "CONDITION"), at,
                )  # fmt: skip

    def end(self, label: str, *words: str) -> None:
        c = self.c
        c.expect("END", *words)
        if c.token is not None and c.peek() != ";":
            at = c.at
            closing = (c.word() or "").lower()
            if closing != label:
                raise self.error(
                    f"the block {label or 'without a label'} ends as {closing}",
                    "LABELS_MISMATCH" if label else "END_LABEL_WITHOUT_BEGIN_LABEL",
                    at,
                )
        if label:
            self.labels.pop()

    def handler(self) -> Handler:
        c = self.c
        c.expect("DECLARE")
        if c.peek() == "CONTINUE":
            raise ParseError(
                "CONTINUE handlers are not supported",
                condition="UNSUPPORTED_FEATURE.CONTINUE_EXCEPTION_HANDLER",
                span=(c.tokens[c.at].start, c.tokens[c.at].end + 1),
                hint="EXIT handlers are",
            )
        c.expect("EXIT", "HANDLER", "FOR")
        names: list[str] = []
        while True:
            if c.take("SQLSTATE"):
                c.take("VALUE")
                names.append(f"SQLSTATE {c.expect_string().upper()}")
            elif c.take("NOT"):
                c.expect("FOUND")
                names.append("NOT FOUND")
            else:
                names.append(".".join(c.name()).upper())
            if not c.take(","):
                break
        outer, self.labels = self.labels, []
        if c.take("BEGIN"):
            body: tuple[Step, ...] = (self.block(""),)
            if not c.take(";"):
                raise c.error(hint="expected ;")
        else:
            body = (self.step(),)
        self.labels = outer
        return Handler(tuple(names), body)

    def named_condition(self) -> tuple[str, str]:
        c = self.c
        c.expect("DECLARE")
        name = c.word() or ""
        c.expect("CONDITION")
        state = "45000"
        if c.take("FOR"):
            c.take("SQLSTATE")
            c.take("VALUE")
            state = c.expect_string().upper()
        if not c.take(";"):
            raise c.error(hint="expected ;")
        return name.upper(), state

    def loop(self, word: str, label: str) -> Step:
        c = self.c
        if label:
            self.labels.append((label, True))
        if word == "FOR":
            row = ""
            if c.at + 1 < len(c.tokens) and c.peek(1) == "AS" and c.peek() not in ("SELECT", "WITH", "("):
                row = (c.word() or "").lower()
                c.expect("AS")
            query = self.text("DO")
            c.expect("DO")
            body = self.steps()
            self.end(label, "FOR")
            return For(label, row, query, body)
        before = until = None
        if word == "WHILE":
            before = self.text("DO")
            c.expect("DO")
        body = self.steps()
        if word == "REPEAT":
            c.expect("UNTIL")
            until = self.text("END")
        self.end(label, word)
        return Loop(label, body, before, until)

    def condition(self) -> If:
        c = self.c
        branches: list[tuple[str, tuple[Step, ...]]] = []
        while True:
            test = self.text("THEN")
            c.expect("THEN")
            branches.append((test, self.steps()))
            if not c.take("ELSEIF"):
                break
        otherwise = self.steps() if c.take("ELSE") else ()
        c.expect("END", "IF")
        return If(tuple(branches), otherwise)

    def case(self) -> If:
        c = self.c
        operand = "" if c.peek() == "WHEN" else self.text("WHEN")
        branches: list[tuple[str, tuple[Step, ...]]] = []
        while c.take("WHEN"):
            test = self.text("THEN")
            c.expect("THEN")
            branches.append((f"({operand}) = ({test})" if operand else test, self.steps()))
        otherwise = self.steps() if c.take("ELSE") else ()
        c.expect("END", "CASE")
        return If(tuple(branches), otherwise)

    def jump(self, *, leave: bool) -> Jump:
        at = self.c.at
        label = (self.c.word() or "").lower()
        found = [loop for name, loop in self.labels if name == label]
        word = "LEAVE" if leave else "ITERATE"
        if not found:
            raise self.error(
                f"{word} {label}: no such label around", "INVALID_LABEL_USAGE.DOES_NOT_EXIST", at
            )
        if not leave and not found[-1]:
            raise self.error(f"ITERATE {label}: no loop", "INVALID_LABEL_USAGE.ITERATE_IN_COMPOUND", at)
        return Jump(leave, label)
