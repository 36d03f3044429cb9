"""Tables for people: box (lines), table (ASCII) and markdown.

Where the terminal is too narrow, long cells are cut first and columns in the middle are left out then; what is
left out is said below the table.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TextIO

from sqlshell.records import dataclass
from sqlshell.shell.output.values import formatter, zone_info
from sqlshell.shell.output.width import cut, one_line, pad, width
from sqlshell.types import Numeric

if TYPE_CHECKING:
    from sqlshell.result import Result
    from sqlshell.shell.output import Style

LEAST = 12
"""A column that is cut keeps so many cells."""

DIM, PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True)
class Lines:
    """The characters a table is drawn with; `top`, `bar` and `bottom` are (left, fill, middle, right)."""

    top: str
    bar: str
    bottom: str
    column: str


BOX = Lines("┌─┬┐", "├─┼┤", "└─┴┘", "│")
ASCII = Lines("+-++", "+-++", "+-++", "|")


def box(result: Result, out: TextIO, style: Style) -> None:
    """A table drawn with lines."""
    _drawn(result, out, style, BOX)


def table(result: Result, out: TextIO, style: Style) -> None:
    """A table drawn with ASCII characters."""
    _drawn(result, out, style, ASCII)


@dataclass
class Grid:
    """The texts of a table, already of one line each, and which of them are NULL."""

    headers: list[str]
    rows: list[list[str]]
    right: list[bool]
    nulls: set[tuple[int, int]]
    widths: list[int]


def grid(result: Result, style: Style, most: int) -> Grid:
    """The first `most` rows as texts."""
    zone = zone_info(style.zone)
    formats = [formatter(f.type, zone, style.null) for f in result.fields]
    values = list(islice(result.rows(), most))
    rows = [[one_line(f(v)) for f, v in zip(formats, row, strict=True)] for row in values]
    headers = [one_line(f.name) for f in result.fields]
    nulls = {(y, x) for y, row in enumerate(values) for x, v in enumerate(row) if v is None}
    widths = [max([width(h), *(width(r[i]) for r in rows)]) for i, h in enumerate(headers)]
    return Grid(headers, rows, [isinstance(f.type, Numeric) for f in result.fields], nulls, widths)


def _drawn(result: Result, out: TextIO, style: Style, lines: Lines) -> None:
    most = style.max_rows if style.limit is None else min(style.max_rows, style.limit)
    if len(result.fields) == result.row_count == 1:
        (value,) = next(iter(result.rows()))
        if isinstance(value, str) and "\n" in value:
            out.write(value + "\n")  # EXPLAIN and other texts
            return
    g = grid(result, style, most)
    shown, left_out = fitted(g, style.width)
    out.write(_rule(g, shown, lines.top))
    out.write(_row(g, -1, shown, lines.column, style))
    out.write(_rule(g, shown, lines.bar))
    out.writelines(_row(g, y, shown, lines.column, style) for y in range(len(g.rows)))
    out.write(_rule(g, shown, lines.bottom))
    out.write(footer(result, len(g.rows), left_out))


def fitted(g: Grid, terminal: int | None) -> tuple[list[int], int]:
    """The columns that are shown (-1 stands for those left out) and how many are not; cuts `g.widths`."""
    columns = list(range(len(g.widths)))
    if terminal is None or not columns:
        return columns, 0

    def total(shown: list[int]) -> int:
        return 1 + sum((1 if c < 0 else g.widths[c]) + 3 for c in shown)

    over = total(columns) - terminal
    while over > 0:  # the widest columns give way first, evenly
        widest = max(g.widths)
        if widest <= LEAST:
            break
        at = [c for c in columns if g.widths[c] == widest]
        second = max([w for w in g.widths if w < widest], default=0)
        target = max(LEAST, second, widest - -(-over // len(at)))
        for c in at:
            g.widths[c] = target
        over = total(columns) - terminal
    if over <= 0 or len(columns) < 3:
        return columns, 0
    left, right = columns[: len(columns) // 2], columns[len(columns) // 2 :]
    while len(left) + len(right) > 2 and total([*left, -1, *right]) > terminal:
        if len(left) > len(right):
            left.pop()
        else:
            right.pop(0)
    return [*left, -1, *right], len(columns) - len(left) - len(right)


def _rule(g: Grid, shown: list[int], parts: str) -> str:
    cells = [parts[1] * ((1 if c < 0 else g.widths[c]) + 2) for c in shown]
    return parts[0] + parts[2].join(cells) + parts[3] + "\n"


def _row(g: Grid, y: int, shown: list[int], column: str, style: Style) -> str:
    texts = g.headers if y < 0 else g.rows[y]
    cells = []
    for c in shown:
        if c < 0:
            cells.append(" … ")
            continue
        text = pad(cut(texts[c], g.widths[c]), g.widths[c], right=g.right[c])
        if style.colour and (y, c) in g.nulls:
            text = f"{DIM}{text}{PLAIN}"
        cells.append(f" {text} ")
    return column + column.join(cells) + column + "\n"


def footer(result: Result, shown: int, left_out: int) -> str:
    """How many rows there are and what is not shown."""
    rows = result.row_count
    text = f"{rows} row{'' if rows == 1 else 's'}"
    if rows > shown:
        text += f", {rows - shown} not shown (--format csv gives all)"
    if left_out:
        text += f", {left_out} of {len(result.fields)} columns not shown"
    return text + "\n"


def markdown(result: Result, out: TextIO, style: Style) -> None:
    """A pipe table, streamed: cells are not padded."""
    zone = zone_info(style.zone)
    formats = [formatter(f.type, zone, style.null) for f in result.fields]
    out.write("| " + " | ".join(_escaped(f.name) for f in result.fields) + " |\n")
    marks = ("---:" if isinstance(f.type, Numeric) else "---" for f in result.fields)
    out.write("| " + " | ".join(marks) + " |\n")
    for row in islice(result.rows(), style.limit):
        cells = (_escaped(f(v)) for f, v in zip(formats, row, strict=True))
        out.write("| " + " | ".join(cells) + " |\n")


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return one_line(escaped.replace("\r\n", "<br>").replace("\n", "<br>"))
