"""Records -> the objects of the API. Pure: the latest figures and the time come in as arguments.

Used by the web ring for answers, the stream and the pages. Decides nothing; the word on a project is in `standing`.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from controlplane.core import drain
from controlplane.core.addresses import being_restarted, people_go_to
from controlplane.core.cluster import Cluster
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.journal import Event
from controlplane.core.node import Node, reached_at
from controlplane.core.project import Project, Revision
from controlplane.core.record import Now
from controlplane.core.replica import Assignment, Replica
from controlplane.core.standing import ready, reason_of, spec_of, standing
from controlplane.core.task import Task
from controlplane.core.upgrade import Upgrade
from protocol.api import (
    DeploymentView,
    DrainBlocker,
    DrainView,
    EventView,
    NodeResources,
    NodeTask,
    NodeView,
    PortView,
    ProjectView,
    ReplicaView,
    ServiceView,
    StepView,
    TaskView,
    UpgradeTurn,
    UpgradeView,
)
from protocol.messages import ContainerBeat, ContainerRef, Heartbeat
from protocol.names import ReplicaId
from protocol.spec import PortLease

MIB = 1024 * 1024
GIB = 1024 * MIB


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The latest of a node, from the link's table. `last_seen_s`: seconds since its last frame, None = never seen."""

    heartbeat: Heartbeat | None = None
    connected: bool = False
    last_seen_s: float | None = None


