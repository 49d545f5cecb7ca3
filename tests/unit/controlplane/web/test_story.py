"""The story of an incident: its phases, and how long after the beginning each line was written."""

from controlplane.web.story import story
from controlplane.web.work import Line


def told(seq: int, second: float, kind: str, text: str = "", tone: str = "id") -> Line:
    at = f"2026-11-22T12:04:{second:06.3f}Z"
    return Line(key=f"event-{seq}", seq=seq, at=at, tone=tone, text=text, kind=kind, cause=1)


def test_a_failover_has_its_phases_from_the_silence_on() -> None:
    found = story(
        [
            told(1, 7.5, "node.suspect", "node-1 suspect: silent 7.5 s", "wa"),
            told(2, 15.2, "node.offline", "node-1 offline: silent 15.2 s", "ba"),
            told(3, 15.2, "replica.interrupted", tone="ba"),
            told(4, 15.2, "replica.interrupted", tone="ba"),
            told(5, 15.3, "replica.placed", tone="pr"),
            told(6, 16.9, "replica.running"),
            told(7, 17.4, "replica.healthy", tone="ok"),
        ]
    )
    assert [(p.name, p.after_s, p.count) for p in found.phases] == [
        ("silent", 0.0, 1),
        ("suspect", 7.5, 1),
        ("offline", 15.2, 1),
        ("interrupted", 15.2, 2),
        ("placed", 15.3, 1),
        ("running", 16.9, 1),
        ("healthy", 17.4, 1),
    ]
    assert [c.after_s for c in found.chapters] == [7.5, 15.2, 15.2, 15.2, 15.3, 16.9, 17.4]


def test_a_connection_that_broke_was_not_silent_before() -> None:
    found = story([told(1, 1.0, "node.suspect", "node-1 suspect: connection lost"), told(2, 3.0, "node.online")])
    assert [(p.name, p.after_s) for p in found.phases] == [("suspect", 0.0), ("online", 2.0)]


def test_the_silence_counts_from_the_last_sign_of_life() -> None:
    found = story(
        [
            told(1, 10.0, "node.suspect", "node-1 suspect: connection lost"),
            told(2, 24.6, "node.offline", "node-1 offline: silent 15.2 s"),
        ]
    )
    assert [(p.name, p.after_s) for p in found.phases] == [("silent", 0.0), ("suspect", 0.6), ("offline", 15.2)]


def test_other_stories_have_lines_and_no_phases() -> None:
    found = story([told(1, 1.0, "deployment.started"), told(2, 1.5, "replica.placed"), told(3, 2.0, "replica.running")])
    assert not found.phases and [c.after_s for c in found.chapters] == [0.0, 0.5, 1.0]
    assert story([]).chapters == ()


def test_a_clock_that_went_back_does_not_make_the_past() -> None:
    assert [c.after_s for c in story([told(1, 9.0, "alarm"), told(2, 5.0, "alarm.over")]).chapters] == [0.0, 0.0]
