"""The meeting place of a gang: nobody sleeps on for a rank that left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import BarrierError
from sqlshell.exec.gang_memory import GangMemory, create

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rank_that_left_before_another_came_is_named_at_once(tmp_path: Path) -> None:
    folder = str(tmp_path / "gang")
    create(folder, 2)
    early = GangMemory(folder, str(tmp_path), 0, 2)
    early.finish()
    early.close()
    late = GangMemory(folder, str(tmp_path), 1, 2)
    with pytest.raises(BarrierError) as caught:
        late.meet("barrier", timeout=30)
    assert caught.value.condition == "BARRIER_CALLS_DIFFER"
    late.close()


def test_a_rank_that_does_not_come_is_named_when_the_time_is_over(tmp_path: Path) -> None:
    folder = str(tmp_path / "gang")
    create(folder, 2)
    first, second = (GangMemory(folder, str(tmp_path), r, 2) for r in range(2))
    with pytest.raises(BarrierError, match="rank 1") as caught:
        first.meet("barrier", timeout=0.05)
    assert caught.value.condition == "BARRIER_TIMEOUT"
    first.close()
    second.close()