def iso(wall: float) -> str:
    """Unix seconds as `2026-11-22T12:04:14.123Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(wall: float) -> str | None:
    """As `iso`; None for 0, which means "not yet"."""
    return iso(wall) if wall else None


def uptime(seconds: float) -> str:
    """A length of time in at most two units: `12s`, `4m10s`, `3h25m`, `2d4h`."""
    left = max(0, int(seconds))
    for big, name, small, unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if left >= big:
            rest = left % big // small
            return f"{left // big}{name}" + (f"{rest}{unit}" if rest else "")
    return f"{left}s"


def node_view(cluster: Cluster, node: Node, figures: Figures, now: Now) -> NodeView:
    """A node with its figures and what it runs."""
    heartbeat = figures.heartbeat
    return NodeView(
        name=node.name,
        agent_id=node.agent_id,
        state=node.state,
        held=node.held,
        address=node.address,
        labels=node.labels,
        weight=node.weight,
        draining=node.draining,
        unschedulable=node.unschedulable or None,
        engine_ok=heartbeat is None or heartbeat.engine_ok,
        resources=_resources(cluster, node, heartbeat),
        tasks=_node_tasks(cluster, node, heartbeat, now),
        versions=node.versions,
        connected=figures.connected,
        last_seen_s=None if figures.last_seen_s is None else round(figures.last_seen_s, 1),
        registered_at=iso(node.registered_at),
        drain=_drain(cluster, node, now) if node.draining else None,
        upgrading=node.upgrading_until > 0,
        were_running=node.were_running,
    )


def _drain(cluster: Cluster, node: Node, now: Now) -> DrainView:
    """How far it is. `drain_total` is what there was to move when it began."""
    draft = Draft(cluster, now)
    left = drain.left(draft, node.name)
    return DrainView(
        state=node.drain,
        moved=max(0, node.drain_total - len(left)),
        total=max(node.drain_total, len(left)),
        left=tuple(left),
        blockers=tuple(DrainBlocker(replica=str(r.id), reason=drain.REASON) for r in drain.blockers(draft, node.name)),
        deadline=iso_or_none(node.drain_until),
    )


def _resources(cluster: Cluster, node: Node, heartbeat: Heartbeat | None) -> NodeResources:
    cpus, memory = 0.0, 0
    ports = set(heartbeat.ports if heartbeat else ())
    for replica, assignment in _held_by(cluster, node.name):
        ports.update(lease.host for lease in assignment.ports)
        spec = spec_of(cluster, replica, assignment.revision)
        if spec is not None and assignment.state != "stopped":
            cpus, memory = cpus + spec.cpus, memory + spec.memory
    return NodeResources(
        cpus=node.capacity.cpus,
        cpus_reserved=round(cpus, 3),
        cpu_usage=heartbeat.cpu_usage if heartbeat else None,
        mem_total_mb=round(node.capacity.memory / MIB, 1),
        mem_free_mb=(heartbeat.mem_free_mb or None) if heartbeat else None,
        mem_reserved_mb=round(memory / MIB, 1),
        disk_total_gb=round(node.capacity.disk / GIB, 1),
        disk_free_gb=heartbeat.disk_free_gb if heartbeat else None,
        load=heartbeat.load if heartbeat else None,
        ports=tuple(sorted(ports)),
    )


def _held_by(cluster: Cluster, node: str) -> list[tuple[Replica, Assignment]]:
    replicas = (cluster.replicas[i] for i in sorted(cluster.on_node.get(node, ())))
    return [(r, a) for r in replicas for a in r.assignments if a.node == node]


def _node_tasks(cluster: Cluster, node: Node, heartbeat: Heartbeat | None, now: Now) -> tuple[NodeTask, ...]:
    beats = {(b.project_code, b.service, b.replica, b.epoch): b for b in (heartbeat.containers if heartbeat else ())}
    return tuple(
        _node_task(replica, assignment, beats.get((*msgspec.structs.astuple(replica.id), assignment.epoch)), now)
        for replica, assignment in _held_by(cluster, node.name)
    )


def _node_task(replica: Replica, assignment: Assignment, beat: ContainerBeat | None, now: Now) -> NodeTask:
    alive = assignment.state == "running" and assignment.running_since > 0
    return NodeTask(
        project_code=replica.id.project,
        service=replica.id.service,
        replica=replica.id.index,
        epoch=assignment.epoch,
        status=assignment.state,
        health=assignment.health,
        uptime=uptime(now.wall - assignment.running_since) if alive else "",
        cpu_usage=beat.cpu_usage if beat else None,
        mem_mb=beat.mem_mb if beat else None,
        outgoing=assignment is replica.outgoing,
    )


class Known(NamedTuple):
    """A replica as it was shown, and the records that were looked at for it."""

    replica: Replica
    node: Node | None
    view: ReplicaView


KnownReplicas = dict[ReplicaId, Known]
"""Kept by a caller that looks at a project again and again: most of its replicas are as they were."""


def project_view(cluster: Cluster, project: Project, now: Now, known: KnownReplicas | None = None) -> ProjectView:
    """A project with its services and replicas, those that are being stopped included. `known`: what was made of them
    before; used where it still holds, and brought up to date.
    """
    stands = standing(cluster, project, now.wall)
    revision = cluster.revisions.get((project.code, project.revision))
    return ProjectView(
        code=project.code,
        state=stands.state,
        message=stands.message,
        revision=project.revision,
        revisions=tuple(n for n in range(1, project.last_revision + 1) if (project.code, n) in cluster.revisions),
        services=_services(cluster, revision, now) if revision else (),
        replicas=_replica_views(cluster, project.code, now.wall, {} if known is None else known),
        deployment=project.deployment or None,
        created_at=iso(project.created_at),
    )


def _replica_views(cluster: Cluster, code: str, wall: float, known: KnownReplicas) -> tuple[ReplicaView, ...]:
    restarting = being_restarted(cluster)
    touched = {r.id for r in restarting}
    ids = sorted(cluster.of_project.get(code, ()))
    for key in known.keys() - ids:
        del known[key]
    made = []
    for key in ids:
        replica, before = cluster.replicas[key], known.get(key)
        node = cluster.nodes.get(replica.wanted.node) if replica.wanted else None
        if before is not None and before.replica is replica and before.node is node and key not in touched:
            made.append(before.view)
            continue
        view = replica_view(cluster, replica, wall, restarting)
        made.append(view)
        if _holds(replica, view):
            known[key] = Known(replica, node, view)
        else:
            known.pop(key, None)
    return tuple(made)


def _holds(replica: Replica, view: ReplicaView) -> bool:
    """True when the view changes only with the replica, its node, or the order to restart it; not by time alone."""
    return replica.outgoing is None and (view.announced or view.state != "running")


def _services(cluster: Cluster, revision: Revision, now: Now) -> tuple[ServiceView, ...]:
    of_service: dict[str, list[Replica]] = {name: [] for name in revision.spec.services}
    for key in cluster.of_project.get(revision.project, ()):
        replica = cluster.replicas[key]
        if not replica.ending and key.service in of_service:
            of_service[key.service].append(replica)
    found = []
    for name, spec in revision.spec.services.items():
        mine = of_service[name]
        found.append(
            ServiceView(
                name=name,
                image=spec.image,
                pinned=revision.pins.get(name, ""),
                wanted=spec.replicas,
                running=sum(any(a.state == "running" for a in r.assignments) for r in mine),
                healthy=sum(ready(cluster, r, now.wall) for r in mine),
            )
        )
    return tuple(found)


def replica_view(
    cluster: Cluster, replica: Replica, wall: float, restarting: frozenset[ContainerRef] = frozenset()
) -> ReplicaView:
    """One replica at `wall` (Unix seconds): where it is, how it is reached, and why it is not as wanted. `restarting`:
    copies whose restart is ordered.
    """
    serving = people_go_to(cluster, replica, wall, restarting)
    reached = [port.address for a in serving for port in ports_view(cluster, a.node, a.ports)]
    shown = replica.wanted or (replica.outgoing if replica.ending else None)
    return ReplicaView(
        service=replica.id.service,
        replica=replica.id.index,
        state=replica.state,
        health=shown.health if shown else "none",
        node=shown.node if shown else None,
        epoch=shown.epoch if shown else replica.epoch,
        revision=shown.revision if shown else replica.revision,
        ports=ports_view(cluster, shown.node, shown.ports) if shown else (),
        since=iso(shown.since if shown else replica.since),
        reason=reason_of(cluster, replica),
        moves=replica.moves,
        restarts=shown.restarts if shown else 0,
        exit_code=shown.exit_code if shown else None,
        outgoing=replica.outgoing.node if replica.outgoing and replica.outgoing is not shown else None,
        announced=bool(serving),
        address=reached[0] if reached else "",
    )


def ports_view(cluster: Cluster, node: str, leases: tuple[PortLease, ...]) -> tuple[PortView, ...]:
    """Leased ports with the address that people use."""
    known = cluster.nodes.get(node)
    return tuple(
        PortView(container=lease.container, host=lease.host, protocol=lease.protocol, address=reached_at(known, lease))
        for lease in leases
    )


def deployment_view(deployment: Deployment) -> DeploymentView:
    """A deployment with its steps."""
    return DeploymentView(
        id=deployment.id,
        project=deployment.project,
        kind=deployment.kind,
        state=deployment.state,
        revision=deployment.revision,
        reason=deployment.reason,
        warnings=deployment.warnings,
        steps=tuple(_step(s) for s in deployment.steps),
        actor=deployment.actor,
        created_at=iso(deployment.created_at),
        started_at=iso_or_none(deployment.started_at),
        ended_at=iso_or_none(deployment.ended_at),
        from_revision=deployment.from_revision,
        back_to=deployment.back_to,
        going_back=deployment.outcome if deployment.state in ("running", "paused") else "",
    )


def _step(step: Step) -> StepView:
    what = f"{step.replica.service}/{step.replica.index}" if step.replica else step.service
    what += f" on {step.node}" if step.node else ""
    return StepView(
        name=f"{step.kind} {what}".strip(),
        state=step.state,
        reason=step.reason,
        task=step.task or None,
        started_at=iso_or_none(step.started_at),
        ended_at=iso_or_none(step.ended_at),
    )


def task_view(task: Task) -> TaskView:
    """One order to one agent."""
    target = task.target
    return TaskView(
        id=task.id,
        kind=task.kind,
        state=task.state,
        node=task.node or None,
        project=task.project,
        replica=str(ReplicaId(target.project, target.service, target.replica)) if target else "",
        deployment=task.deployment or None,
        reason=task.reason,
        bytes_done=task.bytes_done,
        bytes_total=task.bytes_total,
        created_at=iso(task.created_at),
        ended_at=iso_or_none(task.ended_at),
    )


def upgrade_view(upgrade: Upgrade) -> UpgradeView:
    """An upgrade of agents, node by node."""
    return UpgradeView(
        id=upgrade.id,
        image=upgrade.image,
        pinned=upgrade.pinned,
        batch=upgrade.batch,
        state=upgrade.state,
        reason=upgrade.reason,
        nodes=tuple(
            UpgradeTurn(
                node=turn.node,
                state=turn.state,
                reason=turn.reason,
                before=turn.before,
                after=turn.after,
                task=turn.task or None,
                started_at=iso_or_none(turn.started_at),
                ended_at=iso_or_none(turn.ended_at),
            )
            for turn in upgrade.turns
        ),
        actor=upgrade.actor,
        created_at=iso(upgrade.created_at),
        ended_at=iso_or_none(upgrade.ended_at),
    )


def event_view(event: Event) -> EventView:
    """A line of the journal."""
    return EventView(
        seq=event.seq,
        at=iso(event.at),
        kind=event.kind,
        text=event.text,
        cause=event.cause,
        project=event.project,
        replica=event.replica,
        node=event.node,
        deployment=event.deployment,
        actor=event.actor,
        data=event.data,
    )
