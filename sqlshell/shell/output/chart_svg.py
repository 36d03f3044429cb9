"""Charts as SVG pages: no scripts, no references to anything outside."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from sqlshell.shell.output.chart_data import Bars, Points, Shades, number, round_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.shell.output.chart_data import Axis, Plot

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#d62728", "#17becf")
WIDTH, HEIGHT = 800, 450
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 30, 70


def svg(plot: Plot) -> str:
    """The chart as a page of 800 by 450."""
    match plot:
        case Bars():
            body = list(_bars(plot))
        case Points():
            body = list(_points(plot))
        case Shades():
            body = list(_shades(plot))
    notes = _text(WIDTH - RIGHT, HEIGHT - 6, "; ".join(plot.notes), "end") if plot.notes else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(body) + f"\n{notes}\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", *, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#999") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers between the ends."""
    if high <= low:
        return [low]
    step = round_step((high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


class _Scale:
    """Values to places between two ends of the page."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = (low, high) if high > low else (low - 0.5, low + 0.5)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _y_axis(scale: _Scale, name: str) -> Iterator[str]:
    for value in ticks(scale.low, scale.high):
        yield _line(LEFT, scale(value), WIDTH - RIGHT, scale(value), "#e5e5e5")
        yield _text(LEFT - 6, scale(value) + 4, number(value), "end")
    yield _text(LEFT, TOP - 12, name)


def _bars(plot: Bars) -> Iterator[str]:
    y = _Scale(min(0.0, *plot.values), max(0.0, *plot.values), HEIGHT - BOTTOM, TOP)
    yield from _y_axis(y, plot.y.name)
    step = (WIDTH - LEFT - RIGHT) / len(plot.values)
    gap = 0.5 if plot.touching else step * 0.1
    for i, (label, value) in enumerate(zip(plot.labels, plot.values, strict=True)):
        x = LEFT + i * step
        top, bottom = sorted((y(value), y(0)))
        yield (
            f'<rect x="{x + gap:.1f}" y="{top:.1f}" width="{step - 2 * gap:.1f}" height="{bottom - top:.1f}" '
            f'fill="{COLOURS[0]}"><title>{escape(label)}: {number(value)}</title></rect>'
        )
    every = max(1, math.ceil(len(plot.labels) * 7 * max(map(len, plot.labels)) / (WIDTH - LEFT - RIGHT)))
    for i, label in enumerate(plot.labels):
        if i % every == 0:
            x = LEFT + i * step + (0 if plot.touching else step / 2)
            yield _text(x, HEIGHT - BOTTOM + 18, label, "middle")
    yield _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 24, plot.x.name, "middle")


def _points(plot: Points) -> Iterator[str]:
    points = [p for _, found in plot.series for p in found]
    x = _Scale(min(p[0] for p in points), max(p[0] for p in points), LEFT, WIDTH - RIGHT)
    y = _Scale(min(p[1] for p in points), max(p[1] for p in points), HEIGHT - BOTTOM, TOP)
    yield from _y_axis(y, plot.y.name)
    yield from _x_axis(plot.x, x)
    for n, (name, found) in enumerate(plot.series):
        colour = COLOURS[n % len(COLOURS)]
        if plot.joined and len(found) > 1:
            path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in found)
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        else:
            yield from (
                f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="{colour}"/>' for a, b in found
            )
        if len(plot.series) > 1:
            yield f'<rect x="{LEFT + n * 140}" y="{TOP - 22}" width="10" height="10" fill="{colour}"/>'
            yield _text(LEFT + n * 140 + 14, TOP - 12, name)


def _x_axis(axis: Axis, x: _Scale) -> Iterator[str]:
    yield _line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM)
    plain = axis.texts is None and not axis.is_time
    places = ticks(x.low, x.high) if plain else [x.low + (x.high - x.low) * i / 4 for i in range(5)]
    if axis.texts is not None:
        places = sorted({float(round(p)) for p in places})
    for value in places:
        yield _text(x(value), HEIGHT - BOTTOM + 18, axis.label(value, x.high - x.low), "middle")
    yield _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 24, axis.name, "middle")


def _shades(plot: Shades) -> Iterator[str]:
    across, down = plot.x.texts or (), plot.y.texts or ()
    wide, high = (WIDTH - LEFT - RIGHT) / len(across), (HEIGHT - TOP - BOTTOM) / len(down)
    values = [v for row in plot.cells for v in row if v is not None]
    low, most = min(values, default=0.0), max(values, default=0.0)
    for j, row in enumerate(plot.cells):
        for i, value in enumerate(row):
            if value is not None:
                share = (value - low) / (most - low) if most > low else 1.0
                yield (
                    f'<rect x="{LEFT + i * wide:.1f}" y="{TOP + j * high:.1f}" width="{wide:.1f}" height="{high:.1f}" '
                    f'fill="{COLOURS[0]}" fill-opacity="{0.08 + 0.92 * share:.2f}">'
                    f"<title>{escape(across[i])}, {escape(down[j])}: {number(value)}</title></rect>"
                )
    for j, label in enumerate(down):
        if j % max(1, len(down) // 25) == 0:
            yield _text(LEFT - 6, TOP + (j + 0.5) * high + 4, label[:13], "end")
    every = max(1, math.ceil(len(across) * 7 * max(map(len, across)) / (WIDTH - LEFT - RIGHT)))
    for i, label in enumerate(across):
        if i % every == 0:
            yield _text(LEFT + (i + 0.5) * wide, HEIGHT - BOTTOM + 18, label, "middle")
    yield _text(LEFT, TOP - 12, f"{plot.value}: {number(low)} to {number(most)}")
    yield _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 24, plot.x.name, "middle")
