"""Which protocol two peers of the rope speak: the lower of their numbers, when these are at most one apart. Pure.

Asked by the Center for a registration and for a `Hello`, by the agent for their answers.
"""

from protocol.messages import PROTOCOL


def spoken(center: int, agent: int) -> int:
    """The protocol of a session. Raises ValueError, with a sentence for people, when a release lies between them."""
    if abs(center - agent) <= 1:
        return min(center, agent)
    older = "agent" if agent < center else "Center"
    raise ValueError(
        f"the Center speaks protocol {center}, the agent {agent}, more than one apart: upgrade the {older} first"
    )


def spoken_with_agent(agent: int) -> int:
    """As `spoken`, by a Center of this release."""
    return spoken(PROTOCOL, agent)


def spoken_with_center(center: int) -> int:
    """As `spoken`, by an agent of this release."""
    return spoken(center, PROTOCOL)
