"""A minute and a half of `make torture`: one short storm over a real Center and real agents, then all is well again."""

from pathlib import Path

import pytest

from tests.torture.run import Plan, torture

PLAN = Plan(
    seed=20_261_122,
    nodes=4,
    seconds=1.0,
    storm_s=25.0,
    stop_max_s=12.0,
    fault_pause_max_s=2.0,
    ask_pause_max_s=6.0,
)


@pytest.mark.slow
async def test_what_was_acknowledged_outlives_a_storm_and_nothing_runs_twice(tmp_path: Path) -> None:
    result = await torture(tmp_path, PLAN)
    assert result.acked > 5 and result.starts > 10, result
    assert sum(result.counts[kind] for kind in ("kill", "point", "stop", "power") if kind in result.counts) >= 3, result
