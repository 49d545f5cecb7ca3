"""A failing run is made small, and can be played again from what its story says."""

import re
import shlex
from pathlib import Path

import pytest

from tests.simulation import __main__
from tests.simulation.outcome import Violation
from tests.simulation.plants import late_close_believed
from tests.simulation.readings import INVARIANTS
from tests.simulation.scenario import Scenario, scenario
from tests.simulation.shrink import shrink
from tests.simulation.story import again, told
from tests.simulation.world import World


@pytest.mark.slow
def test_a_failing_run_is_shrunk_and_played_again(capsys: pytest.CaptureFixture[str]) -> None:
    with late_close_believed():
        plan, violation = _first_violation()
        small, found = shrink(plan, violation, say=lambda _: None)
        assert len(small.faults) < len(plan.faults) and len(small.acts) <= len(plan.acts)
        assert found.text.split()[0] == violation.text.split()[0]
        command = shlex.split(again(small))[3:]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["simulation", *command])
            assert __main__.main() == 1
    assert capsys.readouterr().out.strip() == told(small, found).strip()


def test_every_invariant_of_the_table_is_asserted() -> None:
    """Those that issue 3 names, each in the module that the table names."""
    named = "S1 S2 S3 S5 S6 S7 S8 S9 S10 S11 S14 S15 S16 S17 S20 S21 L1 L2 L3 L4 L5 L7 L8"
    assert " ".join(INVARIANTS) == named
    for name, (_, module) in INVARIANTS.items():
        source = Path(__file__).with_name(f"{module}.py").read_text()
        assert re.search(rf'f?"(?:S5/)?{name}[:/ ]', source), f"{module} does not assert {name}"


def _first_violation() -> tuple[Scenario, Violation]:
    for seed in range(100):
        plan = scenario(seed, 3.0)
        try:
            World(plan).run()
        except Violation as violation:
            return plan, violation
    raise AssertionError("nothing found")
