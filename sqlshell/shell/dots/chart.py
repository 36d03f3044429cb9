"""`.chart`: the last result as a picture, in the terminal or as an SVG file."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from sqlshell.shell.dots import usage
from sqlshell.shell.dots.output import destination
from sqlshell.shell.exits import UsageError
from sqlshell.shell.output.chart_data import plot_of

if TYPE_CHECKING:
    from sqlshell.shell.runner import Runner


def chart(runner: Runner, argument: str) -> None:
    """`.chart bar|line|hist|scatter|heat [X] [Y ...] [-o FILE.svg]`."""
    try:
        words = [w.strip("`") for w in shlex.split(argument)]
    except ValueError as e:
        raise UsageError(f".chart: {e}") from None
    path = None
    if "-o" in words:
        at = words.index("-o")
        path = words[at + 1] if at + 1 < len(words) else None
        if path is None or not path.lower().endswith(".svg"):
            raise UsageError(
                ".chart writes files that end in .svg", hint="browsers and converters make PNG of them"
            )
        del words[at : at + 2]
    if not words:
        raise usage("chart")
    if runner.last is None:
        raise UsageError("there is no result to draw", hint="run a query first")
    plot = plot_of(runner.last, words[0].lower(), words[1:], runner.session.settings.get("sqlshell.timeZone"))
    if path is not None:
        from sqlshell.shell.output.chart_svg import svg

        with destination(path) as out:
            out.write(svg(plot))
        return
    from sqlshell.shell.output.charts import draw

    style = runner.options.style
    width = style.width or 80
    if runner.options.auto_width:
        width = os.get_terminal_size(1).columns or width
    runner.out.write(draw(plot, width, colour=style.colour))
    runner.out.flush()
