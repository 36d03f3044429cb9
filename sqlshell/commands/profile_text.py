"""A profile as text: EXPLAIN ANALYZE."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.commands.profile import Operator, Profile, StageProfile
    from sqlshell.exec.scan_facts import ScanFacts

UNEVEN = 2.0


def size(count: float) -> str:
    """Bytes for people: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds for people: 3.4 ms, 2.50 s."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def render(profile: Profile) -> str:
    """The run as text, one table of operators per stage."""
    steps = ", ".join(f"{name} {duration(seconds)}" for name, seconds in profile.steps)
    rows = f"{profile.rows:,} row{'' if profile.rows == 1 else 's'}"
    lines = [f"{rows} in {duration(profile.seconds)}: {steps}"]
    lines.append(f"memory {size(profile.memory)}, spilled {size(profile.spilled)}")
    for stage in profile.stages:
        lines.append("")
        lines.extend(_stage(stage))
    return "\n".join(lines)


def _stage(stage: StageProfile) -> Iterator[str]:
    yield f"{stage.head}: {', '.join(_tasks(stage))}"
    yield f"{'rows':>13} {'estimate':>13} {'time':>10}"
    for operator in stage.operators:
        numbers = f"{_count(operator.rows)} {_count(round(operator.estimate))} {_time(operator)}"
        off = f"  <- {operator.off}" if operator.off else ""
        yield f"{numbers}  {operator.prefix}{operator.text}{off}"
        if operator.facts is not None:
            indent = " " * (len(operator.prefix) + 3)
            yield f"{'':>38}  {indent}{facts_text(operator.facts)}"


def _tasks(stage: StageProfile) -> Iterator[str]:
    seconds = sorted(t.seconds for t in stage.tasks)
    if len(seconds) == 1:
        yield duration(seconds[0])
    elif seconds:
        middle = seconds[len(seconds) // 2]
        yield f"tasks {duration(seconds[0])} to {duration(seconds[-1])}, median {duration(middle)}"
    written = sum(t.bytes for t in stage.tasks)
    if written:
        yield f"{size(written)} written" + (f", {size(stage.on_disk)} of it to disk" if stage.on_disk else "")
    if stage.spilled:
        yield f"{size(stage.spilled)} spilled"
    if stage.partitions:
        yield f"largest partition {stage.skew:.1f}x the mean" + (" (uneven)" if stage.skew >= UNEVEN else "")


def facts_text(facts: ScanFacts) -> str:
    """Files, row groups, leaves and bytes that a scan reads of those there are."""
    parts = [f"files {facts.files:,} of {facts.all_files:,}"]
    if facts.groups is not None:
        parts.append(f"row groups {facts.groups:,} of {facts.all_groups:,}")
    if facts.leaves is not None:
        parts.append(f"leaves {facts.leaves} of {facts.all_leaves}")
    parts.append(f"{size(facts.bytes)} of {size(facts.all_bytes)}")
    return ", ".join(parts)


def _count(value: int | None) -> str:
    return f"{'' if value is None else format(value, ','):>13}"


def _time(operator: Operator) -> str:
    return f"{'' if operator.seconds is None else duration(operator.seconds):>10}"
