"""The Center's decisions, composed: `handle(cluster, event, now) -> Outcome`. Pure; the one way the cluster changes.

Called by `controller/loop.py`, by the simulation and by unit tests. The caller commits `changes`, applies them, then
carries out `actions`; until then nothing is changed.
"""

from typing import Any

import msgspec

from controlplane.core.action import Action
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import Command
from controlplane.core.fact import Fact
from controlplane.core.record import Now

TICK_S = 0.25
"""How often silences are judged."""


class Outcome(msgspec.Struct, kw_only=True):
    """What to commit, what to do then, what to answer, and when to call again at the latest (monotonic seconds)."""

    changes: Changes
    actions: tuple[Action, ...] = ()
    reply: Any = None
    wake_at: float = 0.0


def handle(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
    """Decide. Reads `cluster`, changes nothing. Raises Refused for a command that cannot be obeyed."""
    raise AssertionError(f"no rule for {type(event).__name__} yet")
