"""Every 10 s: what nodes and projects use, taken from their latest heartbeats and given to the store's rings.

Beside the decisions: no fact, no command, no trip through the writer. Run by `app.py`.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping

from controlplane.core.cluster import Cluster
from controlplane.core.record import Now
from controlplane.core.views import Figures
from controlplane.store.ring_file import Subject
from controlplane.store.rings import FINE_S, Rings, Sample
from protocol.messages import ContainerBeat, Heartbeat

STALE_S = 10.0
"""A node that said nothing for so long has no figures: two heartbeats."""
CHUNK = 100
"""Nodes looked at before others get their turn."""
MARGIN_S = 0.2
"""Into a step of time, so that a clock that is slewed does not wake us before it."""

_log = logging.getLogger(__name__)


async def sample(cluster: Cluster, figures: Callable[[str], Figures], rings: Rings, now: Callable[[], Now]) -> None:
    """Take figures once in each step of 10 s, until cancelled."""
    while True:
        await asyncio.sleep(FINE_S - (now().wall - MARGIN_S) % FINE_S)
        try:
            rings.put(await samples(cluster, figures), now().wall)
        except Exception:  # noqa: BLE001  charts are not worth the Center's life
            _log.exception("no sample was taken")


async def samples(cluster: Cluster, figures: Callable[[str], Figures]) -> dict[Subject, Sample]:
    """What each node that is heard uses, and each project that runs on one of them: the sum over its copies there."""
    found: dict[Subject, Sample] = {}
    projects: dict[str, tuple[float, float]] = {}
    names = sorted(cluster.nodes)
    for first in range(0, len(names), CHUNK):
        for name in names[first : first + CHUNK]:
            seen = figures(name)
            beat = seen.heartbeat
            if beat is not None and seen.connected and (seen.last_seen_s or 0.0) < STALE_S:
                found["node", name] = _of_node(beat)
                _add(projects, beat.containers, cluster.projects)
        await asyncio.sleep(0)
    return found | {("project", code): Sample(_sound(cpu), _sound(mb)) for code, (cpu, mb) in projects.items()}


def _of_node(beat: Heartbeat) -> Sample:
    used_mb = beat.mem_total_mb - beat.mem_free_mb if beat.mem_total_mb else math.nan
    return Sample(_sound(beat.cpu_usage, 100.0), _sound(used_mb))


def _add(
    sums: dict[str, tuple[float, float]], containers: Iterable[ContainerBeat], projects: Mapping[str, object]
) -> None:
    """An agent names projects as it likes: only those that there are."""
    for container in containers:
        code = container.project_code
        if code in projects:
            cpu, mb = sums.get(code, (0.0, 0.0))
            sums[code] = cpu + max(0.0, container.cpu_usage), mb + max(0.0, container.mem_mb)


def _sound(figure: float, most: float = 1e30) -> float:
    """From 0 to `most`; what is no number is no figure. Four bytes hold no more than 1e38."""
    return min(max(figure, 0.0), most) if math.isfinite(figure) else math.nan
