"""A failing run as text: what was broken when, the last that happened, and how to play it again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulation.outcome import Violation
from tests.simulation.scenario import Scenario, scenario

TOLD_S = 600.0
"""Faults and acts are told from so long before the violation."""


@contextmanager
def silenced() -> Iterator[None]:
    """The product logs nothing meanwhile, as the story tells it all; afterwards it logs as before."""
    loggers = [logging.getLogger(package) for package in ("nodeagent", "controlplane")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def told(plan: Scenario, violation: Violation, lines_max: int = 60) -> str:
    """The story, newest last."""
    since, at = violation.at - TOLD_S, violation.at
    faults = [
        f"  {f.at:9.3f}  #{f.number} {f.kind} node {f.node} for {f.lasts_s:.1f} s"
        for f in plan.faults
        if since <= f.at <= at
    ]
    acts = [f"  {a.at:9.3f}  #{a.number} {a.kind}" for a in plan.acts if since <= a.at <= at]
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
