"""The newest session wins; silence, figures and usage by node; nothing is sent to the wrong session."""

import asyncio

import pytest

from controlplane.core.action import CloseSession, SendFull, SendOrder, SendRelist, SendStopConfirmed
from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.link.hub import SUPERSEDED, Hub
from controlplane.link.session import Session
from protocol.codec import decode_from_center
from protocol.messages import ContainerBeat, FromCenter, Heartbeat, Relist, StopConfirmed, TaskOrder

ORDER = SendOrder(node="n", order=TaskOrder(task="t1", kind="pull", image="i"))


class Bench:
    def __init__(self) -> None:
        self.mono = 100.0
        self.hub = Hub(lambda: Now(self.mono, 0.0))

    def session(self, epoch: int = 1, agent: str = "a", node: str = "n") -> Session:
        session = Session(node, agent, epoch)
        assert self.hub.enter(session)
        return session


@pytest.fixture
def bench() -> Bench:
    return Bench()


def beat(**fields: object) -> Heartbeat:
    given: dict[str, object] = {"agent_id": "a", "seq": 1, "cpu_usage": 1.0, "mem_free_mb": 1.0, "disk_free_gb": 1.0}
    return Heartbeat(**(given | fields))  # type: ignore[arg-type]  # fields by name


def ended(session: Session) -> int | None:
    return session.closed.code if session.closed else None


def sent(session: Session) -> list[FromCenter]:
    found = []
    while (frame := session.outbox.take()) is not None:
        found.append(decode_from_center(frame))
    return found


async def test_a_newer_session_takes_the_place_of_an_older_one(bench: Bench) -> None:
    old, new = bench.session(1), bench.session(2)
    assert ended(old) == SUPERSEDED and old.clean
    assert ended(new) is None
    assert not bench.hub.heard(old) and bench.hub.heard(new)
    bench.hub.leave(old)
    assert bench.hub.sightings(bench.mono)["n"].connected, "a late close changes nothing"


async def test_an_older_session_does_not_take_the_place_of_a_newer_one(bench: Bench) -> None:
    new = bench.session(2)
    assert not bench.hub.enter(Session("n", "a", 1))
    assert ended(new) is None and bench.hub.heard(new)


async def test_two_agents_with_one_key_are_noticed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for epoch in range(1, 4):
        bench.session(epoch)
        bench.mono += 40.0
    assert "two agents" not in caplog.text, "now and then a line is lost without a word"
    for epoch in range(4, 7):
        bench.session(epoch)
        bench.mono += 5.0
    assert "two agents hold the key of n" in caplog.text


async def test_sightings_tell_silence_connection_and_how_it_ended(bench: Bench) -> None:
    session = bench.session()
    bench.mono += 4.0
    sighting = bench.hub.sightings(bench.mono)["n"]
    assert (sighting.silent_s, sighting.connected, sighting.aborted) == (4.0, True, False)
    bench.hub.heard(session)
    bench.mono += 1.0
    bench.hub.leave(session)
    sighting = bench.hub.sightings(bench.mono)["n"]
    assert (sighting.silent_s, sighting.connected, sighting.aborted) == (1.0, False, True)
    assert not bench.hub.heard(session), "frames of a closed session count for nothing"
    bench.session(2)
    assert not bench.hub.sightings(bench.mono)["n"].aborted


async def test_an_end_that_was_announced_is_not_an_abort(bench: Bench) -> None:
    session = bench.session()
    session.clean = True
    bench.hub.leave(session)
    assert not bench.hub.sightings(bench.mono)["n"].aborted


async def test_a_node_is_not_silent_while_its_reader_waits_for_us(bench: Bench) -> None:
    session = bench.session()
    session.telling = True
    bench.mono += 60.0
    assert bench.hub.sightings(bench.mono)["n"].silent_s == 0.0


async def test_heartbeats_become_figures_and_usage(bench: Bench) -> None:
    assert bench.hub.figures("n") == Figures() and bench.hub.usage() == {}
    session = bench.session()
    container = ContainerBeat(project_code="shop", service="web", replica=2, epoch=3, status="running")
    given = beat(mem_free_mb=512.0, disk_free_gb=5.0, disk_total_gb=50.0, ports=(22, 80), containers=(container,))
    bench.hub.beat(session, given)
    bench.mono += 2.0
    assert bench.hub.figures("n") == Figures(heartbeat=given, connected=True, last_seen_s=2.0)
    usage = bench.hub.usage()["n"]
    assert (usage.cpu_usage, usage.mem_free, usage.disk_free) == (1.0, 512 * 1024 * 1024, 0.1)
    assert usage.ports == {22, 80} and usage.seen == {("shop/web/2", 3)}


def test_what_an_agent_has_not_measured_yet_is_not_known() -> None:
    bench = Bench()
    bench.hub.beat(bench.session(), beat(cpu_usage=0.0, mem_free_mb=0.0, disk_free_gb=0.0))
    usage = bench.hub.usage()["n"]
    assert (usage.mem_free, usage.disk_free) == (None, None), "else the first node that starts takes nothing for 5 s"


async def test_bad_engines_are_counted_in_a_row(bench: Bench) -> None:
    session, counts = bench.session(), []
    for ok in (True, False, False, True, False):
        bench.hub.beat(session, beat(engine_ok=ok))
        counts.append(bench.hub.usage()["n"].engine_bad)
    assert counts == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("value", [-1e308, -1.0, 1e308])
async def test_impossible_figures_are_kept_within_what_is_possible(bench: Bench, value: float) -> None:
    bench.hub.beat(bench.session(), beat(cpu_usage=value, mem_free_mb=value, disk_free_gb=value, disk_total_gb=value))
    usage = bench.hub.usage()["n"]
    assert usage.cpu_usage is not None and 0 <= usage.cpu_usage <= 100
    assert usage.mem_free is None or usage.mem_free >= 0
    assert usage.disk_free is None or 0 <= usage.disk_free <= 1


