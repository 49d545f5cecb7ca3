"""A session with the release before this one, with the frames it wrote; and none with the one before that."""

import json
from pathlib import Path

import msgspec
import pytest

from controlplane.core.command import UpgradeNodes
from controlplane.core.record import Refused
from nodeagent.core.events import Received
from protocol.codec import decode_from_center
from protocol.messages import PROTOCOL, Beat, Challenge, Desired, Heartbeat, Inventory, Welcome
from tests.loopback.center import running_center, until
from tests.loopback.test_link import linked

RELEASE = Path(__file__).parent.parent / "unit" / "protocol" / "release_2"
SAID = ("observed", "heartbeat", "pulse", "taskupdate", "resync", "unsupported", "heartbeat")
"""What an agent says in an open session, by type; of streams only that what was opened."""


def frames(name: str) -> dict[str, dict[str, object]]:
    """One frame of each type, as that release wrote it."""
    found = map(json.loads, (RELEASE / f"{name}.jsonl").read_bytes().splitlines())
    return {frame["type"]: frame for frame in found}


async def test_an_agent_of_the_release_before_is_served_and_never_told_what_it_does_not_know(tmp_path: Path) -> None:
    said = frames("from_agent")
    async with running_center(tmp_path / "data") as center:
        agent = await center.node("node-1")
        async with agent.socket() as rope:
            hello = {**said["hello"], "agent_id": agent.agent_id, "nonce": agent.nonce, "revision": 0, "incarnation": 0}
            hello |= {"port_from": 20000, "port_to": 29999}
            await rope.socket.send(json.dumps(hello))
            await rope.send(agent.proof(await rope.expect(Challenge)))
            await rope.send(Inventory(containers=()))
            welcome = await rope.expect(Welcome)
            await rope.expect(Desired)
            for kind in SAID:
                frame = {**said[kind], "agent_id": agent.agent_id} if kind == "heartbeat" else said[kind]
                await rope.socket.send(json.dumps(frame))
            beats = 0
            while beats < 2:
                beats += isinstance(await rope.receive(), Beat)
            nodes = center.center.controller.cluster.nodes
            await until(lambda: nodes["node-1"].state == "online")
            node = nodes["node-1"]
            assert (welcome.protocol, node.protocol) == (PROTOCOL, PROTOCOL - 1)
            with pytest.raises(Refused, match=f"speaks protocol {PROTOCOL - 1} and knows no upgrades"):
                await center.center.controller.ask(UpgradeNodes(nodes=("node-1",), image="agent:2"))


@pytest.mark.parametrize("protocol", [PROTOCOL - 2, PROTOCOL + 2])
async def test_an_agent_further_away_is_told_which_side_to_upgrade(tmp_path: Path, protocol: int) -> None:
    async with running_center(tmp_path / "data") as center:
        agent = await center.node("node-1")
        async with agent.socket() as rope:
            await rope.send(msgspec.structs.replace(agent.hello(), protocol=protocol))
            code, reason = await rope.closed()
    older = "agent" if protocol < PROTOCOL else "Center"
    assert code == 1008 and f"upgrade the {older} first" in reason


async def test_a_center_of_the_release_before_is_obeyed() -> None:
    async with linked() as (center, rig):
        await center.until(lambda: center.sessions >= 1)
        center.protocol = PROTOCOL - 1
        center.hang_up()
        await center.until(lambda: center.sessions >= 2)
        seen = len(center.seen)
        words = frames("from_center")
        for kind in ("desired", "desireddelta", "taskorder", "relist", "stopconfirmed"):
            await center.send_raw(json.dumps(words[kind]))
        await center.until(lambda: sum(isinstance(m, Heartbeat) for m in center.seen[seen:]) >= 3)
        heard = [event.message for event in rig.events if isinstance(event, Received)]
        for kind in ("desired", "desireddelta", "taskorder"):
            assert decode_from_center(json.dumps(words[kind])) in heard
        assert center.sessions == 2, "the session held"


async def test_a_center_further_away_is_left_with_the_reason() -> None:
    async with linked() as (center, rig):
        await center.until(lambda: center.sessions >= 1)
        center.protocol = PROTOCOL - 2
        center.hang_up()
        await center.until(lambda: center.sessions >= 3)
        welcomes = [e for e in rig.events if isinstance(e, Received) and isinstance(e.message, Welcome)]
        assert len(welcomes) == 1, "what it says is not heard"
