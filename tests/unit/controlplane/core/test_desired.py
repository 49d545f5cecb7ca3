"""The difference of desired state that a decision makes."""

from controlplane.core import desired
from controlplane.core.action import SendDelta
from controlplane.core.command import Deploy
from controlplane.core.draft import Draft
from controlplane.core.project import Revision
from protocol.names import ReplicaId
from tests.unit.controlplane.core.world import World, a_project


def test_what_is_forgotten_together_with_its_revision_is_dropped_on_its_node() -> None:
    world = World()
    world.send(Deploy(spec=a_project("shop")))
    world.until(lambda: world.all_running(count=1))
    draft = Draft(world.cluster, world.now)
    replica = world.cluster.replicas[ReplicaId("shop", "web", 1)]
    assert replica.wanted is not None
    draft.drop(replica)
    for revision in list(draft.all(Revision)):
        draft.drop(revision)
    desired.send_deltas(draft)
    (delta,) = draft.actions
    assert isinstance(delta, SendDelta)
    assert delta.node == replica.wanted.node
    assert [(d.id, d.epoch) for d in delta.drop] == [(replica.id, 1)]
