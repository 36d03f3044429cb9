"""What the lowerings of several families share. Everything polars comes from the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def let(k: Any, f: Callable[..., Any], *args: Any) -> Any:
    """`f(*args)` with every argument evaluated once, however often `f` mentions it."""
    return k.let(args, f)


def per_distinct(k: Any, f: Callable[..., Any], dtype: Any, *args: Any, nulls: bool = False) -> Any:
    """`f` in Python over the distinct argument tuples: only for what no polars expression can do.

    `f` sees no NULL (it gives NULL) unless `nulls`. An exception from `failure` reaches the user as itself.
    """
    pl = k.pl
    names = [f"_{i}" for i in range(len(args))]

    def answer(rows: Any) -> Any:
        values = [None if not nulls and None in row else f(*row) for row in rows.iter_rows()]
        return pl.Series("_r", values, dtype=dtype, strict=True)

    def run(s: Any) -> Any:
        rows = s.struct.unnest()
        distinct = rows.unique()
        if 2 * distinct.height > rows.height:
            return answer(rows)
        table = distinct.with_columns(answer(distinct))
        return rows.join(table, on=names, how="left", nulls_equal=True, maintain_order="left")["_r"]

    packed = pl.struct(*[a.alias(n) for a, n in zip(args, names, strict=True)])
    return packed.map_batches(run, return_dtype=dtype, is_elementwise=True)


def failure(k: Any, condition: str, *details: Any) -> Exception:
    """The exception a Python body raises for a value it must refuse."""
    error: Exception = k.failure(condition, *[str(d) for d in details])
    return error


def refuse(k: Any, condition: str, message: str) -> DataError:
    """The error of a constant argument that Spark refuses on the first row."""
    return DataError(message, condition=condition, span=k.call.span)


def unsupported(k: Any, message: str) -> NotSupportedError:
    """The error of an argument Spark takes and we do not."""
    return NotSupportedError(message, span=k.call.span)


def constant(k: Any, i: int, what: str) -> Any:
    """The Python value of argument `i`, which must be a literal."""
    if not k.is_literal(i):
        raise unsupported(k, f"{k.call.fn} needs a constant {what}")
    return k.literal(i)


def together(k: Any, f: Callable[..., Any], subject: Any, *patterns: Any) -> Any:
    """`let` that spreads a constant subject out where a pattern is none.

    Some polars functions (splitn, list.join, replace_all) answer wrongly, or not at all, for a constant subject and
    a column of patterns.
    """
    pl, args = k.pl, (subject, *patterns)
    if all(p.meta.is_literal() for p in patterns):
        return k.let(args, f)
    names = [f"t{i}" for i in range(len(args))]
    packed = pl.struct(*[a.alias(n) for a, n in zip(args, names, strict=True)])
    return packed.struct.with_fields(f(*[pl.field(n) for n in names]).alias("o")).struct.field("o")


def divisor(k: Any, value: Any, like: Any) -> Any:
    """A constant double as a column as long as `like`.

    Polars divides by a constant through its reciprocal, which is off by one bit in half of all cases.
    """
    return like.is_not_null().cast(k.pl.Float64) * value


def int32(k: Any, e: Any) -> Any:
    """Counts and positions as Spark's int."""
    return e.cast(k.pl.Int32)


def all_set(k: Any, args: Sequence[Any]) -> Any:
    """Whether no argument is NULL."""
    return k.pl.all_horizontal([a.is_not_null() for a in args])
