"""What a chart shows, taken from a result: bars, points or a grid of shades. `charts` and `chart_svg` draw it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlshell.errors import did_you_mean
from sqlshell.records import dataclass
from sqlshell.shell.exits import UsageError
from sqlshell.shell.output.values import formatter, zone_info
from sqlshell.shell.output.width import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.result import Result
    from sqlshell.types import Field

KINDS = ("bar", "line", "hist", "scatter", "heat")
MOST_ROWS = 100_000
"""A chart looks at so many rows; it says when there are more."""
MOST_BARS = 40


@dataclass(frozen=True)
class Axis:
    """What an axis measures. `texts` are the names of positions 0, 1, ... where it has names instead of numbers."""

    name: str
    texts: tuple[str, ...] | None = None
    is_time: bool = False
    zone: Any = UTC

    def label(self, value: float, span: float = 0.0) -> str:
        """A position as text; the span of the axis says how exact a time has to be."""
        if self.texts is not None:
            at = round(value)
            return self.texts[at] if 0 <= at < len(self.texts) else ""
        if not self.is_time:
            return number(value)
        shown = datetime.fromtimestamp(value, self.zone)
        return shown.strftime(
            "%Y-%m-%d" if span >= 172_800 or span == 0 else "%m-%d %H:%M" if span > 600 else "%H:%M:%S"
        )


@dataclass(frozen=True)
class Bars:
    """A bar for every label."""

    x: Axis
    y: Axis
    labels: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...] = ()
    touching: bool = False
    """Of a histogram: no gaps between bars."""


@dataclass(frozen=True)
class Points:
    """Points (x, y) of one or more series; lines join them in order of x."""

    x: Axis
    y: Axis
    series: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]
    joined: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shades:
    """A grid of values; None where there is none."""

    x: Axis
    y: Axis
    value: str
    cells: tuple[tuple[float | None, ...], ...]
    notes: tuple[str, ...] = ()


Plot = Bars | Points | Shades


def number(value: float) -> str:
    """A number in six digits at most."""
    text = f"{value:,.6g}" if abs(value) < 1e15 else f"{value:.3g}"
    return "0" if text == "-0" else text


def plot_of(result: Result, kind: str, names: Sequence[str] = (), zone: str = "UTC") -> Plot:
    """The chart of a result's columns; those that are not named are chosen. Raises UsageError."""
    if kind not in KINDS:
        raise UsageError(
            f"there is no chart '{kind}'", hint=did_you_mean(kind, KINDS) or "charts: " + ", ".join(KINDS)
        )
    rows = list(islice(result.rows(), MOST_ROWS))
    notes = [f"the first {MOST_ROWS} of {result.row_count} rows"] if result.row_count > MOST_ROWS else []
    if not rows:
        raise UsageError("the result has no rows to draw")
    reader = _Columns(result.fields, rows, zone)
    draw: dict[str, Callable[[_Columns, Sequence[str], list[str]], Plot]] = {
        "bar": _bars, "line": _lines, "scatter": _scatter, "hist": _histogram, "heat": _shades,
    }  # fmt: skip
    return draw[kind](reader, names, notes)


class _Columns:
    """Columns by name, as numbers or texts."""

    def __init__(self, fields: Sequence[Field], rows: list[tuple[Any, ...]], zone: str) -> None:
        self.fields = fields
        self.rows = rows
        self.zone = zone_info(zone)

    def find(self, name: str) -> int:
        """A column's place, by name in any case."""
        for i, f in enumerate(self.fields):
            if f.name.lower() == name.lower():
                return i
        known = [f.name for f in self.fields]
        raise UsageError(
            f"the result has no column '{name}'",
            hint=did_you_mean(name, known) or "columns: " + ", ".join(known),
        )

    def choose(self, names: Sequence[str], at: int, taken: Sequence[int], *, number: bool) -> int:
        """The column named at a place of the command, else the first that fits and is not taken."""
        if at < len(names):
            return self.find(names[at])
        for i in range(len(self.fields)):
            if i not in taken and (not number or self.is_number(i)):
                return i
        raise UsageError("the result has no " + ("other number to draw" if number else "other column"))

    def is_number(self, i: int) -> bool:
        """Whether the first value that is not NULL is a number."""
        for row in self.rows:
            if row[i] is not None:
                return isinstance(row[i], (int, float, Decimal, timedelta))
        return False

    def numbers(self, i: int) -> list[float | None]:
        """A column's values as numbers; times are seconds since 1970."""
        return [self._number(row[i], i) for row in self.rows]

    def _number(self, value: Any, i: int) -> float | None:
        match value:
            case None:
                return None
            case bool() | int() | float() | Decimal():
                found = float(value)
            case datetime():
                found = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
            case date():
                found = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
            case timedelta():
                found = value.total_seconds()
            case _:
                raise UsageError(
                    f"the column '{self.fields[i].name}' is no number, but {self.fields[i].type}"
                )
        return found if math.isfinite(found) else None

    def texts(self, i: int) -> list[str]:
        """A column's values as texts."""
        show = formatter(self.fields[i].type, self.zone)
        return [one_line(show(row[i])) for row in self.rows]

    def axis(self, i: int) -> tuple[Axis, list[float | None]]:
        """A column as an axis of points: numbers and times as they are, texts by their place."""
        name = one_line(self.fields[i].name)
        sample = next((row[i] for row in self.rows if row[i] is not None), None)
        if isinstance(sample, (date, datetime)):
            zoned = isinstance(sample, datetime) and sample.tzinfo is not None
            return Axis(name, None, True, self.zone if zoned else UTC), self.numbers(i)
        if isinstance(sample, (int, float, Decimal, timedelta)):
            return Axis(name), self.numbers(i)
        if isinstance(sample, time) or sample is not None:
            texts = self.texts(i)
            names = tuple(dict.fromkeys(texts))
            places = {text: float(n) for n, text in enumerate(names)}
            return Axis(name, names), [places[text] for text in texts]
        raise UsageError(f"the column '{name}' has only NULLs")


