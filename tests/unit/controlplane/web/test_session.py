"""Sessions end when they are idle, old, ended, or too many."""

import pytest

from controlplane.web.policy import ADMIN
from controlplane.web.session import IDLE_S, LIFE_S, Sessions


class Clock:
    """Seconds, by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_session_is_found_by_its_value_only(clock: Clock) -> None:
    sessions = Sessions(clock)
    value = sessions.begin(ADMIN)
    found = sessions.find(value)
    assert found is not None and found.who == ADMIN and len(found.csrf) >= 32
    for wrong in ("", value[:-1], value + "x", "x" * 5000, "é"):
        assert sessions.find(wrong) is None
    assert value not in repr(vars(sessions)), "only its hash is kept"


def test_use_keeps_it_and_idleness_ends_it(clock: Clock) -> None:
    sessions = Sessions(clock)
    value = sessions.begin(ADMIN)
    for _ in range(3):
        clock.now += IDLE_S - 1
        assert sessions.find(value) is not None
    clock.now += IDLE_S + 1
    assert sessions.find(value) is None
    assert len(sessions) == 0


def test_no_session_lives_for_ever(clock: Clock) -> None:
    sessions = Sessions(clock)
    value = sessions.begin(ADMIN)
    end = clock.now + LIFE_S
    while clock.now + IDLE_S / 2 < end:
        clock.now += IDLE_S / 2
        assert sessions.find(value) is not None
    clock.now = end + 1
    assert sessions.find(value) is None


def test_the_longest_idle_goes_when_there_are_too_many(clock: Clock) -> None:
    sessions = Sessions(clock, sessions_max=2)
    first, second = sessions.begin(ADMIN), sessions.begin(ADMIN)
    assert sessions.find(first) is not None
    third = sessions.begin(ADMIN)
    assert sessions.find(second) is None
    assert sessions.find(first) is not None and sessions.find(third) is not None


def test_an_ended_session_is_gone(clock: Clock) -> None:
    sessions = Sessions(clock)
    value = sessions.begin(ADMIN)
    sessions.end(value)
    sessions.end("never there")
    assert sessions.find(value) is None
