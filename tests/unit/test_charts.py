"""Charts: what they show is the data's, they fit the terminal, and SVG files are sound and closed in themselves."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sqlshell.shell.exits import UsageError
from sqlshell.shell.output.chart_data import KINDS, Axis, Bars, Points, Shades, bins, plot_of
from sqlshell.shell.output.chart_svg import svg, ticks
from sqlshell.shell.output.charts import draw
from sqlshell.shell.output.width import width
from sqlshell.shell.runner import Options, Runner

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session

WIDE = """
    SELECT '日本語の名前' || id AS name, (id - 3) * (id - 3) * (id - 3) AS cube, date'2026-01-01' + int(id) AS day,
        id % 3 AS third, CASE WHEN id = 4 THEN NULL ELSE double(id) / 7 END AS share
    FROM range(30)
"""


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(
    "words", ["bar name cube", "line day cube share", "scatter cube share", "hist share", "heat third name"]
)
def test_charts_fit_and_svg_is_sound(session: Session, words: str, columns: int) -> None:
    kind, *names = words.split()
    plot = plot_of(session.execute(WIDE), kind, names)
    lines = draw(plot, columns).splitlines()
    assert max(map(width, lines)) <= columns
    assert len(lines) < 45
    root = ET.fromstring(svg(plot))
    assert not [e for e in root.iter() if "script" in e.tag or any("href" in a for a in e.attrib)]
    assert len(list(root.iter())) > 10


def test_bars() -> None:
    plot = Bars(*_axes("k", "n"), ("a", "日本"), (4.0, -2.0))
    assert draw(plot, 24) == "k    │ n\na    │     █████████ 4\n日本 │█████ -2\n"
    assert "a: 4" in svg(plot)


def test_every_kind_chooses_columns(session: Session) -> None:
    for kind in KINDS:
        assert draw(plot_of(session.execute(WIDE), kind), 80)
    plot = plot_of(session.execute("SELECT 5 AS n, 'x' AS word"), "bar")
    assert isinstance(plot, Bars)
    assert (plot.labels, plot.values) == (("x",), (5.0,))


def test_values(session: Session) -> None:
    plot = plot_of(session.execute(WIDE), "line", ["DAY", "share"])
    assert isinstance(plot, Points)
    assert len(plot.series[0][1]) == 29
    assert plot.notes == ("1 row without a number left out",)
    assert plot.x.label(plot.series[0][1][0][0]) == "2026-01-01"
    plot = plot_of(
        session.execute("SELECT id % 2 AS a, id % 3 AS b, id AS v FROM range(7)"), "heat", ["a", "b", "v"]
    )
    assert isinstance(plot, Shades)
    assert plot.cells == ((6.0, 3.0), (4.0, 1.0), (2.0, 5.0))
    plot = plot_of(session.execute("SELECT id % 2 AS a, id % 3 AS b FROM range(7)"), "heat")
    assert isinstance(plot, Shades)
    assert plot.cells == ((2.0, 1.0), (1.0, 1.0), (1.0, 1.0))


def test_histograms_count_as_numpy_does(session: Session) -> None:
    values = np.random.default_rng(7).normal(10, 3, 500)
    edges = bins(values.min(), values.max(), 500)
    assert 5 <= len(edges) - 1 <= 24
    rows = ", ".join(f"({v!r}D)" for v in values.tolist())
    plot = plot_of(session.execute(f"SELECT * FROM VALUES {rows} AS t(v)"), "hist")
    assert isinstance(plot, Bars)
    assert list(plot.values) == np.histogram(values, edges)[0].tolist()
    assert ticks(0.0, 1.0) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    ("words", "hint"),
    [("bat", "bar"), ("bar nam", "name"), ("bar cube name", None), ("hist name", None)],
)
def test_what_cannot_be_drawn(session: Session, words: str, hint: str | None) -> None:
    kind, *names = words.split()
    with pytest.raises(UsageError) as wrong:
        plot_of(session.execute(WIDE), kind, names)
    assert hint is None or hint in (wrong.value.hint or "")
    with pytest.raises(UsageError, match="no rows"):
        plot_of(session.execute("SELECT 1 AS a WHERE false"), "bar")


def test_command(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner(session, Options(format="csv"))
    query = "SELECT 'x' AS k, 3 AS n;"
    assert runner.run_script(f"{query}\n.chart bar\n.chart bar k n -o {tmp_path}/c.svg\n") == 0
    assert "x │" in capsys.readouterr().out
    assert ET.parse(tmp_path / "c.svg").getroot().tag.endswith("svg")
    assert runner.run_script(f"{query}\n.chart bar -o {tmp_path}/c.png") == 2
    assert ".svg" in capsys.readouterr().err
    runner.close()


def _axes(x: str, y: str) -> tuple[Axis, Axis]:
    return Axis(x), Axis(y)
