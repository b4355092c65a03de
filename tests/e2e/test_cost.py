"""What a file costs in CPU now, told at the end of the run: a report, never a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.guard import cost, known_costs, report
from tests.conftest import COST


async def test_the_cost_of_a_file_is_told(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = {"embedded": await cost("embedded", tmp_path, files=40, rounds=1)}
    assert found["embedded"]["sum"] > 0
    told = report(found, known_costs())
    assert "yardsticks a file" in told
    record_property(COST, told)
