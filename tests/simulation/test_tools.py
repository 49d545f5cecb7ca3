"""A failing run is made small, and can be played again from what its story says."""

import shlex

import pytest

from tests.simulation import __main__
from tests.simulation.outcome import Violation
from tests.simulation.plants import late_close_believed
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


def _first_violation() -> tuple[Scenario, Violation]:
    for seed in range(100):
        plan = scenario(seed, 3.0)
        try:
            World(plan).run()
        except Violation as violation:
            return plan, violation
    raise AssertionError("nothing found")
