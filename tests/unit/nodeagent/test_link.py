"""Holding the rope while there is no Center: what is waited, what is logged."""

import asyncio
import logging

import pytest
from websockets.exceptions import ConnectionClosedError

from nodeagent import link as link_module
from nodeagent.core.events import Event
from nodeagent.identity import Identity
from nodeagent.keys import new_seed
from nodeagent.link import Link
from protocol.messages import PROTOCOL, Capacity, Heartbeat, Hello, Versions
from tests.fakes.docker import FakeDocker
from tests.fakes.streams import streams_of


def a_link() -> Link:
    identity = Identity(seed=new_seed(), agent_id="a", node="n", cluster="c", session_path="/api/agent/session")

    def hello(nonce: str) -> Hello:
        return Hello(
            agent_id="a", nonce=nonce, protocol=PROTOCOL, boot_id="b", versions=Versions(), capacity=Capacity()
        )

    def heartbeat(seq: int) -> Heartbeat:
        return Heartbeat(agent_id="a", seq=seq, cpu_usage=0, mem_free_mb=0, disk_free_gb=0)

    async def post(_: Event) -> None:
        pass

    return Link(
        "http://127.0.0.1:9",
        identity,
        hello=hello,
        heartbeat=heartbeat,
        post=post,
        streams=streams_of(FakeDocker()),
        pause_s=lambda _: 0.001,
    )


async def test_a_center_that_is_away_for_long_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, enough = 0, asyncio.Event()

    async def away(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 40:
            enough.set()
        raise OSError("Connection refused\x1b[2J\nby whom" if tries < 20 else "No route to host")

    monkeypatch.setattr(link_module, "connect", away)
    with caplog.at_level(logging.WARNING):
        link = a_link()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(link.run())
            await enough.wait()
            running.cancel()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and "Connection refused by whom;" in said[0] and "No route to host" in said[1]


class _Gone:
    """A connection that broke right after its handshake."""

    class transport:
        @staticmethod
        def get_extra_info(_: str) -> "_Gone":
            return _Gone()

    def setsockopt(self, *_: int) -> None:
        raise OSError(9, "Bad file descriptor")

    async def send(self, *_: object, **__: object) -> None:
        raise ConnectionClosedError(None, None)

    async def close(self, *_: int) -> None:
        pass


async def test_a_connection_that_breaks_at_once_does_not_end_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, enough = 0, asyncio.Event()

    async def broken(*_: object, **__: object) -> _Gone:
        nonlocal tries
        tries += 1
        if tries == 3:
            enough.set()
        return _Gone()

    monkeypatch.setattr(link_module, "connect", broken)
    link = a_link()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        async with asyncio.timeout(5):
            await enough.wait()
        running.cancel()
