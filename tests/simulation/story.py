"""A failing run as text: what was broken when, the last that happened, and how to play it again."""

from tests.simulation.scenario import Scenario, scenario
from tests.simulation.world import Violation


def told(plan: Scenario, violation: Violation, lines_max: int = 60) -> str:
    """The story, newest last."""
    faults = [f"  {f.at:9.3f}  #{f.number} {f.kind} node {f.node} for {f.lasts_s:.1f} s" for f in plan.faults]
    acts = [f"  {a.at:9.3f}  #{a.number} {a.kind}" for a in plan.acts]
    return "\n".join(
        (
            f"seed {plan.seed}, {plan.nodes} nodes, {plan.minutes:g} min: {violation.text}",
            f"again: {again(plan)}",
            "faults:",
            *faults,
            "people:",
            *acts,
            "what happened last:",
            *(f"  {line}" for line in violation.lines[-lines_max:]),
        )
    )


def again(plan: Scenario) -> str:
    """The command that plays exactly this run."""
    whole = scenario(plan.seed, plan.minutes)
    words = [f"python -m tests.simulation {plan.seed} --minutes {plan.minutes:g}"]
    if plan.nodes != whole.nodes:
        words.append(f"--nodes {plan.nodes}")
    if plan.faults != whole.faults:
        words.append(f"--faults '{','.join(str(f.number) for f in plan.faults)}'")
    if plan.acts != whole.acts:
        words.append(f"--acts '{','.join(str(a.number) for a in plan.acts)}'")
    return " ".join(words)
