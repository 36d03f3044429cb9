"""Python functions over batches of rows, in a worker.

Arguments leave the kernel as Arrow arrays of their SQL types. A row-wise function gets the values that
`Result.rows` would show, a vectorised one (`arrow`) the arrays. What comes back is checked against the declared type:
nothing is cast silently. Rows whose value is not wanted (an untaken branch) are not shown to the function.
"""

from __future__ import annotations

import linecache
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.exec.edge import from_file, to_arrow_form
from sqlshell.expr.expr import Column
from sqlshell.expr.python_function import tree
from sqlshell.result_columns import python_values
from sqlshell.types import Array, Struct
from sqlshell.types_arrow import array_from_python, result_column, to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.expr.expr import PythonCall
    from sqlshell.expr.python_function import PythonFunction
    from sqlshell.types import SqlType

_ERROR = "UDF_USER_CODE_ERROR"
_TYPE_ERROR = "UDF_RETURN_TYPE_MISMATCH"


class BadResult(Exception):
    """The function gave what its declaration does not promise."""


def lower(k: Kernel, e: PythonCall) -> pl.Expr:
    """The polars expression of a call."""
    parts = [to_arrow_form(k.lower(a), a.type).alias(str(i)) for i, a in enumerate(e.args)]
    if k.mask is not None:
        parts.append(k.mask.fill_null(value=False).alias("__wanted"))
    if not e.collect(Column):
        # A value per row also where no column says how many rows there are.
        parts.append(pl.row_index().alias("__row"))
    dtype = k.dtype(e.type)

    def run(rows: pl.Series) -> pl.Series:
        return _Batch(k, e, rows.struct.unnest()).run(dtype)

    return pl.struct(parts).map_batches(run, return_dtype=dtype, is_elementwise=True)


