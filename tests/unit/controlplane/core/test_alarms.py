"""A crash loop ends in an alarm that carries the last words of the container."""

import msgspec

from controlplane.core.fact import Reported
from tests.unit.controlplane.core.world import World, deployed

LINES = tuple(f"line {n}" for n in range(60))


def _given_up() -> World:
    world = World(("node-1",))
    deployed(world)
    agent = world.agents["node-1"]
    report = msgspec.structs.replace(
        world.reports("node-1")[0],
        state="failed",
        health="none",
        code="crash_loop",
        reason="exited with code 3",
        gave_up=True,
        log_tail=LINES,
        state_seq=1 << 60,
    )
    for _ in range(2):
        world.send(Reported(node="node-1", session_epoch=agent.epoch, containers=(report,)))
    return world


def test_an_alarm_carries_the_last_fifty_lines_once() -> None:
    alarms = [e for e in _given_up().events if e.kind == "alarm"]
    assert [e.text for e in alarms] == ["shop/web/1 is given up on node-1: exited with code 3"]
    assert alarms[0].data["log_tail"] == list(LINES[-50:])
    assert (alarms[0].project, alarms[0].replica, alarms[0].node) == ("shop", "shop/web/1", "node-1")


def test_the_alarm_is_part_of_the_story_of_its_replica() -> None:
    world = _given_up()
    alarm = next(e for e in world.events if e.kind == "alarm")
    given_up = next(e for e in world.events if e.kind == "replica.given_up")
    assert alarm.cause == given_up.cause
