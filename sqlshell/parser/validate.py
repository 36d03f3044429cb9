"""After sqlglot: the tree is put in order (`normalise`), and what sqlglot lets pass is refused (`validate`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.tokens import LITERAL_MARK, PREFIX

if TYPE_CHECKING:
    from sqlglot.expressions import Query


def normalise(ast: exp.Query, text: str) -> exp.Query:
    """Strips the token pass's marks."""
    for node in ast.walk():
        this = node.args.get("this")
        if isinstance(this, str):
            if this.startswith(PREFIX):
                node.args["this"] = this[1:]
            elif this.startswith(LITERAL_MARK):
                node.args["this"] = this[1:]
                if isinstance(node.parent, exp.Cast):
                    node.parent.meta["typed_literal"] = True
    return ast


def validate(ast: exp.Query, text: str) -> None:
    return
