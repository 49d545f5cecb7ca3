"""`GET /projects/{code}/logs[/{service}[/{replica}]]`: the page that follows logs. Lines come over `pagestream`.

A project that was removed has a page too: the Center keeps its last lines for a while. What is shown of a line is
decided in `static/logs.js` and `static/ansi.js`.
"""

from typing import NamedTuple

from starlette.responses import Response

from controlplane.core.cluster import Cluster
from controlplane.web.answers import Rejected
from controlplane.web.dashboard import Dashboard
from controlplane.web.visit import Visit
from protocol.names import PROJECT, SERVICE, ReplicaId, is_legal

REPLICAS_SHOWN = 100
"""Replicas of the service that can be chosen from; others by their address."""


class Chosen(NamedTuple):
    """What a page is about. `service` "" = all, `replica` 0 = all."""

    project: str
    service: str
    replica: int


class LogPages:
    """The handler of pages of logs."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def logs(self, visit: Visit) -> Response:
        """The page, with what there is to choose from."""
        chosen = chosen_by(visit)
        cluster, now = self._dashboard.door.controller.cluster, self._dashboard.door.now()
        html = self._dashboard.draw(
            visit,
            "logs",
            chosen=chosen,
            services=services_of(cluster, chosen.project),
            replicas=replicas_of(cluster, chosen)[:REPLICAS_SHOWN],
            terminal=runs(cluster, chosen),
            now_ms=int(now.wall * 1000),
        )
        return visit.page(html)


def chosen_by(visit: Visit) -> Chosen:
    """What the path names. Raises Rejected(not_found) for what can be no name."""
    path = visit.request.path_params
    code, service, replica = path["code"], path.get("service", ""), path.get("replica", "")
    number = int(replica) if replica.isascii() and replica.isdigit() and len(replica) < 6 else 0
    if not is_legal(PROJECT, code) or (service and not is_legal(SERVICE, service)) or (replica and not number):
        raise Rejected("not_found", "there can be no such replica")
    return Chosen(code, service, number)


def runs(cluster: Cluster, chosen: Chosen) -> bool:
    """True when one replica is chosen and a copy of it runs, so that it can have a terminal."""
    found = cluster.replicas.get(ReplicaId(*chosen))
    return found is not None and any(a.state == "running" for a in found.assignments)


def services_of(cluster: Cluster, project: str) -> tuple[str, ...]:
    """Services of a project that have replicas, by name."""
    return tuple(sorted({key.service for key in cluster.of_project.get(project, ())}))


def replicas_of(cluster: Cluster, chosen: Chosen) -> tuple[int, ...]:
    """Replicas of the service chosen; none while no service is."""
    found = (k.index for k in cluster.of_project.get(chosen.project, ()) if k.service == chosen.service)
    return tuple(sorted(found))
