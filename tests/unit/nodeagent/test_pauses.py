"""Pauses before asking again."""

import pytest

from nodeagent.pauses import SETTLED_S, Patience, beat_s, full_jitter_s, retry_after_s, wished_s


@pytest.mark.parametrize(("failures", "most"), [(0, 0.5), (1, 1.0), (3, 4.0), (4, 8.0), (50, 8.0), (5000, 8.0)])
def test_full_jitter_up_to_eight_seconds(failures: int, most: float) -> None:
    drawn = [full_jitter_s(failures) for _ in range(300)]
    assert 0 <= min(drawn) < most * 0.2 and most * 0.8 < max(drawn) <= most


def test_the_wish_of_the_center_is_kept() -> None:
    assert 10 <= wished_s(10) <= 11 and wished_s(-5) == 0 and wished_s(10**9) <= 330
    assert wished_s(float("nan")) == 0 and wished_s(float("inf")) <= 330


def test_sessions_that_break_at_once_are_asked_for_ever_less_often() -> None:
    patience = Patience(lambda failures: float(failures))
    assert [patience.after(held_s=held_s, wish_s=None) for held_s in (0, 0.1, SETTLED_S / 2)] == [1, 2, 3]
    assert patience.after(held_s=SETTLED_S, wish_s=None) == 0, "that one was a real session"


def test_a_wish_counts_but_for_none_at_all() -> None:
    patience = Patience(lambda failures: 8.0)
    assert 5 <= patience.after(held_s=0, wish_s=5) <= 5.5
    assert 1 <= patience.after(held_s=0, wish_s=1) <= 1.1, "who is there knows better than who tried"
    for wish_s in (0, -1, 0.001, float("nan")):
        assert patience.after(held_s=0, wish_s=wish_s) == 8, "else what says 0 would be asked without end"


def test_retry_after() -> None:
    assert retry_after_s(None) is None and retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") is None
    assert retry_after_s("3") == 3.0


def test_beats_differ_by_a_tenth() -> None:
    drawn = [beat_s(5.0) for _ in range(300)]
    assert min(drawn) >= 4.5 and max(drawn) <= 5.5 and max(drawn) - min(drawn) > 0.5
