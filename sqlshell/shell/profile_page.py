"""A profile as one HTML page: plan, timeline of the stages' tasks, skew of their partitions.

Nothing in it runs or loads: no scripts, no links; the policy in its head lets in the one style sheet, by its hash.
Every text is escaped, the statement's and the plan's as well.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

from sqlshell.commands.profile_text import UNEVEN, duration, facts_text, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.commands.profile import Operator, Profile, StageProfile

STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #667; --line: #d8dbe0; --bar: #3b6fb6; --warm: #c2571a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #99a; --line: #3a3f47; --bar: #6d9fe0; --warm: #e88a4f; }
  body { background: #16181c; }
}
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); margin: 2em auto; max-width: 1180px; padding: 0 1em; }
h1 { font-size: 1.3em; } h2 { font-size: 1.1em; margin-top: 2em; } h3 { font-size: 1em; margin-bottom: .3em; }
pre, td.plan { font-family: ui-monospace, monospace; font-size: 12.5px; white-space: pre-wrap; }
td.plan { white-space: pre; }
pre { border: 1px solid var(--line); padding: .8em; overflow-wrap: anywhere; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .15em .7em .15em 0; vertical-align: top; text-align: left; }
th { color: var(--soft); font-weight: normal; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.soft { color: var(--soft); } .far { color: var(--warm); }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
rect.bar { fill: var(--bar); } rect.warm { fill: var(--warm); } line.axis { stroke: var(--line); }
"""
WIDTH, ROW, LEFT = 1100, 16, 90
MOST_BARS = 64
"""Tasks or partitions that are drawn of a stage: the largest."""


def page(profile: Profile) -> str:
    """The whole page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "\n".join(_body(profile))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n<title>sqlshell profile</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _body(profile: Profile) -> Iterator[str]:
    yield "<h1>Profile of a query</h1>"
    yield f"<pre>{escape(profile.statement.strip())}</pre>"
    yield "<table>"
    facts = [
        ("rows", f"{profile.rows:,}"),
        ("time", duration(profile.seconds)),
        *((name, duration(seconds)) for name, seconds in profile.steps),
        ("memory", size(profile.memory)),
        ("spilled", size(profile.spilled)),
        (
            "read",
            f"{size(sum(f.bytes for f in profile.scans))} of {size(sum(f.all_bytes for f in profile.scans))}",
        ),
    ]
    for name, value in facts:
        yield f'<tr><td class="soft">{escape(name)}</td><td class="number">{escape(value)}</td></tr>'
    yield "</table>"
    yield "<h2>Timeline</h2>"
    yield from _timeline(profile)
    yield "<h2>Plan</h2>"
    yield (
        '<p class="soft">An operator\'s time is what passed between the last row that came in and the last that'
        " went out, in the slowest task.</p>"
    )
    for stage in reversed(profile.stages):
        yield from _plan(stage)
    yield "<h2>Skew</h2>"
    uneven = [s for s in profile.stages if len(s.partitions) > 1 or len(s.tasks) > 1]
    if not uneven:
        yield '<p class="soft">Every stage ran as one task.</p>'
    for stage in uneven:
        yield from _skew(stage)


def _timeline(profile: Profile) -> Iterator[str]:
    rows = [(s, t) for s in profile.stages for t in s.tasks[:MOST_BARS]]
    end = max((t.started + t.seconds for _, t in rows), default=0.0) or 1.0
    height = ROW * len(rows) + 24
    yield f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" aria-label="Timeline of tasks">'
    room = WIDTH - LEFT - 80
    for quarter in range(5):
        mark = LEFT + room * quarter // 4
        yield f'<line class="axis" x1="{mark}" y1="0" x2="{mark}" y2="{height - 16}"/>'
        yield f'<text x="{mark}" y="{height - 4}" text-anchor="middle">{escape(duration(end * quarter / 4))}</text>'
    for i, (stage, task) in enumerate(rows):
        x = LEFT + room * task.started / end
        wide = max(1.0, room * task.seconds / end)
        about = f"stage {stage.id}: {duration(task.seconds)}, {size(task.bytes)} written, {size(task.memory)} held"
        yield f'<text x="0" y="{i * ROW + 12}">stage {stage.id}</text>'
        yield (
            f'<rect class="bar" x="{x:.1f}" y="{i * ROW + 3}" width="{wide:.1f}" height="{ROW - 5}">'
            f"<title>{escape(about)}</title></rect>"
        )
    yield "</svg>"


def _plan(stage: StageProfile) -> Iterator[str]:
    yield f"<h3>{escape(stage.head)}</h3>"
    yield '<div class="wide"><table><tr><th>rows</th><th>estimate</th><th>time</th><th></th><th>operator</th></tr>'
    longest = max((o.seconds or 0.0 for o in stage.operators), default=0.0) or 1.0
    for operator in stage.operators:
        yield from _operator(operator, longest)
    yield "</table></div>"


def _operator(operator: Operator, longest: float) -> Iterator[str]:
    rows = "" if operator.rows is None else f"{operator.rows:,}"
    seconds = operator.seconds or 0.0
    bar = f'<svg width="80" height="10"><rect class="bar" width="{80 * seconds / longest:.1f}" height="10"/></svg>'
    far = f' <span class="far">{escape(operator.off)}</span>' if operator.off else ""
    yield (
        f'<tr><td class="number">{rows}</td><td class="number">{round(operator.estimate):,}</td>'
        f'<td class="number">{"" if operator.seconds is None else escape(duration(seconds))}</td><td>{bar}</td>'
        f'<td class="plan">{escape(operator.prefix + operator.text)}{far}</td></tr>'
    )
    if operator.facts is not None:
        indent = " " * (len(operator.prefix) + 3)
        yield f'<tr><td colspan="4"></td><td class="plan soft">{indent}{escape(facts_text(operator.facts))}</td></tr>'


def _skew(stage: StageProfile) -> Iterator[str]:
    yield f"<h3>{escape(stage.head)}</h3>"
    if len(stage.tasks) > 1:
        yield f'<p class="soft">The slowest task took {stage.slowest:.1f}x the time of the median one.</p>'
        yield from _bars([(f"task {i}", t.seconds, duration(t.seconds)) for i, t in enumerate(stage.tasks)])
    if len(stage.partitions) > 1:
        yield f'<p class="soft">The largest partition has {stage.skew:.1f}x the mean.</p>'
        yield from _bars([(f"partition {i}", float(n), size(n)) for i, n in enumerate(stage.partitions)])


def _bars(values: list[tuple[str, float, str]]) -> Iterator[str]:
    shown = sorted(values, key=lambda v: -v[1])[:MOST_BARS]
    longest = shown[0][1] or 1.0
    mean = sum(v for _, v, _ in values) / len(values)
    yield f'<svg viewBox="0 0 {WIDTH} {ROW * len(shown)}" width="100%" role="img" aria-label="Skew">'
    for i, (name, value, text) in enumerate(shown):
        wide = (WIDTH - LEFT - 120) * value / longest
        kind = "warm" if value >= UNEVEN * mean else "bar"
        yield f'<text x="0" y="{i * ROW + 12}">{escape(name)}</text>'
        yield f'<rect class="{kind}" x="{LEFT}" y="{i * ROW + 3}" width="{max(1.0, wide):.1f}" height="{ROW - 5}"/>'
        yield f'<text x="{LEFT + wide + 6:.1f}" y="{i * ROW + 12}">{escape(text)}</text>'
    yield "</svg>"
    if len(values) > len(shown):
        yield f'<p class="soft">{len(values) - len(shown)} smaller ones are not shown.</p>'