def _left_out(count: int) -> list[str]:
    return [f"{count} row{'' if count == 1 else 's'} without a number left out"] if count else []


def _bars(columns: _Columns, names: Sequence[str], notes: list[str]) -> Plot:
    x = columns.choose(names, 0, (), number=False) if names else _first_text(columns)
    y = columns.choose(names, 1, (x,), number=True)
    pairs = list(zip(columns.texts(x), columns.numbers(y), strict=True))
    kept = [(label, v) for label, v in pairs if v is not None]
    notes += _left_out(len(pairs) - len(kept))
    if len(kept) > MOST_BARS:
        notes.append(f"the first {MOST_BARS} of {len(kept)} bars")
        kept = kept[:MOST_BARS]
    labels, values = tuple(p[0] for p in kept), tuple(p[1] for p in kept)
    return Bars(Axis(columns.fields[x].name), Axis(columns.fields[y].name), labels, values, tuple(notes))


def _first_text(columns: _Columns) -> int:
    """The column that names the bars: the first that is no number, else the first."""
    return next((i for i in range(len(columns.fields)) if not columns.is_number(i)), 0)


def _histogram(columns: _Columns, names: Sequence[str], notes: list[str]) -> Plot:
    x = columns.choose(names, 0, (), number=True)
    axis, found = columns.axis(x)
    if axis.texts is not None:
        columns.numbers(x)  # says what is wrong
    values = [v for v in found if v is not None]
    notes += _left_out(len(found) - len(values))
    if not values:
        raise UsageError(f"the column '{axis.name}' has no numbers")
    edges = bins(min(values), max(values), len(values))
    counts = [0] * (len(edges) - 1)
    step = edges[1] - edges[0]
    for v in values:
        counts[min(len(counts) - 1, max(0, int((v - edges[0]) / step)))] += 1
    span = edges[-1] - edges[0]
    labels = tuple(axis.label(e, span) for e in edges[:-1])
    return Bars(axis, Axis("rows"), labels, tuple(map(float, counts)), tuple(notes), touching=True)


def bins(low: float, high: float, count: int) -> list[float]:
    """Round edges of about 1 + log2(n) bins (Sturges; 5 to 24 of them), from `low` or below to above `high`."""
    if low == high:
        return [low, low + 1.0]
    wanted = min(24, max(5, math.ceil(1 + math.log2(count))))
    step = round_step((high - low) / wanted)
    start = math.floor(low / step) * step
    n = math.floor((high - start) / step) + 1
    return [start + step * i for i in range(n + 1)]


def round_step(step: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= step * 0.999999)


def _lines(columns: _Columns, names: Sequence[str], notes: list[str]) -> Plot:
    return _points(columns, names, notes, joined=True)


def _scatter(columns: _Columns, names: Sequence[str], notes: list[str]) -> Plot:
    return _points(columns, names, notes, joined=False)


def _points(columns: _Columns, names: Sequence[str], notes: list[str], *, joined: bool) -> Plot:
    """The first column is x, every further one a series."""
    x = columns.choose(names, 0, (), number=False)
    ys = [columns.find(n) for n in names[1:]] or [columns.choose(names, 1, (x,), number=True)]
    axis, xs = columns.axis(x)
    series, missing = [], 0
    for y in ys:
        pairs = [
            (a, b) for a, b in zip(xs, columns.numbers(y), strict=True) if a is not None and b is not None
        ]
        missing += len(xs) - len(pairs)
        series.append((one_line(columns.fields[y].name), tuple(sorted(pairs) if joined else pairs)))
    if not any(points for _, points in series):
        raise UsageError("the columns have no numbers to draw")
    label = series[0][0] if len(series) == 1 else ""
    return Points(axis, Axis(label), tuple(series), joined, (*notes, *_left_out(missing)))


def _shades(columns: _Columns, names: Sequence[str], notes: list[str]) -> Plot:
    """Rows of x, y and a value; without a third column the rows of each cell are counted."""
    x = columns.choose(names, 0, (), number=False)
    y = columns.choose(names, 1, (x,), number=False)
    counted = len(names) == 2 or (len(names) < 2 and len(columns.fields) < 3)
    value = None if counted else columns.choose(names, 2, (x, y), number=True)
    values = [1.0] * len(columns.rows) if value is None else columns.numbers(value)
    xs, ys = columns.texts(x), columns.texts(y)
    across, down = tuple(dict.fromkeys(xs)), tuple(dict.fromkeys(ys))
    if len(across) > 200 or len(down) > 200:
        raise UsageError(
            f"a heat map of {len(across)} by {len(down)} values is too large", hint="group them first"
        )
    sums: dict[tuple[str, str], float] = {}
    for a, b, v in zip(xs, ys, values, strict=True):
        if v is not None:
            sums[b, a] = sums.get((b, a), 0.0) + v
    cells = tuple(tuple(sums.get((b, a)) for a in across) for b in down)
    name = "rows" if value is None else one_line(columns.fields[value].name)
    left = _left_out(sum(v is None for v in values))
    return Shades(
        Axis(columns.fields[x].name, across), Axis(columns.fields[y].name, down), name, cells, (*notes, *left)
    )
