"""Seeds of the simulated control plane: `ROPE_SIM_SEEDS` of them, `ROPE_SIM_MINUTES` each."""

import os

import pytest

from tests.simulation.outcome import Violation
from tests.simulation.scenario import scenario
from tests.simulation.seeds import KEPT
from tests.simulation.story import told
from tests.simulation.world import World

SEEDS = int(os.environ.get("ROPE_SIM_SEEDS", "40"))
MINUTES = float(os.environ.get("ROPE_SIM_MINUTES", "10"))
CHUNK = 5


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_invariants_hold(first: int) -> None:
    for seed in range(first, min(first + CHUNK, SEEDS)):
        plan = scenario(seed, MINUTES)
        try:
            World(plan).run()
        except Violation as violation:
            pytest.fail(told(plan, violation), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", KEPT)
def test_what_was_found_once_is_mended(seed: int) -> None:
    minutes, _ = KEPT[seed]
    plan = scenario(seed, minutes)
    try:
        World(plan).run()
    except Violation as violation:
        pytest.fail(told(plan, violation), pytrace=False)


def test_a_seed_replays_exactly() -> None:
    runs = []
    for _ in range(2):
        world = World(scenario(7, 4.0))
        counts = world.run()
        runs.append((counts, world.story()))
    assert runs[0] == runs[1]
