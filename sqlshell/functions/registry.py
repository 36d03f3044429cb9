"""The function registry: one row per function, one table per family.

A row tells everything about a function: names, signatures, whether it can fail, how it lowers, its doc and an
example. Completion, SHOW FUNCTIONS, the reference and the test that runs every example read the same rows.

Signatures (`sig`) are text, alternatives separated by ` | `, tried in order; the first whose arguments coerce
implicitly wins:

    "string, int -> string"          named Spark types
    "T, T -> T"                      one type variable, the least common type of its arguments
    "array<T>, T -> boolean"         type variables inside arrays and maps
    "array<T>, (T) -> U -> array<U>" a lambda argument with its parameter types
    "string, [int] -> string"        optional arguments in brackets
    "T... -> T"                      one or more
    "any, any... -> string"          no coercion
    "num", "integral", "frac", "interval" classes: the argument's own type (text coerces to double / bigint)
    "-> fn"  is a return type computed by `returns(types, args)`

A lowering is `lower(k, *args)`, with `k` the kernel context (`exec/lower_expr.py: Kernel`): `k.pl` is the
polars module, `k.call` the bound call (types of arguments by `k.call.args[i].type`), `k.raise_if(bad, condition,
value, *details)` gives `value` where `bad` is false and raises where it is true, `k.tz` the session time zone.
Arguments arrive as polars expressions, already NULL wherever an enclosing branch is not taken (fallible calls only).

Layers: this module and its tables import no polars; everything they need hangs on `k`.
"""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InternalError
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.types import SqlType

FAMILIES = (
    "conditional",
    "aggregate",
    "window",
    "context",
    "generator",
    "operators",
    "math",
    "string",
    "datetime",
    "array",
    "map",
    "higher_order",
    "json",
    "hashing",
    "encryption",
    "bitmap",
    "csv",
    "variant",
    "clock",
    "time_window",
    "calendar_interval",
    "collation",
    "vector",
)
"""In the order in which a name is looked for: small tables and everyday functions first (all take 80 ms)."""


@dataclass(frozen=True)
class AggState:
    """One column of an aggregate's partial state: how rows update it and how partials merge.

    `update(k, *args)` and `merge(k, state)` are polars aggregation expressions; `type(arg_types)` is the
    state's SQL type.
    """

    suffix: str
    type: Callable[[tuple[SqlType, ...]], SqlType]
    update: Callable[..., Any]
    merge: Callable[..., Any]


@dataclass(frozen=True)
class Function:
    """A row of the registry. `kind` is scalar, aggregate, window or generator."""

    name: str
    sig: str
    doc: str
    example: str
    kind: str = "scalar"
    family: str = ""
    aliases: tuple[str, ...] = ()
    lower: Callable[..., Any] | None = None
    fallible: bool = False
    """May raise on some values, so it is never moved across Filter, Join or Limit and is masked in branches."""
    deterministic: bool = True
    strict: bool = True
    """NULL in any argument gives NULL (so outer joins can be simplified)."""
    lazy: bool = False
    """Later arguments are evaluated only where earlier ones are NULL (coalesce): masks follow."""
    returns: Callable[[tuple[SqlType, ...], tuple[Any, ...]], SqlType] | None = None
    nullable: Callable[[tuple[bool, ...]], bool] | None = None
    """Nullability of the result from the arguments'; default: any, or always for fallible-free non-strict."""
    states: tuple[AggState, ...] = ()
    final: Callable[..., Any] | None = None
    """Aggregates: `final(k, *states)`. Without states the aggregate is holistic and `lower(k, *args)` is used."""
    ordered: bool = False
    """Aggregates whose value depends on row order (first, collect_list, listagg)."""
    params: tuple[str, ...] = ()
    """Argument names for `f(name => value)`."""
    example_result: str | None = None

    @property
    def holistic(self) -> bool:
        return self.kind == "aggregate" and not self.states


_by_name: dict[str, Function] = {}
_to_load = list(reversed(FAMILIES))
_loading = RLock()


def load() -> dict[str, Function]:
    """All functions by lower-case name and alias; imports the tables that are still missing."""
    while _to_load:
        _load_next()
    return _by_name


def _load_next() -> None:
    with _loading:
        if _to_load:
            family = _to_load[-1]
            for row in import_module(f"sqlshell.functions.{family}").FUNCTIONS:
                _register(row, family)
            _to_load.pop()


def _register(row: Function, family: str) -> None:
    object.__setattr__(row, "family", family)
    for name in (row.name, *row.aliases):
        if _by_name.setdefault(name, row) is not row:
            raise InternalError(f"two functions are called {name}")


def lookup(name: str) -> Function | None:
    """The function called `name` (any case), or None; imports tables until one has it."""
    name = name.lower()
    while (row := _by_name.get(name)) is None and _to_load:
        _load_next()
    return row


def get(name: str) -> Function:
    """The function a bound call names."""
    row = lookup(name)
    if row is None:
        raise InternalError(f"no function {name}")
    return row
