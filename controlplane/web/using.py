"""What nodes and replicas use, for one subscription of `multiplex`: pictures of the latest heartbeats.

A slow reader gets fewer pictures. Pure but for its pause.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from controlplane.core.views import GIB, MIB
from controlplane.store.ring_file import Subject
from controlplane.web.answers import Rejected
from controlplane.web.door import Door
from protocol import live
from protocol.live import NodeUse, Over, ProjectHour, ReplicaUse, Top, Usage
from protocol.messages import ContainerBeat

EVERY_MIN_S = 0.5
EVERY_MAX_S = 3600.0

Send = Callable[[live.FromCenter], Awaitable[None]]
Hours = Mapping[Subject, tuple[float | None, ...]]


class Using:
    """One subscription to figures."""

    def __init__(self, door: Door, asked: Top, send: Send) -> None:
        self._door = door
        self._asked = asked
        self._send = send
        self._hours: Hours = {}
        self._hours_of = -1
        """The step of time that the hours end with."""

    async def run(self) -> Over:
        """Tell for ever. Raises Rejected."""
        if not EVERY_MIN_S <= self._asked.every_s <= EVERY_MAX_S:
            raise Rejected("bad_request", f"every_s is from {EVERY_MIN_S:g} to {EVERY_MAX_S:g}")
        while True:
            if self._asked.history and self._hours_of != self._door.rings.newest:
                self._hours_of = self._door.rings.newest
                self._hours = await self._door.rings.outline(_subjects(self._door))
            await self._send(usage(self._door, self._asked.id, self._hours))
            await asyncio.sleep(self._asked.every_s)

    def take(self, message: live.Input | live.Resize | live.Credit) -> None:
        """There is nothing to say to it."""


def usage(door: Door, number: int, hours: Hours | None = None) -> Usage:
    """All nodes and what runs on them, as of their latest heartbeats. `number`: of the subscription. `hours`: of nodes
    and projects, if they were asked for.
    """
    hours = hours or {}
    nodes: list[NodeUse] = []
    replicas: list[ReplicaUse] = []
    for name, node in sorted(door.controller.cluster.nodes.items()):
        beat = door.figures.figures(name).heartbeat
        beats = beat.containers if beat is not None else ()
        replicas += [_replica(name, container) for container in beats]
        capacity = node.capacity
        found = NodeUse(
            node=name,
            state=node.state,
            replicas=sum(c.status == "running" for c in beats),
            cpus=capacity.cpus,
            mem_total_mb=round(capacity.memory / MIB, 1),
            disk_total_gb=round(capacity.disk / GIB, 2),
            cpu_hour=hours.get(("node", name), ()),
        )
        if beat is not None and node.state in ("online", "suspect"):
            found = NodeUse(
                node=name,
                state=node.state,
                replicas=found.replicas,
                cpus=capacity.cpus,
                cpu=beat.cpu_usage,
                load=beat.load,
                mem_used_mb=round(max(0.0, beat.mem_total_mb - beat.mem_free_mb), 1),
                mem_total_mb=beat.mem_total_mb,
                disk_used_gb=round(max(0.0, beat.disk_total_gb - beat.disk_free_gb), 2),
                disk_total_gb=beat.disk_total_gb,
                net_in_kb=beat.net_in_kb,
                net_out_kb=beat.net_out_kb,
                beat=beat.seq,
                answer_ms=beat.answer_ms or None,
                cpu_hour=found.cpu_hour,
            )
        nodes.append(found)
    projects = tuple(
        ProjectHour(project=name, cpu_hour=hour) for (kind, name), hour in hours.items() if kind == "project"
    )
    return Usage(id=number, nodes=tuple(nodes), replicas=tuple(replicas), projects=projects)


def _subjects(door: Door) -> list[Subject]:
    cluster = door.controller.cluster
    return [
        *(("node", name) for name in sorted(cluster.nodes)),
        *(("project", code) for code in sorted(cluster.projects)),
    ]


def _replica(node: str, beat: ContainerBeat) -> ReplicaUse:
    return ReplicaUse(
        project=beat.project_code,
        service=beat.service,
        replica=beat.replica,
        epoch=beat.epoch,
        node=node,
        state=beat.status,
        cpu=beat.cpu_usage,
        mem_mb=beat.mem_mb,
        net_in_kb=beat.net_in_kb,
        net_out_kb=beat.net_out_kb,
    )
