"""What was stored, with no time that cannot be by today's clock: it may have been set back since (DESIGN §2, `core`).

Nothing began later than now, and nothing is waited for longer than when it began. Not stored by itself: a record is
written when something else changes it. Called by `app` on what the store gives back.
"""

from collections.abc import Iterable

import msgspec

from controlplane.core import tasks
from controlplane.core.deployment import Deployment
from controlplane.core.node import Node
from controlplane.core.port_rest import REST_S, PortRest
from controlplane.core.record import Record
from controlplane.core.replica import Assignment, Replica
from controlplane.core.task import Task
from controlplane.core.upgrading import GRANT_S


def clamped(records: Iterable[Record], wall: float) -> list[Record]:
    """The records as of `wall` (Unix seconds), in their order."""
    return [_clamped(record, wall) for record in records]


def _clamped(record: Record, wall: float) -> Record:
    match record:
        case Replica():
            return _replica(record, wall)
        case Deployment():
            return _deployment(record, wall)
        case Task():
            due = min(record.deadline_at, wall + tasks.DEADLINE_S)
            return msgspec.structs.replace(record, created_at=min(record.created_at, wall), deadline_at=due)
        case PortRest() if record.until is not None:
            return msgspec.structs.replace(record, until=min(record.until, wall + REST_S))
        case Node():
            return _node(record, wall)
        case _:
            return record


def _replica(replica: Replica, wall: float) -> Replica:
    return msgspec.structs.replace(
        replica,
        wanted=_assignment(replica.wanted, wall),
        outgoing=_assignment(replica.outgoing, wall),
        since=min(replica.since, wall),
        moved_at=min(replica.moved_at, wall),
    )


def _assignment(assignment: Assignment | None, wall: float) -> Assignment | None:
    if assignment is None:
        return None
    return msgspec.structs.replace(
        assignment, since=min(assignment.since, wall), running_since=min(assignment.running_since, wall)
    )


def _deployment(deployment: Deployment, wall: float) -> Deployment:
    steps = (
        msgspec.structs.replace(s, started_at=min(s.started_at, wall), ended_at=min(s.ended_at, wall))
        for s in deployment.steps
    )
    return msgspec.structs.replace(
        deployment,
        steps=tuple(steps),
        started_at=min(deployment.started_at, wall),
        progress_at=min(deployment.progress_at, wall),
        paused_at=min(deployment.paused_at, wall),
    )


def _node(node: Node, wall: float) -> Node:
    late_s = max(0.0, node.drain_since - wall)
    return msgspec.structs.replace(
        node,
        state_since=min(node.state_since, wall),
        unschedulable_since=min(node.unschedulable_since, wall),
        upgrading_until=min(node.upgrading_until, wall + GRANT_S),
        drain_since=node.drain_since - late_s,
        drain_until=node.drain_until - late_s if node.drain_until else 0.0,
    )
