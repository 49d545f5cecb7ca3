"""Desired state becomes numbered frames; nothing follows a full state that was not sent."""

import asyncio

from controlplane.core.action import SendDelta, SendFull
from controlplane.link.outbox import Outbox
from controlplane.link.session import Session
from protocol.codec import FRAME_MAX, decode_from_center
from protocol.messages import Beat, ContainerRef, Desired, DesiredDelta, FromCenter, Leaving
from protocol.spec import DesiredReplica, ServiceSpec


def replica(number: int, filler: int = 0) -> DesiredReplica:
    spec = ServiceSpec(name="web", image="i", environment={"F": "x" * filler})
    return DesiredReplica(project="shop", service="web", replica=number, epoch=1, revision=1, image="i", spec=spec)


def full(*replicas: DesiredReplica) -> SendFull:
    return SendFull(node="n", session_epoch=1, incarnation=2, revision=5, replicas=replicas)


def delta(*replicas: DesiredReplica) -> SendDelta:
    gone = ContainerRef(project="shop", service="db", replica=1, epoch=4)
    return SendDelta(node="n", incarnation=2, revision=6, replicas=replicas, drop=(gone,))


def sent(session: Session) -> list[FromCenter]:
    found = []
    while (frame := session.outbox.take()) is not None:
        assert len(frame) <= FRAME_MAX
        found.append(decode_from_center(frame))
    return found


async def test_numbers_go_from_full_through_deltas_to_full() -> None:
    session = Session("n", "a", 1)
    session.send_full(full(replica(1)))
    session.send_delta(delta(replica(2)))
    session.send_delta(delta())
    session.send_full(full())
    first, second, third, fourth = sent(session)
    assert isinstance(first, Desired) and (first.seq, first.incarnation, first.revision, first.last) == (1, 2, 5, True)
    assert isinstance(second, DesiredDelta) and second.after == 1 and second.replicas == (replica(2),)
    assert second.drop == delta().drop and second.revision == 6
    assert isinstance(third, DesiredDelta) and third.after == 2
    assert isinstance(fourth, Desired) and fourth.seq == 4 and fourth.replicas == ()


async def test_no_delta_goes_out_before_a_full_state() -> None:
    session = Session("n", "a", 1)
    session.send_delta(delta())
    assert not session.has_full and sent(session) == []


async def test_a_delta_that_does_not_fit_asks_for_the_full_state_and_holds_the_next_ones() -> None:
    session = Session("n", "a", 1)
    session.send_full(full())
    session.send_delta(delta(replica(1, 40_000), replica(2, 40_000)))
    session.send_delta(delta())
    assert session.wanted() == "the change is longer than a frame" and session.wanted() == ""
    assert not session.has_full
    session.send_full(full(replica(1, 40_000), replica(2, 40_000)))
    messages = sent(session)
    assert [m.seq for m in messages if isinstance(m, Desired)] == [1, 2, 2]
    assert not any(isinstance(m, DesiredDelta) for m in messages)


async def test_an_agent_that_does_not_read_loses_the_session() -> None:
    session = Session("n", "a", 1, Outbox(control_max=2))
    for seq in range(5):
        session.send(Beat(seq=seq))
    assert session.closed is not None and session.closed.code == 1013


async def test_the_first_reason_to_end_stays() -> None:
    session = Session("n", "a", 1)
    session.end(4409, "newer", clean=True)
    session.end(1013, "slow")
    assert session.closed is not None
    assert (session.closed.code, session.closed.reason, session.clean) == (4409, "newer", True)


async def test_who_waits_for_its_end_is_woken() -> None:
    session = Session("n", "a", 1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(outcome(session))
        await asyncio.sleep(0)
        session.end(1012, "restart")
    assert waiting.result() == 1012


async def outcome(session: Session) -> int:
    await session.news()
    return session.closed.code if session.closed else 0


async def test_what_leaves_comes_on_pages_of_the_same_full_state() -> None:
    session = Session("n", "a", 1)
    refs = [ContainerRef(project="shop", service="web", replica=n, epoch=1) for n in range(1, 1001)]
    leaving = tuple(Leaving(ref=ref, wait_s=1.5, grace_s=10.0) for ref in refs)
    action = SendFull(node="n", session_epoch=1, incarnation=2, revision=5, replicas=(replica(1),), leaving=leaving)
    session.send_full(action)
    pages = [page for page in sent(session) if isinstance(page, Desired)]
    assert len(pages) > 1 and [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert [one for page in pages for one in page.replicas] == [replica(1)]
    assert tuple(one for page in pages for one in page.leaving) == leaving
