"""Functions written in Python: what a plan carries of them. `exec/python_calls.py` runs them in the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    import ast


@dataclass(frozen=True)
class PythonFunction:
    """A Python function by its text (`source`, from SQL) or by value (`payload`, from the user's own process).

    `kind` is `scalar` (a value per row), `aggregate` (a value per group, from its values) or `table` (rows per row).
    With `arrow` it takes and gives pyarrow arrays, a batch at a time (an aggregate's arguments: a group each).
    `handler` names the function in `source`; without one, `source` is the function's body over `parameters`.
    `module` is `module:name` of a function that workers can import, `path` where they look for modules.
    Without `null_call` a NULL argument gives NULL (no rows), and the function is not asked.
    """

    name: str
    parameters: tuple[str, ...]
    kind: str = "scalar"
    arrow: bool = False
    null_call: bool = True
    deterministic: bool = True
    source: str = ""
    handler: str = ""
    module: str = ""
    payload: bytes = field(default=b"", repr=False)
    path: tuple[str, ...] = field(default=(), repr=False)


def tree(function: PythonFunction) -> ast.Module:
    """The source as a module; a bare body becomes that of `_body(parameters)`. Raises SyntaxError."""
    import ast
    import textwrap

    # Indented as in the SQL text around it, and with the line numbers of the text.
    module = ast.parse(textwrap.dedent(function.source))
    if function.handler:
        return module
    around = ast.parse(f"def _body({', '.join(function.parameters)}): pass")
    definition = around.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body = module.body
    return ast.fix_missing_locations(around)