async def test_usage_given_out_does_not_change_later(bench: Bench) -> None:
    session = bench.session()
    bench.hub.beat(session, beat(cpu_usage=1.0))
    given = bench.hub.usage()
    bench.hub.beat(session, beat(cpu_usage=2.0))
    assert given["n"].cpu_usage == 1.0


async def test_another_agent_under_the_same_name_begins_with_nothing(bench: Bench) -> None:
    bench.hub.beat(bench.session(), beat())
    bench.session(2, agent="b")
    assert bench.hub.usage() == {} and bench.hub.figures("n").heartbeat is None


async def test_what_is_for_one_epoch_goes_to_no_other(bench: Bench) -> None:
    session = bench.session(5)
    for epoch in (4, 6):
        bench.hub.send_full(SendFull(node="n", session_epoch=epoch, incarnation=1, revision=1, replicas=()))
        confirmed = StopConfirmed(incarnation=1, revision=1)
        bench.hub.send_stop_confirmed(SendStopConfirmed(node="n", session_epoch=epoch, confirmed=confirmed))
    bench.hub.send_order(ORDER)
    bench.hub.send_order(SendOrder(node="stranger", order=ORDER.order))
    assert sent(session) == [], "orders come after the full state"


async def test_the_inventory_is_asked_for_once_the_full_state_is_there(bench: Bench) -> None:
    session = bench.session()
    bench.hub.send_relist(SendRelist(node="n"))
    bench.hub.send_relist(SendRelist(node="stranger"))
    assert sent(session) == []
    bench.hub.send_full(SendFull(node="n", session_epoch=1, incarnation=1, revision=1, replicas=()))
    bench.hub.send_relist(SendRelist(node="n"))
    assert (sent(session))[1] == Relist()


async def test_orders_follow_the_full_state(bench: Bench) -> None:
    session = bench.session()
    bench.hub.send_full(SendFull(node="n", session_epoch=1, incarnation=1, revision=1, replicas=()))
    bench.hub.send_order(ORDER)
    assert (sent(session))[1] == ORDER.order


@pytest.mark.parametrize("epoch, code", [(2, None), (3, 1012), (9, 1012)])
async def test_a_session_is_closed_by_its_own_or_a_later_epoch(bench: Bench, epoch: int, code: int | None) -> None:
    session = bench.session(3)
    bench.hub.close_session(CloseSession(node="n", session_epoch=epoch, reason="removed"))
    assert ended(session) == code


async def test_nothing_is_kept_of_a_removed_node(bench: Bench) -> None:
    session = bench.session(3)
    bench.hub.beat(session, beat())
    bench.hub.close_session(CloseSession(node="n", session_epoch=3, reason="removed", forget=True))
    assert ended(session) == 1012
    assert bench.hub.sightings(bench.mono) == {} and bench.hub.usage() == {}
    bench.hub.leave(session)
    assert bench.hub.figures("n") == Figures() and bench.hub.sessions() == 0


async def test_nothing_is_kept_of_a_removed_node_without_a_session(bench: Bench) -> None:
    bench.hub.leave(bench.session(3))
    bench.hub.close_session(CloseSession(node="n", session_epoch=3, reason="removed", forget=True))
    assert bench.hub.sightings(bench.mono) == {}


async def test_restless_are_the_silent_those_without_a_session_and_the_sick(bench: Bench) -> None:
    quiet, silent, closed, sick = (bench.session(node=n, agent=n) for n in ("quiet", "silent", "closed", "sick"))
    assert bench.hub.restless(bench.mono) == set()
    bench.hub.beat(sick, beat(agent_id="sick", engine_ok=False))
    bench.hub.leave(closed)
    bench.mono += 7.0
    assert bench.hub.heard(quiet) and bench.hub.heard(sick)
    bench.mono += 1.0
    assert bench.hub.restless(bench.mono) == {"silent", "closed", "sick"}
    assert bench.hub.heard(silent)
    bench.hub.beat(sick, beat(agent_id="sick"))
    bench.session(2, node="closed", agent="closed")
    assert bench.hub.restless(bench.mono) == set()
    bench.hub.close_session(CloseSession(node="quiet", session_epoch=1, reason="removed", forget=True))
    bench.hub.leave(quiet)
    bench.mono += 60.0
    assert bench.hub.restless(bench.mono) == {"silent", "closed", "sick"}, "what was forgotten is nobody's silence"


async def test_dismissal_waits_until_all_are_gone(bench: Bench) -> None:
    sessions = [bench.session(node=f"n{n}", agent=f"a{n}") for n in range(3)]
    async with asyncio.TaskGroup() as tasks:
        dismissal = tasks.create_task(bench.hub.dismiss())
        for session in sessions:
            await asyncio.sleep(0)
            assert not dismissal.done()
            assert session.clean
            bench.hub.leave(session)
    assert bench.hub.sessions() == 0


async def test_dismissal_of_nobody_is_quick(bench: Bench) -> None:
    async with asyncio.timeout(1):
        await bench.hub.dismiss()


async def test_the_longest_outbox_and_agents_that_do_not_read_are_counted(bench: Bench) -> None:
    quick, slow = bench.session(node="quick"), bench.session(node="slow")
    quick.send(Relist())
    assert (bench.hub.longest(), bench.hub.choked) == (1, 0)
    while ended(slow) is None:
        slow.send(Relist())
    assert bench.hub.longest() == 1024
    bench.hub.leave(slow)
    bench.hub.leave(quick)
    assert (bench.hub.longest(), bench.hub.choked) == (0, 1)