class _Batch:
    """One call over one batch of rows."""

    def __init__(self, k: Kernel, e: PythonCall, frame: pl.DataFrame) -> None:
        self.k, self.e, self.function = k, e, e.function
        keep = frame["__wanted"] if "__wanted" in frame.columns else None
        if not self.function.null_call and e.args:
            present = frame.select(
                pl.all_horizontal([pl.col(str(i)).is_not_null() for i in range(len(e.args))])
            )
            keep = present.to_series() if keep is None else keep & present.to_series()
        self.height = frame.height
        self.keep = None if keep is None or keep.all() else keep
        self.frame = frame if self.keep is None else frame.filter(self.keep)

    def run(self, dtype: Any) -> pl.Series:
        """The values of all rows, NULL where the function was not asked."""
        made = self._kernel_form(self._called()) if self.frame.height else pl.Series("v", [], dtype=dtype)
        if self.keep is None:
            return made
        out = pl.Series("v", [None] * self.height, dtype=dtype)
        at = (self.keep.cast(pl.Int64).cum_sum() - 1).clip(0)
        return made.gather(at).zip_with(self.keep, out) if len(made) else out

    def _called(self) -> Any:
        """The function's values as an Arrow array."""
        try:
            function = compiled(self.function)
            if self.function.kind == "aggregate":
                return self._checked([function(*group) for group in self._groups()])
            columns = [self._column(i, a.type) for i, a in enumerate(self.e.args)]
            if self.function.arrow:
                return self._array(function(*columns))
            rows = self._rows(columns)
            if self.function.kind == "table":
                return self._checked([_records(function(*row), self.e.type) for row in rows])
            return self._checked([function(*row) for row in rows])
        except BadResult as e:
            raise self.k.at(self.e).failure(_TYPE_ERROR, _clean(str(e))) from None
        except (Exception, SystemExit) as e:
            raise self.k.at(self.e).failure(_ERROR, _clean(_told(self.function, e))) from None

    def _column(self, i: int, t: SqlType) -> Any:
        return result_column(self.frame[str(i)].to_arrow(), t)

    def _rows(self, columns: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
        shown = [python_values(c, a.type) for c, a in zip(columns, self.e.args, strict=True)]
        return zip(*shown, strict=True) if shown else (() for _ in range(self.frame.height))

    def _groups(self) -> Iterable[list[Any]]:
        """Per group the values of each parameter: lists, or Arrow arrays."""
        rows = self.e.args[0].type
        assert isinstance(rows, Array)
        assert isinstance(rows.element, Struct)
        fields = rows.element.fields
        for group in self._column(0, rows):
            values = group.values
            parts = [values.field(i) for i in range(len(fields))]
            if self.function.arrow:
                yield parts
            else:
                yield [python_values(p, f.type) for p, f in zip(parts, fields, strict=True)]

    def _array(self, value: Any) -> Any:
        """A vectorised function's answer, of the declared type and the batch's length."""
        import pyarrow as pa

        if isinstance(value, pa.ChunkedArray):
            value = value.combine_chunks()
        if not isinstance(value, pa.Array):
            try:
                value = pa.array(value)
            except (pa.ArrowException, TypeError, ValueError):
                raise BadResult(
                    f"{self.function.name}() gave {type(value).__name__}, no Arrow array"
                ) from None
        if len(value) != self.frame.height:
            raise BadResult(f"{self.function.name}() gave {len(value)} values for {self.frame.height} rows")
        try:
            return value.cast(to_arrow(self.e.type))
        except pa.ArrowException as e:
            raise BadResult(
                f"{self.function.name}() returns {self.e.type}, and gave an array of {value.type}: {e}"
            ) from None

    def _checked(self, values: list[Any]) -> Any:
        """Python values as an array of the declared type; the first that does not fit is named."""
        import pyarrow as pa

        problems = (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError, OverflowError)
        try:
            for v in values:
                _check(v, self.e.type)
            return array_from_python(values, self.e.type)
        except problems:
            pass
        for v in values:
            try:
                _check(v, self.e.type)
                array_from_python([v], self.e.type)
            except problems as e:
                shown = repr(v)
                shown = shown if len(shown) <= 60 else shown[:57] + "..."
                why = f" ({e})" if isinstance(e, pa.ArrowException) else ""
                raise BadResult(
                    f"{self.function.name}() returns {self.e.type}, and gave the {type(v).__name__} {shown}{why}"
                ) from None
        raise BadResult(f"{self.function.name}() gave values that are not {self.e.type}")

    def _kernel_form(self, array: Any) -> pl.Series:
        series = pl.Series("v", pl.from_arrow(array))
        return series.to_frame().select(from_file(self.k, pl.col("v"), series.dtype, self.e.type)).to_series()


def _check(value: Any, t: SqlType) -> None:
    """Raises TypeError for what pyarrow would take in silence: booleans as numbers, fractions as integers."""
    from sqlshell.types import Boolean, Integral, Numeric, String

    if value is None:
        return
    if isinstance(t, Numeric) and isinstance(value, bool):
        raise TypeError
    if isinstance(t, Integral) and isinstance(value, float):
        raise TypeError
    if isinstance(t, Boolean) and not isinstance(value, bool) and type(value).__name__ != "bool_":
        raise TypeError
    if isinstance(t, String) and not isinstance(value, str):
        raise TypeError


def _records(made: Any, t: SqlType) -> list[dict[str, Any]] | None:
    """What one call of a table function gave, as rows of its columns."""
    assert isinstance(t, Array)
    assert isinstance(t.element, Struct)
    names = [f.name for f in t.element.fields]
    out = []
    for record in made if made is not None else ():
        if isinstance(record, dict):
            if set(record) != set(names):
                raise BadResult(
                    f"a row has the columns {', '.join(map(str, record))}, not {', '.join(names)}"
                )
            row = record
        else:
            values = record if isinstance(record, (tuple, list)) else (record,)
            if len(values) != len(names):
                raise BadResult(f"a row has {len(values)} values, not {len(names)}")
            row = dict(zip(names, values, strict=True))
        for f in t.element.fields:
            try:
                _check(row[f.name], f.type)
            except TypeError:
                raise BadResult(f"the column {f.name} is {f.type}, and got {row[f.name]!r}") from None
        out.append(row)
    return out


# Compiling


@lru_cache(maxsize=64)
def compiled(function: PythonFunction) -> Callable[..., Any]:
    """The callable, made once per process."""
    if not function.source:
        from sqlshell.exec.gang import Body
        from sqlshell.exec.ship import load

        return load(Body(function.module or function.name, function.payload, function.path))
    file = f"<function {function.name}>"
    code = compile(tree(function), file, "exec")
    linecache.cache[file] = (len(function.source), None, function.source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": function.name}
    exec(code, space)
    if not function.handler:
        return space["_body"]  # type: ignore[no-any-return]
    found = space.get(function.handler)
    if isinstance(found, type):
        found = getattr(found(), "eval", None)
    if not callable(found):
        raise BadResult(f"the source of {function.name}() defines no {function.handler}")
    return found  # type: ignore[no-any-return]


def _told(function: PythonFunction, e: BaseException) -> str:
    """`f() failed in line 3, y / x: ZeroDivisionError: division by zero`."""
    frames = traceback.extract_tb(e.__traceback__)
    own = [f for f in frames if f.filename == f"<function {function.name}>"]
    outside = [f for f in frames if f.filename != __file__]
    said = "".join(traceback.format_exception_only(type(e), e)).strip().splitlines()[-1]
    if own:
        line = (own[-1].line or "").strip()
        return f"{function.name}() failed in line {own[-1].lineno}{f', `{line}`' if line else ''}: {said}"
    if outside:
        last = outside[-1]
        return f"{function.name}() failed in {last.filename}, line {last.lineno}, `{last.line}`: {said}"
    return f"{function.name}() failed: {said}"


def _clean(text: str) -> str:
    """Without the characters that mark errors inside polars."""
    return text.replace("⟦", "[").replace("⟧", "]").replace("\x1f", " ")
