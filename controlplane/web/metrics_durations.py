"""How long people waited: for a replica's place, for its failover, for a deployment. Read from what is committed.

Follows the change feed, so it costs the writer nothing and survives what it does not know. Stories that began before
this process, or while the feed was too far behind, are not measured. Run by the app; written into `Measures`.
"""

from typing import NamedTuple, NoReturn

from controlplane.core.cluster import Changes, Cluster
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.journal import Event
from controlplane.core.replica import Replica
from controlplane.measures import Measures
from controlplane.web.door import Feed


class _Loss(NamedTuple):
    """A replica without its node. Wall seconds."""

    node: str
    silent_since: float
    told_at: float


class Durations:
    """What has begun and not ended. Times are those of the records, so all from the one writer's clock."""

    def __init__(self, measures: Measures, cluster: Cluster) -> None:
        self._measures = measures
        self._cluster = cluster
        self._silent: dict[str, float] = {}
        """Offline node -> its last sign of life."""
        self._lost: dict[str, _Loss] = {}
        self._pending: dict[str, float] = {}
        """Replica without a place -> since when."""
        self._open: set[int] = set()
        self._newest = 0
        self.begin()

    def begin(self) -> None:
        """Forget what began, and go on from what the tables say now."""
        self._silent.clear()
        self._lost.clear()
        self._pending.clear()
        self._open = set(self._cluster.open_deployments)
        self._newest = self._cluster.meta.deployment_seq

    async def run(self, feed: Feed) -> NoReturn:
        """Follow the feed until cancelled."""
        with feed.subscribe() as subscription:
            self.begin()
            while True:
                changes = await subscription.next()
                if changes is None:
                    self.begin()
                else:
                    self.see(changes)

    def see(self, changes: Changes) -> None:
        """One commit."""
        for event in changes.events:
            self._measures.event(event.kind)
            self._hear(event)
        for record in changes.puts:
            if isinstance(record, Deployment):
                self._follow(record)
            elif isinstance(record, Replica) and record.state == "pending":
                self._pending.setdefault(str(record.id), record.since)
        for record in changes.drops:
            if isinstance(record, Replica):
                self._lost.pop(str(record.id), None)
                self._pending.pop(str(record.id), None)

    def _hear(self, event: Event) -> None:
        match event.kind:
            case "node.offline":
                self._silent[event.node] = event.at - event.data.get("silent_s", 0.0)
            case "node.online" | "node.removed":
                self._silent.pop(event.node, None)
            case "replica.interrupted":
                since = self._silent.get(event.node, event.at)
                self._lost[event.replica] = _Loss(event.node, since, event.at)
            case "replica.placed":
                self._placed(event)
            case "replica.running":
                loss = self._lost.pop(event.replica, None)
                if loss is not None and loss.node != event.node:
                    self._measures.failover.observe(max(0.0, event.at - loss.silent_since))
            case _:
                pass

    def _placed(self, event: Event) -> None:
        """Of a lost replica since the loss was told, of a pending one since it was pending; else it had its place at
        once.
        """
        loss = self._lost.get(event.replica)
        since = self._pending.pop(event.replica, loss.told_at if loss is not None else event.at)
        self._measures.placement.observe(max(0.0, event.at - since))

    def _follow(self, deployment: Deployment) -> None:
        known = deployment.id in self._open or deployment.id > self._newest
        self._newest = max(self._newest, deployment.id)
        if deployment.state not in ENDED:
            self._open.add(deployment.id)
        elif known:
            self._open.discard(deployment.id)
            began = deployment.started_at or deployment.created_at
            self._measures.deployment(deployment.kind, deployment.state, deployment.ended_at - began)
