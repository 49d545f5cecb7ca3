"""What is said on a session, and how much of it."""

from nodeagent.core.container import Usage
from nodeagent.core.events import Action, Now, Send
from nodeagent.core.replica import Assignment
from nodeagent.core.reports import Reports
from nodeagent.core.voice import BEAT_BYTES_MAX, COALESCE_S, Voice
from protocol.codec import encode
from protocol.messages import ContainerRef, Heartbeat, Inventory, Observed
from tests.unit.nodeagent.core.made import WALL, a_container, a_ref, a_want, an_item


def a_voice(count: int) -> tuple[Voice, dict[ContainerRef, Assignment]]:
    items = {
        a_ref(n): an_item(a_want(n), a_container(a_want(n), container_id=f"c{n}", started_at=WALL - 65))
        for n in range(1, count + 1)
    }
    return Voice(items, Reports(0)), items


def said(out: list[Action]) -> list[object]:
    return [action.message for action in out if isinstance(action, Send)]


def test_changes_close_together_share_a_frame() -> None:
    voice, items = a_voice(3)
    out: list[Action] = []
    voice.greet(1, out, WALL, engine_ok=True)
    voice.welcomed()
    voice.speak(out, set(), {}, Now(10.0, WALL), engine_ok=True)
    assert len([m for m in said(out) if isinstance(m, Observed)]) == 1
    for number, at in ((1, 10.01), (2, 10.02)):
        items[a_ref(number)].have = None
        again_at = voice.speak(out, set(), {}, Now(at, WALL), engine_ok=True)
        assert again_at == 10.0 + COALESCE_S
    voice.speak(out, set(), {}, Now(again_at, WALL), engine_ok=True)
    frames = [m for m in said(out) if isinstance(m, Observed)]
    assert [frame.seq for frame in frames] == [1, 2]
    assert {report.replica for report in frames[1].containers} == {1, 2}


def test_uptime_is_told_as_of_now() -> None:
    voice, _ = a_voice(1)
    out: list[Action] = []
    voice.speak(out, set(), {}, Now(10.0, WALL), engine_ok=True)
    voice.greet(1, out, WALL, engine_ok=True)
    inventory = said(out)[0]
    assert isinstance(inventory, Inventory) and inventory.containers[0].up_s == 65.0


def test_beats_carry_what_was_measured() -> None:
    voice, _ = a_voice(2)
    voice.speak([], set(), {}, Now(10.0, WALL), engine_ok=True)
    one, two = voice.beats({"c1": Usage(cpu_percent=12.34, memory=3 * 2**20)}, WALL)
    assert (one.project_code, one.service, one.status, one.uptime) == ("shop", "web", "running", "1m5s")
    assert (one.cpu_usage, one.mem_mb, two.cpu_usage) == (12.3, 3.0, 0.0)


def test_a_heartbeat_with_very_many_containers_fits() -> None:
    voice, _ = a_voice(1000)
    voice.speak([], set(), {}, Now(10.0, WALL), engine_ok=True)
    beats = voice.beats({}, WALL)
    frame = Heartbeat(agent_id="a", seq=1, cpu_usage=1, mem_free_mb=1, disk_free_gb=1, containers=beats)
    assert 100 < len(beats) < 1000 and len(encode(frame)) < BEAT_BYTES_MAX + 500


def test_a_late_end_of_a_former_session_ends_nothing() -> None:
    voice, _ = a_voice(1)
    voice.greet(1, [], WALL, engine_ok=True)
    voice.greet(2, [], WALL, engine_ok=True)
    voice.welcomed()
    assert not voice.hang_up(1) and voice.open
    assert voice.hang_up(2) and not voice.open


def test_a_new_start_is_told_when_nothing_else_differs() -> None:
    """The look after a restart may fail; the next one shows the container as before but for its start."""
    voice, items = a_voice(1)
    out: list[Action] = []
    voice.greet(1, out, WALL, engine_ok=True)
    voice.welcomed()
    voice.speak(out, set(), {}, Now(10.0, WALL), engine_ok=True)
    items[a_ref(1)].have = a_container(a_want(1), container_id="c1", started_at=WALL - 2)
    voice.speak(out, set(), {}, Now(20.0, WALL), engine_ok=True)
    frames = [m for m in said(out) if isinstance(m, Observed)]
    assert [report.up_s for frame in frames for report in frame.containers] == [65.0, 2.0]
    voice.speak(out, set(), {}, Now(30.0, WALL + 10), engine_ok=True)
    assert len([m for m in said(out) if isinstance(m, Observed)]) == 2, "it is told once"
