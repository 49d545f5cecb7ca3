"""A decision that could not be committed is taken out of a copy again, to the last index."""

from typing import Any

import pytest

from controlplane.core import center
from controlplane.core.cluster import KEYS, Cluster, Meta
from controlplane.core.command import Command, Deploy, DrainNode, RemoveNode, RemoveProject, Scale
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed

INDEXES = ("on_node", "of_project", "unplaced", "crossing", "open_tasks", "open_deployments", "rests_on", "prepared_on")


def _copy(cluster: Cluster) -> Cluster:
    records = [r for kind in KEYS if kind is not Meta for r in cluster.table(kind).values()]
    return Cluster(cluster.meta, cluster.volatile, records)


def _all(cluster: Cluster) -> dict[str, Any]:
    tables = {name: getattr(cluster, name) for kind, (name, _) in KEYS.items() if kind is not Meta}
    return tables | {name: getattr(cluster, name) for name in (*INDEXES, "meta", "volatile")}


@pytest.mark.parametrize(
    "command",
    [
        Deploy(spec=a_project("shop", a_service(image="web@sha256:2", replicas=2))),
        Deploy(spec=a_project("other")),
        Scale(project="shop", services={"web": 1}),
        RemoveProject(project="shop"),
        RemoveNode(node="node-1", force=True),
        DrainNode(node="node-1"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_decision_taken_back_leaves_nothing(command: Command) -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    ahead = _copy(world.cluster)
    outcome = center.handle(ahead, command, world.now)
    ahead.apply(outcome.changes)
    assert _all(ahead) != _all(world.cluster)
    ahead.take_back(outcome.changes, world.cluster)
    assert _all(ahead) == _all(world.cluster)
