"""The difference of desired state that a decision makes."""

import msgspec
import pytest

from controlplane.core import assigning, desired
from controlplane.core.action import SendDelta
from controlplane.core.command import Deploy
from controlplane.core.draft import Draft
from controlplane.core.project import Revision
from controlplane.core.record import Now
from controlplane.core.replica import ref
from protocol.names import ReplicaId
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed


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


def test_a_full_state_names_what_leaves_on_purpose_and_what_is_left_of_its_wait() -> None:
    world = World(("node-1",))
    deployed(world, a_service(drain_wait_s=4.0, stop_grace_s=30.0))
    draft = Draft(world.cluster, world.now)
    assert desired.leaving(draft, "node-1") == ()
    replica = draft.replica(ReplicaId("shop", "web", 1))
    assert replica is not None and replica.wanted is not None
    going = assigning.end(draft, replica.id, replica.wanted)
    draft.put(msgspec.structs.replace(replica, wanted=None, outgoing=going, ending=True))
    (leaving,) = desired.leaving(draft, "node-1")
    assert (leaving.ref, leaving.wait_s, leaving.grace_s) == (ref(replica.id, 1), 4.0, 30.0)
    assert desired.full(draft, "node-1") == () and desired.leaving(draft, "node-2") == ()
    for passed_s, left_s in ((1.5, 2.5), (60.0, 0.0), (-100.0, 4.0)):
        draft.now = Now(mono=world.now.mono, wall=world.now.wall + passed_s)
        assert desired.leaving(draft, "node-1")[0].wait_s == pytest.approx(left_s)
