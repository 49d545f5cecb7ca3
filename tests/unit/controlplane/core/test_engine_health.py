"""Engine down and disk full: when a node takes nothing new, when it is good again, when its replicas may move."""

import pytest

from controlplane.core.engine_health import ENGINE_DOWN, EngineHealth, judge

FULL = "disk 8 % free"


def look(
    reason: str = "", engine_bad: int = 0, disk_free: float | None = 0.5, since: float = 0.0, now: float = 1.0
) -> EngineHealth:
    return judge(reason=reason, since=since, engine_bad=engine_bad, disk_free=disk_free, now=now)


@pytest.mark.parametrize(("engine_bad", "expected"), [(0, ""), (1, ""), (2, ""), (3, ENGINE_DOWN), (9, ENGINE_DOWN)])
def test_three_bad_beats_in_a_row_say_the_engine_is_down(engine_bad: int, expected: str) -> None:
    assert look(engine_bad=engine_bad) == (expected, False)


def test_one_good_beat_says_the_engine_is_up_again() -> None:
    assert look(ENGINE_DOWN, engine_bad=1).reason == ENGINE_DOWN
    assert look(ENGINE_DOWN, engine_bad=0).reason == ""


@pytest.mark.parametrize(
    ("disk_free", "expected"),
    [(0.10, ""), (0.0999, "disk 9 % free"), (0.08, "disk 8 % free"), (0.07, "disk 7 % free"), (0.0, "disk 0 % free")],
)
def test_less_than_a_tenth_of_the_disk_is_full(disk_free: float, expected: str) -> None:
    assert look(disk_free=disk_free).reason == expected


@pytest.mark.parametrize(("disk_free", "expected"), [(0.05, FULL), (0.10, FULL), (0.1099, FULL), (0.11, "")])
def test_a_full_disk_is_good_again_one_percent_above_and_keeps_its_sentence(disk_free: float, expected: str) -> None:
    assert look(FULL, disk_free=disk_free).reason == expected


def test_an_unknown_disk_neither_fills_nor_mends() -> None:
    assert look(disk_free=None).reason == ""
    assert look(FULL, disk_free=None).reason == FULL
    assert look(ENGINE_DOWN, disk_free=None).reason == ""


def test_a_down_engine_outranks_a_full_disk_which_is_told_when_the_engine_is_back() -> None:
    assert look(FULL, engine_bad=3, disk_free=0.08).reason == ENGINE_DOWN
    assert look(ENGINE_DOWN, engine_bad=0, disk_free=0.08).reason == FULL


@pytest.mark.parametrize(("reason", "engine_bad", "disk_free"), [(ENGINE_DOWN, 12, 0.5), (FULL, 0, 0.08)])
def test_replicas_may_move_after_60_s(reason: str, engine_bad: int, disk_free: float) -> None:
    assert look(reason, engine_bad, disk_free, since=100.0, now=159.9) == (reason, False)
    assert look(reason, engine_bad, disk_free, since=100.0, now=160.0) == (reason, True)


def test_what_is_good_again_or_just_found_does_not_move() -> None:
    assert look(ENGINE_DOWN, since=100.0, now=500.0) == ("", False)
    assert look("", engine_bad=3, since=0.0, now=500.0) == (ENGINE_DOWN, False)
