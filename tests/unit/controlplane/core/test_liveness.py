"""What a node says only once must not be lost: it is asked again when the Center had stopped believing in it."""

from typing import Any

from controlplane.core.action import CloseSession
from controlplane.core.fact import NodeUsage
from protocol.spec import Mount
from tests.unit.controlplane.core.world import Agent, World, a_service, deployed

DB = a_service("db", mounts=(Mount(kind="volume", source="data", target="/data"),))


class Taciturn(World):
    """Agents that report only at the beginning of a session, as real ones do when nothing changes."""

    silent = False
    disk_free = 0.5
    closed: tuple[CloseSession, ...] = ()

    def _work(self, agent: Agent) -> None:
        if self.silent:
            self._obey(agent)
        else:
            super()._work(agent)

    def _act(self, action: Any) -> None:
        super()._act(action)
        if isinstance(action, CloseSession):
            self.closed += (action,)
            if self.agents[action.node].linked:
                self.connect(action.node)

    def _usage(self) -> dict[str, NodeUsage]:
        return {name: NodeUsage(disk_free=self.disk_free) for name in self.agents}


def test_the_session_of_a_node_that_is_offline_is_over() -> None:
    """Its socket may have outlived the silence; only a new session tells again what runs there."""
    world = Taciturn(("node-1", "node-2"))
    deployed(world, DB)
    node = world.states()[0][2]
    epoch = world.cluster.nodes[node].session_epoch
    world.cut(node)
    world.run(14.0)
    assert not world.closed
    world.run(3.0)
    assert world.states()[0][1] == "interrupted"
    assert [(c.node, c.session_epoch) for c in world.closed] == [(node, epoch)]


def test_what_ran_on_a_lost_node_is_remembered_until_it_is_back() -> None:
    world = World()
    deployed(world, a_service("web", replicas=6))
    world.cut("node-2")
    world.run(30.0)
    assert {node for _, _, node in world.states()} == {"node-1", "node-3"}
    assert world.cluster.nodes["node-2"].were_running == 2
    world.connect("node-2")
    world.run(1.0)
    assert world.cluster.nodes["node-2"].were_running == 0


def test_what_runs_on_a_full_disk_is_not_called_interrupted_and_goes_on_when_there_is_room() -> None:
    world = Taciturn(("node-1",))
    deployed(world, DB, a_service("web"))
    world.silent = True
    world.disk_free = 0.05
    world.run(70.0)
    assert [s for s in world.states() if s[0] == "db/1"] == [("db/1", "running", "node-1")]
    world.disk_free = 0.5
    world.run(10.0)
    assert [state for _, state, _ in world.states()] == ["running", "running"]
