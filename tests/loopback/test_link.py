"""The link alone: when it comes back, what it does when the Center falls silent or floods it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nodeagent.core.events import Event, Received, Send, SessionClosed, SessionOpened
from nodeagent.identity import Identity
from nodeagent.keys import AgentKey, new_seed
from nodeagent.link import Link
from nodeagent.register import join
from nodeagent.session import PULSES
from protocol import handshake
from protocol.api import RegisterRequest
from protocol.messages import (
    PROTOCOL,
    Beat,
    Capacity,
    ComeBack,
    FromAgent,
    Heartbeat,
    Hello,
    Inventory,
    Observed,
    Pulse,
    Unsupported,
    Versions,
)
from tests.fakes.docker import FakeDocker
from tests.fakes.streams import streams_of
from tests.loopback.tiny_center import TinyCenter, tiny_center


class Rig:
    """A link whose core answers a session with an empty inventory."""

    def __init__(self, center: TinyCenter, identity: Identity, silence_s: float) -> None:
        self.events: list[Event] = []
        self.link = Link(
            center.url,
            identity,
            hello=self._hello,
            heartbeat=self._heartbeat,
            post=self._post,
            streams=streams_of(FakeDocker()),
            pause_s=lambda _: 0.02,
            silence_s=silence_s,
        )

    def _hello(self, nonce: str) -> Hello:
        return Hello(
            agent_id="agent-1", nonce=nonce, protocol=PROTOCOL, boot_id="b", versions=Versions(), capacity=Capacity()
        )

    def _heartbeat(self, seq: int) -> Heartbeat:
        return Heartbeat(agent_id="agent-1", seq=seq, cpu_usage=1.0, mem_free_mb=1.0, disk_free_gb=1.0)

    async def _post(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SessionOpened):
            self.say(event.session, Inventory(containers=()))

    def say(self, session: int, message: FromAgent) -> None:
        self.link.send(Send(session=session, message=message))


async def an_identity(center: TinyCenter) -> Identity:
    seed = new_seed()
    key = AgentKey(seed)
    claim = handshake.register_claim(str(center.token), key.public, "node-1")
    request = RegisterRequest(token=str(center.token), name="node-1", public_key=key.public, signature=key.sign(claim))
    return await join(center.url, center.token, request, seed, pause_s=lambda _: 0.01)


@asynccontextmanager
async def linked(silence_s: float = 15.0) -> AsyncIterator[tuple[TinyCenter, Rig]]:
    async with tiny_center() as center:
        rig = Rig(center, await an_identity(center), silence_s)
        async with asyncio.TaskGroup() as group:
            life = group.create_task(rig.link.run())
            yield center, rig
            life.cancel()


async def test_heartbeats_go_on_by_themselves() -> None:
    async with linked() as (center, rig):
        await center.until(lambda: len([m for m in center.seen if isinstance(m, Heartbeat)]) >= 3)
        assert [m.seq for m in center.seen if isinstance(m, Heartbeat)][:3] == [1, 2, 3]
        assert any(isinstance(e, Received) and isinstance(e.message, Beat) for e in rig.events)


async def test_signs_of_life_come_between_heartbeats() -> None:
    async with linked() as (center, _):
        await center.until(lambda: len([m for m in center.seen if isinstance(m, Heartbeat)]) >= 2)
    kinds = [type(m) for m in center.seen if isinstance(m, Heartbeat | Pulse)]
    assert PULSES and kinds[: PULSES + 2] == [Heartbeat, *[Pulse] * PULSES, Heartbeat]


async def test_a_silent_center_is_left_for_a_new_session() -> None:
    async with linked(silence_s=0.3) as (center, rig):
        center.answer_beats = False
        await center.until(lambda: center.sessions >= 2)
    kinds = [type(e) for e in rig.events if isinstance(e, SessionOpened | SessionClosed)]
    assert kinds[:3] == [SessionOpened, SessionClosed, SessionOpened]


async def test_it_comes_back_when_the_center_says() -> None:
    async with linked() as (center, _):
        await center.until(lambda: center.sessions == 1)
        asked_at = asyncio.get_running_loop().time()
        await center.send(ComeBack(after_s=0.6))
        center.hang_up()
        await center.until(lambda: center.sessions == 2)
        assert 0.6 <= center.opened_at[1] - asked_at < 1.1


async def test_retry_after_is_kept() -> None:
    async with linked() as (center, _):
        await center.until(lambda: center.sessions == 1)
        center.busy_sessions = 1
        center.hang_up()
        await center.until(lambda: center.sessions == 2)
        assert 0.6 <= center.opened_at[1] - center.refused_at[0] < 1.1


async def test_an_unknown_message_is_answered_and_passed_over() -> None:
    async with linked() as (center, _):
        await center.until(lambda: center.sessions == 1)
        await center.send_raw('{"type":"newfangled","x":1}')
        await center.until(lambda: center.last(Unsupported))
        assert (answer := center.last(Unsupported)) is not None and answer.tag == "newfangled"
        assert center.sessions == 1


@pytest.mark.parametrize("frame", ["not json", '{"type":"desired","seq":"x"}', "x" * 70_000])
async def test_nonsense_ends_the_session_and_another_begins(frame: str) -> None:
    async with linked() as (center, _):
        await center.until(lambda: center.sessions == 1)
        await center.send_raw(frame)
        await center.until(lambda: center.sessions == 2)


async def test_a_message_for_a_former_session_is_dropped() -> None:
    async with linked() as (center, rig):
        await center.until(lambda: center.sessions == 1)
        center.hang_up()
        await center.until(lambda: center.sessions == 2)
        rig.say(1, Observed(seq=99))
        rig.say(2, Observed(seq=1))
        await center.until(lambda: center.last(Observed))
    assert [m.seq for m in center.seen if isinstance(m, Observed)] == [1]


async def test_a_full_lane_begins_a_new_session() -> None:
    async with linked() as (center, rig):
        await center.until(lambda: center.sessions == 1)
        for seq in range(1, 3000):
            rig.say(1, Observed(seq=seq))
        await center.until(lambda: center.sessions == 2)


async def test_leaving_without_a_session_is_quick() -> None:
    async with tiny_center() as center:
        rig = Rig(center, await an_identity(center), 15.0)
        center.busy_sessions = 1000
        async with asyncio.TaskGroup() as group:
            life = group.create_task(rig.link.run())
            await asyncio.sleep(0.05)
            async with asyncio.timeout(1):
                await rig.link.leave()
                await life
