"""When a service's lost replicas may be started elsewhere: `x-rope.failover` (after, mode), and a person's word.

Says why a replica stays; places nothing. `failover` asks for each replica on a lost node at every try.
"""

import msgspec

from controlplane.core.command import FailOver
from controlplane.core.detector import OFFLINE_S
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.record import Refused
from controlplane.core.replica import Assignment, Replica
from protocol.api import FailoverAnswer
from protocol.spec import ServiceSpec


def stays(draft: Draft, replica: Replica, old: Assignment, spec: ServiceSpec, node: Node | None) -> str:
    """Why the replica of the lost `node` is not started elsewhere now, "" = it is. `node` None: it was removed, which
    is a person's word.
    """
    if node is None:
        return ""
    if not spec.may_move:
        return f"volume data lives on {old.node}"
    if old.freed:
        return ""
    match spec.failover.mode:
        case "never":
            return f"x-rope.failover is never: it waits for {old.node}"
        case "manual":
            return f"x-rope.failover is manual: rope failover {replica.id.project}/{replica.id.service}"
        case "auto":
            left_s = spec.failover.after_s - _silent_s(node, draft.now.wall)
            if left_s <= 0:
                return ""
            _look_again_in(draft, left_s)
            return f"moves after {spec.failover.after_s:g} s of silence"


def fail_over(draft: Draft, command: FailOver) -> FailoverAnswer:
    """A person says that interrupted replicas may be started elsewhere now, whatever mode and time say."""
    project = draft.project(command.project)
    revision = draft.revision(project.code, project.revision)
    for name in command.services:
        if revision is None or name not in revision.spec.services:
            raise Refused("invalid", f"project {project.code!r} has no service {name!r}", "services")
    lost = [
        r
        for r in draft.replicas_of(project.code)
        if r.wanted is not None
        and r.wanted.state == "interrupted"
        and (not command.services or r.id.service in command.services)
    ]
    if not lost:
        raise Refused("conflict", f"no replica of {project.code} is interrupted", "project")
    kept = {r.id: why for r in lost if (why := _refusal(draft, r))}
    moving = [r for r in lost if r.id not in kept]
    if not moving:
        raise Refused("conflict", "; ".join(f"{key}: {why}" for key, why in kept.items()), "project")
    draft.event(
        "failover.asked",
        f"failover of {project.code} asked by {command.actor}: {', '.join(str(r.id) for r in moving)}",
        cause=moving[0].cause,
        project=project.code,
    )
    _free(draft, moving)
    return FailoverAnswer(
        project=project.code,
        moving=tuple(str(r.id) for r in moving),
        stays={str(key): why for key, why in kept.items()},
    )


def free_on(draft: Draft, node: str) -> None:
    """A person has looked and says that the node is down, which is what `manual` services wait for."""
    here = [r for r in draft.replicas_on(node) if r.wanted is not None and r.wanted.state == "interrupted"]
    _free(draft, [r for r in here if r.wanted is not None and r.wanted.node == node and not _refusal(draft, r)])


def _free(draft: Draft, replicas: list[Replica]) -> None:
    for replica in replicas:
        assert replica.wanted is not None
        draft.put(msgspec.structs.replace(replica, wanted=msgspec.structs.replace(replica.wanted, freed=True)))
    _look_again_in(draft, 0.0)


def _refusal(draft: Draft, replica: Replica) -> str:
    """Why even a person's word does not move it, "" = it does."""
    assert replica.wanted is not None
    node = draft.get(Node, replica.wanted.node)
    spec = draft.spec(replica.id, replica.revision)
    if spec is not None and not spec.may_move and node is not None:
        return f"volume data lives on {node.name}"
    if spec is not None and spec.failover.mode == "never":
        return f"x-rope.failover is never: it waits for {replica.wanted.node}"
    if node is not None and node.held:
        return f"the guard holds {node.name}: rope node confirm-down {node.name}"
    return ""


def _silent_s(node: Node, wall: float) -> float:
    """For how long the node has been of no use: silent, or with an engine that is down. As wall time, so that it
    survives a restart of the Center.
    """
    if node.state == "offline":
        return OFFLINE_S + wall - node.state_since
    return wall - node.unschedulable_since


def _look_again_in(draft: Draft, seconds: float) -> None:
    at = min(draft.volatile.retry_at, draft.now.mono + seconds)
    draft.volatile = msgspec.structs.replace(draft.volatile, retry_at=at)
