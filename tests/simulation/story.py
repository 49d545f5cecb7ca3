"""A failing run as text: what was broken when, and the last that happened."""

from tests.simulation.scenario import Scenario
from tests.simulation.world import Violation


def told(scenario: Scenario, violation: Violation, lines_max: int = 60) -> str:
    """The story, newest last."""
    faults = [f"  {f.at:9.3f}  {f.kind} node {f.node} for {f.lasts_s:.1f} s" for f in scenario.faults]
    acts = [f"  {a.at:9.3f}  {a.kind}" for a in scenario.acts]
    return "\n".join(
        (
            f"seed {scenario.seed}, {scenario.nodes} nodes, {scenario.minutes:g} min: {violation.text}",
            f"again: python -m tests.simulation {scenario.seed} --minutes {scenario.minutes:g}",
            "faults:",
            *faults,
            "people:",
            *acts,
            "what happened last:",
            *(f"  {line}" for line in violation.lines[-lines_max:]),
        )
    )
