"""What an agent says of itself is kept within what is possible; nothing of it makes the rules or the views fail."""

from typing import Any

import msgspec
import pytest

from controlplane.core.command import OpenSession
from controlplane.core.fact import Reported, TaskReported
from controlplane.core.record import Refused
from controlplane.core.views import Figures, node_view
from protocol.messages import Capacity, TaskUpdate
from tests.unit.controlplane.core.world import World, a_hello, deployed

HUGE = 10**400


def _open(world: World, **fields: Any) -> None:
    hello = msgspec.structs.replace(a_hello("node-1", "engine-node-1"), **fields)
    world.agents["node-1"].epoch = world.send(OpenSession(agent_id="id-node-1", hello=hello)).session_epoch


@pytest.mark.parametrize("first, last", [(20000, HUGE), (0, 100), (-5, 100), (30000, 20000), (60000, 65536)])
def test_a_range_of_ports_that_cannot_be_is_refused(first: int, last: int) -> None:
    with pytest.raises(Refused) as caught:
        _open(World(("node-1",)), port_from=first, port_to=last)
    assert caught.value.field == "port_from"


def test_a_machine_that_cannot_be_can_be_shown() -> None:
    world = World(("node-1",))
    _open(world, capacity=Capacity(cpus=-1e300, memory=HUGE, disk=-HUGE))
    deployed(world)
    node = world.cluster.nodes["node-1"]
    assert node_view(world.cluster, node, Figures(), world.now).resources.disk_total_gb == 0.0


def test_the_last_lines_of_a_container_are_few_and_short() -> None:
    world = World(("node-1",))
    deployed(world)
    (report,) = world.reports("node-1")
    told = msgspec.structs.replace(report, state="failed", gave_up=True, log_tail=("x" * 9000,) * 300)
    world.send(Reported(node="node-1", session_epoch=world.agents["node-1"].epoch, containers=(told,)))
    tails = [e.data["log_tail"] for e in world.events if "log_tail" in e.data]
    assert tails and all(len(tail) == 50 and len(tail[0]) == 500 for tail in tails)


def test_the_progress_of_a_task_stays_within_what_is_possible() -> None:
    world = World(("node-1",))
    deployed(world)
    task = msgspec.structs.replace(next(iter(world.cluster.tasks.values())), state="running", ended_at=0.0, kind="pull")
    world.cluster.tasks[task.id] = task
    update = TaskUpdate(task=task.id, state="running", bytes_done=-HUGE, bytes_total=HUGE)
    world.send(TaskReported(node="node-1", session_epoch=world.agents["node-1"].epoch, update=update))
    found = world.cluster.tasks[task.id]
    assert (found.bytes_done, found.bytes_total) == (0, 2**60)


def test_a_node_whose_session_was_just_opened_is_not_called_offline_by_an_older_sighting() -> None:
    world = World()
    world.abort("node-1")
    world.run(15.0)
    assert _state(world) == "suspect"
    _open(world)
    world.run(1.0)
    assert _state(world) == "suspect", "the link has not shown the session yet"
    world.run(15.0)
    assert _state(world) == "offline"


def _state(world: World) -> str:
    return world.cluster.nodes["node-1"].state
