"""Charts in the terminal: bars of eighth blocks, points and lines of braille dots, shades for heat maps."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sqlshell.shell.output.chart_data import Bars, Points, Shades, number
from sqlshell.shell.output.width import cut, one_line, pad, width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.shell.output.chart_data import Plot

EIGHTHS = " ▏▎▍▌▋▊▉█"
SHADES = "·░▒▓█"
COLOURS = (36, 33, 35, 32, 34, 31)
"""ANSI colours of series, in order: cyan, yellow, magenta, green, blue, red."""
HEIGHT = 16
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def draw(plot: Plot, columns: int, *, colour: bool = False, height: int = HEIGHT) -> str:
    """A chart as lines of at most `columns` cells."""
    columns = max(columns, 24)
    match plot:
        case Bars():
            lines = list(_bars(plot, columns))
        case Points():
            lines = list(_points(plot, columns, height, colour=colour))
        case Shades():
            lines = list(_shades(plot, columns))
    return "\n".join([*lines, *(cut(f"({note})", columns) for note in plot.notes)]) + "\n"


def _bars(plot: Bars, columns: int) -> Iterator[str]:
    """A line per bar: label, bar, value. With negative values the zero line stands inside."""
    labels = [cut(label, columns // 3) for label in plot.labels]
    values = [number(v) for v in plot.values]
    name = cut(one_line(plot.x.name), columns // 3)
    left, right = max(width(name), *map(width, labels)), max(map(len, values))
    room = columns - left - right - 4
    low, high = min(0.0, *plot.values), max(0.0, *plot.values)
    unit = room / (high - low) if high > low else 0.0
    zero = round(-low * unit)
    yield cut(f"{pad(name, left)} │ {one_line(plot.y.name)}", columns)
    for label, text, v in zip(labels, values, plot.values, strict=True):
        if v < 0:
            cells = min(zero, max(1, round(-v * unit)))
            bar = " " * (zero - cells) + "█" * cells
        else:
            eighths = max(round(v * unit * 8), 1 if v else 0)
            full, part = divmod(min(eighths, (room - zero) * 8), 8)
            bar = " " * zero + "█" * full + (EIGHTHS[part] if part else "")
        yield f"{pad(label, left)} │{bar} {text}"


def _points(plot: Points, columns: int, height: int, *, colour: bool) -> Iterator[str]:
    """A canvas of dots, two by four to a cell, between axes. Without colours further series are letters."""
    xs = [x for _, points in plot.series for x, _ in points]
    ys = [y for _, points in plot.series for _, y in points]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
    span_x, span_y = high_x - low_x or 1.0, high_y - low_y or 1.0
    marks = [number(low_y + span_y * i / 4) for i in range(5)]
    left = max(map(len, marks))
    across = columns - left - 2
    cells: dict[tuple[int, int], tuple[int, int]] = {}  # (row, column) to (dots, series)
    for n, (_, points) in enumerate(plot.series):
        dots = [
            (round((x - low_x) / span_x * (across * 2 - 1)), round((y - low_y) / span_y * (height * 4 - 1)))
            for x, y in points
        ]
        for x, y in _joined(dots) if plot.joined else dots:
            at = (height - 1 - y // 4, x // 2)
            bit = _DOTS[3 - y % 4][x % 2]
            cells[at] = (cells.get(at, (0, n))[0] | bit, n)
    plain = len(plot.series) > 1 and not colour
    if len(plot.series) > 1:
        names = (_coloured(f"{_letter(n) if plain else '⣿'} {name}", n, colour=colour)
                 for n, (name, _) in enumerate(plot.series))  # fmt: skip
        yield " " * (left + 2) + "  ".join(names)
    elif plot.y.name:
        yield cut(plot.y.name, columns)
    rows = {round(i * (height - 1) / 4): marks[4 - i] for i in range(5)}
    for row in range(height):
        line = []
        for column in range(across):
            found = cells.get((row, column))
            if found is None:
                line.append(" ")
            else:
                text = _letter(found[1]) if plain else chr(0x2800 + found[0])
                line.append(_coloured(text, found[1], colour=colour and len(plot.series) > 1))
        yield f"{rows.get(row, ''):>{left}} ┤{''.join(line).rstrip()}"
    yield " " * (left + 1) + "└" + "─" * across
    first, last = plot.x.label(low_x, span_x), plot.x.label(high_x, span_x)
    name = cut(plot.x.name, max(4, across - width(first) - width(last) - 2))
    gap = across - width(first) - width(name) - width(last)
    if gap < 2:
        yield " " * (left + 2) + cut(f"{first} … {last}", across)
    else:
        yield " " * (left + 2) + first + " " * (gap // 2) + name + " " * (gap - gap // 2) + last


def _joined(dots: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Every dot on the lines from one to the next (Bresenham 1965)."""
    if len(dots) == 1:
        yield dots[0]
    for (x, y), (to_x, to_y) in pairwise(dots):
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        for i in range(steps + 1):
            yield x + round((to_x - x) * i / steps), y + round((to_y - y) * i / steps)


def _letter(n: int) -> str:
    return chr(ord("a") + n % 26)


def _coloured(text: str, n: int, *, colour: bool) -> str:
    return f"\x1b[{COLOURS[n % len(COLOURS)]}m{text}\x1b[0m" if colour else text


def _shades(plot: Shades, columns: int) -> Iterator[str]:
    """A row of shades for every y; wide enough cells to tell the columns below apart."""
    names = plot.x.texts or ()
    labels = [cut(one_line(label), columns // 3) for label in plot.y.texts or ()]
    left = max(map(width, labels))
    room = columns - left - 2
    cell = max(1, min(max(4, *(width(n) + 1 for n in names)), room // len(names)))
    shown = min(len(names), room // cell)
    values = [v for row in plot.cells for v in row[:shown] if v is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    for label, row in zip(labels, plot.cells, strict=True):
        yield f"{pad(label, left)} │" + "".join(_shade(v, low, high) * cell for v in row[:shown]).rstrip()
    if cell > 2:
        texts = (pad(cut(one_line(n), cell - 1), cell) for n in names[:shown])
        yield " " * (left + 2) + "".join(texts).rstrip()
    else:
        yield cut(" " * (left + 2) + f"{one_line(names[0])} … {one_line(names[shown - 1])}", columns)
    more = f", {len(names) - shown} columns not shown" if shown < len(names) else ""
    yield cut(f"{plot.value}: {SHADES[0]} {number(low)} to {SHADES[-1]} {number(high)}{more}", columns)


def _shade(value: float | None, low: float, high: float) -> str:
    if value is None:
        return " "
    share = (value - low) / (high - low) if high > low else 1.0
    return SHADES[min(len(SHADES) - 1, int(share * len(SHADES)))]
