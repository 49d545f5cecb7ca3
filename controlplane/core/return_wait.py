"""After a start of the Center: how long deployments wait for the nodes that were there before it.

Agents come back one after another. What is placed meanwhile would all go to the first of them, and stay there.
"""

from controlplane.core.draft import Draft
from controlplane.core.node import Node

WAIT_S = 5.0
"""Agents that the Center told when to come back are there after some 2 s, those it left without a word in 5 s."""

_NAMED = 3


def awaited(draft: Draft) -> str:
    """What the steps that place copies wait for, in words; "" when nothing is waited for, or no longer.

    Moves of lost replicas do not ask: a node that is not back yet is `unknown` for 30 s anyway.
    """
    watch = draft.volatile.watch
    if watch.clock.at - watch.clock.mark >= WAIT_S:
        return ""
    nodes = (draft.get(Node, name) for name in sorted(watch.absences))
    away = [node.name for node in nodes if node is not None and node.state == "unknown" and not node.draining]
    if not away:
        return ""
    names = ", ".join(away[:_NAMED]) + (", …" if len(away) > _NAMED else "")
    return f"waits for {names} to come back after the start of the Center"
