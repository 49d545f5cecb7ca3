"""A Center that stops and starts again, with real agents that go on: no alarm, no move, and its work goes on."""

import asyncio
import json
from pathlib import Path

from protocol.messages import PROTOCOL
from tests.loopback.center import ADMIN_TOKEN, fetch, running_center, until
from tests.loopback.test_cluster import Team

NAMES = ("node-1", "node-2", "node-3", "node-4")
AWAY_S = 1.0
"""Between the end of one Center and the start of the next: an upgrade of it."""
COMPOSE = """
services:
  web:
    image: %s
    ports: ["80"]
    deploy:
      replicas: 4
      update_config: {parallelism: 1, monitor: 500ms}
"""
NOISE = ("alarm", "node.suspect", "node.offline", "node.disconnected", "replica.moving", "replica.interrupted")


async def test_a_restart_of_the_center_is_quiet_and_an_update_under_way_goes_on(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with running_center(tmp_path / "data") as first:
            port = int(first.url.rsplit(":", 1)[1])
            it = Team(first, tmp_path, tasks)
            for name in NAMES:
                await it.join(name)
                it.engines[name].add_image("web:2")
            await it.until(lambda: it.states() == {"online"}, "all nodes online")
            await it.call("/projects/shop", {"compose": COMPOSE % "web:1"}, "PUT")
            await it.until(lambda: it.running() == dict.fromkeys(NAMES, 1), "a replica on each node")
            await it.until(lambda: not it.cluster.open_deployments, "the first deployment")
            answer = await it.call("/projects/shop", {"compose": COMPOSE % "web:2"}, "PUT")
            number = int(answer["deployment"]["id"])
            await it.until(lambda: it.created() > len(NAMES), "the update replaces")
            assert it.cluster.deployments[number].state == "running"
            seen = it.cluster.meta.event_seq
        calls = {name: len(engine.calls) for name, engine in it.engines.items()}
        await asyncio.sleep(AWAY_S)
        assert all(not {"stop", "remove"} & set(e.calls[calls[n] :]) for n, e in it.engines.items()), "all runs on"
        async with running_center(tmp_path / "data", port) as second:
            it.center = second
            await it.until(lambda: it.states() == {"online"}, "all nodes are back")
            await it.until(lambda: it.cluster.deployments[number].state == "succeeded", "the update went on")
            await it.until(lambda: it.running() == dict.fromkeys(NAMES, 1), "one replica on each node")
            events = await second.center.store.events(seen, 1000)
            noise = [event.text for event in events if event.kind in NOISE]
            assert not [text for text in noise if "stood still" not in text], "but for what a busy machine does"
            assert it.created() == 2 * len(NAMES), "each replica was made once for each revision"
            assert {node.protocol for node in it.cluster.nodes.values()} == {PROTOCOL}
        for life in it.lives.values():
            life.cancel()


async def test_the_first_answer_after_a_start_calls_no_node_online_that_was_not_seen_since(tmp_path: Path) -> None:
    async with running_center(tmp_path) as first:
        agent = await first.node("node-1")
        async with agent.session():
            await until(lambda: first.center.controller.cluster.nodes["node-1"].state == "online")
    async with running_center(tmp_path) as second:
        answer = await asyncio.to_thread(fetch, second.url, "/api/v1/nodes", None, ADMIN_TOKEN)
    assert [(node["name"], node["state"]) for node in json.loads(answer.body)] == [("node-1", "unknown")]
