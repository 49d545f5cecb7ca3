"""Who gets a session: only an agent that proves the key it registered, in time, on a socket that is no browser's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from controlplane.core.command import RemoveNode
from controlplane.link import admission, endpoint
from controlplane.store.identity import is_signed
from protocol.handshake import center_claim
from protocol.messages import SUBPROTOCOL, Challenge, Heartbeat, Inventory, Proof, Removed, Welcome
from tests.loopback.center import Agent, Running, report, running_center


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_center(tmp_path / "data") as running:
        yield running


async def test_both_sides_prove_their_key_and_the_epoch_grows(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        assert agent.challenge is not None
        claim = center_claim(agent.challenge.cluster, agent.agent_id, agent.nonce, agent.challenge.nonce)
        assert is_signed(center.center.identity.public_key, agent.challenge.signature, claim)
        assert rope.welcome is not None and rope.welcome.node == "node-1" and rope.epoch == 1
        assert rope.socket.subprotocol == SUBPROTOCOL
    async with agent.session() as rope:
        assert rope.epoch == 2


async def test_the_challenge_is_fresh_each_time(center: Running) -> None:
    agent = await center.node("node-1")
    nonces = set()
    for _ in range(3):
        async with agent.socket() as rope:
            await rope.send(agent.hello())
            nonces.add((await rope.expect(Challenge)).nonce)
    assert len(nonces) == 3


async def test_another_key_gets_no_session(center: Running) -> None:
    agent = await center.node("node-1")
    thief = Agent(agent.url, agent.agent_id, Ed25519PrivateKey.generate())
    async with thief.socket() as rope:
        await thief.prove(rope)
        assert await rope.closed() == (1008, "unknown agent, or not its key")
    assert center.center.controller.cluster.nodes["node-1"].session_epoch == 0


async def test_an_unknown_agent_learns_no_more_than_a_wrong_key(center: Running) -> None:
    stranger = Agent(center.session_url, "feedfacefeedface", Ed25519PrivateKey.generate())
    async with stranger.socket() as rope:
        await stranger.prove(rope)
        assert await rope.closed() == (1008, "unknown agent, or not its key")


async def test_a_replayed_proof_is_worth_nothing(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        await rope.send(agent.hello())
        old = agent.proof(await rope.expect(Challenge))
    async with agent.socket() as rope:
        await rope.send(agent.hello())
        await rope.expect(Challenge)
        await rope.send(old)
        assert (await rope.closed())[0] == 1008


async def test_silence_before_the_proof_ends_the_socket(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PROOF_S", 0.1)
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        assert (await rope.closed())[0] == 1008
    async with agent.socket() as rope:
        await rope.send(agent.hello())
        await rope.expect(Challenge)
        assert (await rope.closed())[0] == 1008


async def test_long_frames_before_the_proof_are_not_read(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        await rope.socket.send(" " * 5000)
        assert (await rope.closed())[0] == 1009


@pytest.mark.parametrize("frame", ["", "{}", "[1]", '{"type":"hello"}', '{"type":"nonsense"}', "\x00", "9" * 4000])
async def test_nonsense_before_the_proof_ends_the_socket(center: Running, frame: str) -> None:
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        await rope.socket.send(frame)
        assert (await rope.closed())[0] == 1002


async def test_binary_frames_and_messages_out_of_order_end_the_socket(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        await rope.socket.send(b"\x00\x01")
        assert (await rope.closed())[0] == 1003
    async with agent.socket() as rope:
        await rope.send(Proof(signature="00"))
        assert (await rope.closed())[0] == 1002
    async with agent.socket() as rope:
        await agent.prove(rope)
        await rope.send(Heartbeat(agent_id=agent.agent_id, seq=1, cpu_usage=0, mem_free_mb=0, disk_free_gb=0))
        assert (await rope.closed())[0] == 1002


async def test_browsers_are_refused(center: Running) -> None:
    for options in ({"origin": Origin(center.url)}, {"additional_headers": {"Cookie": "a=b"}}):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(center.session_url, subprotocols=[Subprotocol(SUBPROTOCOL)], **options):
                pass
        assert caught.value.response.status_code == 403


async def test_another_subprotocol_is_refused(center: Running) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(center.session_url, subprotocols=[Subprotocol("ropeteam.agent.v9")]):
            pass
    assert caught.value.response.status_code == 400


async def test_too_many_at_once_are_told_to_come_again(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "ADMISSIONS_MAX", 1)
    agent, other = await center.node("node-1"), await center.node("node-2")
    async with agent.socket() as unproven:
        with pytest.raises(InvalidStatus) as caught:
            async with other.socket():
                pass
        assert caught.value.response.status_code == 503 and "retry-after" in caught.value.response.headers
        await unproven.socket.close()
    async with other.session(), agent.session():
        pass  # open sessions do not count


async def test_an_inventory_comes_in_pages_and_must_end(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await center.node("node-1")
    async with agent.socket() as rope:
        await agent.prove(rope)
        await rope.send(Inventory(containers=(report(1),), last=False))
        await rope.send(Inventory(containers=(report(2),), last=False))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rope.socket.recv()
        await rope.send(Inventory(containers=(), last=True))
        await rope.expect(Welcome)
    monkeypatch.setattr(admission, "CONTAINERS_MAX", 3)
    async with agent.socket() as rope:
        await agent.prove(rope)
        for _ in range(2):
            await rope.send(Inventory(containers=(report(1), report(2)), last=False))
        assert (await rope.closed())[0] == 1009


async def test_a_removed_node_is_told_so_when_it_proves_its_key(center: Running) -> None:
    agent = await center.node("node-1")
    await center.center.controller.ask(RemoveNode(node="node-1", force=True))
    async with agent.socket() as rope:
        await agent.prove(rope)
        await rope.send(Inventory(containers=(report(1),)))
        removed = await rope.expect(Removed)
        assert [r.replica for r in removed.stop] == [1], "its project is not known any more"
        assert (await rope.closed())[0] == 1000
    thief = Agent(agent.url, agent.agent_id, Ed25519PrivateKey.generate())
    async with thief.socket() as rope:
        await thief.prove(rope)
        assert (await rope.closed())[0] == 1008


async def test_a_node_removed_in_the_middle_of_a_session_loses_it(center: Running) -> None:
    agent = await center.node("node-1")
    async with agent.session() as rope:
        await center.center.controller.ask(RemoveNode(node="node-1", force=True))
        code, _ = await rope.closed()
        assert code == 1012
