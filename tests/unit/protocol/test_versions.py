"""Which protocols work together."""

import pytest

from protocol.messages import PROTOCOL
from protocol.versions import spoken, spoken_with_agent, spoken_with_center


@pytest.mark.parametrize(("center", "agent", "both"), [(3, 3, 3), (3, 2, 2), (2, 3, 2), (4, 3, 3)])
def test_neighbours_speak_the_lower_one(center: int, agent: int, both: int) -> None:
    assert spoken(center, agent) == both


@pytest.mark.parametrize(("center", "agent", "older"), [(3, 1, "agent"), (2, 4, "Center"), (3, 0, "agent")])
def test_with_a_release_between_them_the_older_one_is_named(center: int, agent: int, older: str) -> None:
    with pytest.raises(ValueError, match=f"upgrade the {older} first"):
        spoken(center, agent)


def test_this_release_speaks_with_the_one_before_and_the_one_after() -> None:
    for other in (PROTOCOL - 1, PROTOCOL, PROTOCOL + 1):
        assert spoken_with_agent(other) == spoken_with_center(other) == min(other, PROTOCOL)
