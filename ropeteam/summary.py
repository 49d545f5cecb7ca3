"""What `rope status` says: counts by state, and what is wrong in a line each."""

from collections import Counter
from collections.abc import Sequence

from protocol.api import NodeView, ProjectView
from ropeteam.rows import node_state

_WELL = frozenset({"running", "deploying", "stopped"})


def counted(what: str, found: Sequence[NodeView] | Sequence[ProjectView]) -> str:
    """`nodes     4: 3 online, 1 offline`."""
    states = Counter(one.state for one in found)
    parts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{what:<9} {len(found)}" + (f": {parts}" if parts else "")


def wrong(nodes: Sequence[NodeView], projects: Sequence[ProjectView]) -> list[str]:
    """A line for each node that is not online or takes no work for a reason, and for each project in trouble."""
    bad_nodes = [n for n in nodes if n.state != "online" or n.unschedulable or not n.engine_ok]
    lines = [f"{n.name} {node_state(n)}" + ("" if n.engine_ok else ", Docker does not answer") for n in bad_nodes]
    return lines + [f"{p.code} {p.state}: {p.message}" for p in projects if p.state not in _WELL]
