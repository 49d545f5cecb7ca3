"""The step that stops a replica that is no longer wanted, and forgets it when it is confirmed gone."""

import msgspec

from controlplane.core import assigning, observe, tasks
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Withdraw all its copies."""
    replica = draft.replica(step.key)
    if replica is None:
        return step.ended("done", draft.now.wall)
    replica = assigning.take_back(draft, replica)
    wanted, outgoing = replica.wanted, replica.outgoing
    if wanted is not None and outgoing is not None:
        assigning.withdraw(draft, replica.id, outgoing, "a newer copy is stopped")
        outgoing = None
    last = wanted or outgoing
    ending = assigning.end(draft, replica.id, last, deployment.id) if last is not None else None
    replica = msgspec.structs.replace(
        replica, wanted=None, outgoing=ending, ending=True, since=draft.now.wall, cause=deployment.cause
    )
    draft.put(replica)
    if ending is None:
        draft.drop(replica)
    return progress(draft, msgspec.structs.replace(step, task=ending.task if ending else ""))


def progress(draft: Draft, step: Step) -> Step:
    """Done when the last copy is gone; a node that is offline is not waited for."""
    replica = draft.replica(step.key)
    if replica is None or not replica.ending or replica.outgoing is None:
        return step.ended("done", draft.now.wall)
    outgoing = replica.outgoing
    node = draft.get(Node, outgoing.node)
    if node is not None and node.state != "offline":
        return msgspec.structs.replace(step, reason=f"stopping on {outgoing.node}")
    tasks.advance(draft, outgoing.task, "failed", f"{outgoing.node} is offline; it is stopped when the node returns")
    assigning.rest_ports(draft, replica.id, outgoing, confirmed=False)
    observe.release(draft, replica)
    return step.ended("done", draft.now.wall, f"{outgoing.node} is offline: it is stopped when the node returns")
