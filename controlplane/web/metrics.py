"""`GET /metrics` and `GET /api/v1/prometheus/targets`: what Prometheus reads.

The look at the tables happens on the loop, in slices; the text is written in a thread, for thousands of replicas make
a hundred thousand lines' work. An answer is given again to whoever asks soon after: so asking often costs no more than
a tenth of a processor. Without the token there are no names in it. What is counted is in `metrics_counts` and
`metrics_named`; durations are measured in `measures`.
"""

import asyncio
from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.responses import Response

from controlplane.core.targets import targets_of
from controlplane.web import metrics_counts, metrics_named
from controlplane.web.answers import answer
from controlplane.web.call import Call
from controlplane.web.door import Door
from controlplane.web.metrics_counts import Look
from protocol.targets import TargetView

REUSE = 10.0
"""An answer is given again for so many times as long as it took to make …"""

REUSE_MAX_S = 5.0
"""… but never longer, …"""

CHEAP_S = 0.02
"""… and not at all when it took less than this."""

SLICE = 200
"""Replicas or nodes looked at before the loop may do something else: 2 ms."""


async def metrics(call: Call) -> Response:
    """`GET /metrics`: Prometheus text; per node, service and replica only for those who show the token."""
    text = await _text(call.door, named=bool(call.who.name))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def targets(call: Call) -> Response:
    """`GET prometheus/targets`: announced copies of services with `x-rope.metrics`, for Prometheus's HTTP discovery."""
    found: list[TargetView] = []
    cluster, now = call.cluster, call.now
    for looked, target in enumerate(targets_of(cluster, now.wall), 1):
        if target is not None:
            found.append(target)
        if looked % SLICE == 0:
            await asyncio.sleep(0)
    return answer(found)


async def _text(door: Door, *, named: bool) -> bytes:
    kept, clock = door.measures.kept[named], asyncio.get_running_loop().time
    async with kept.lock:
        began = clock()
        if began >= kept.until:
            look = await _look(door)
            kept.text = await asyncio.to_thread(_written, door, look, named)
            took_s = clock() - began
            kept.until = clock() + (min(REUSE_MAX_S, REUSE * took_s) if took_s > CHEAP_S else 0.0)
        return kept.text


async def _look(door: Door) -> Look:
    """The tables as they are now, for a thread to read: records never change. Projects and nodes are looked at in
    slices, so what is told of them is of the same moment within some milliseconds.
    """
    cluster, now = door.controller.cluster, door.now()
    figures = {}
    for looked, name in enumerate(list(cluster.nodes), 1):
        figures[name] = door.figures.figures(name)
        if looked % SLICE == 0:
            await asyncio.sleep(0)
    states: list[str] = []
    seen = 0
    for project in list(cluster.projects.values()):
        seen += 1 + len(cluster.of_project.get(project.code, ()))
        states.append(metrics_counts.state_of(cluster, project, now.wall))
        if seen >= SLICE:
            seen = 0
            await asyncio.sleep(0)
    return metrics_counts.look(door, states, figures, now)


def _written(door: Door, look: Look, named: bool) -> bytes:
    return generate_latest(_All(door, look, named))


class _All(Collector):
    """Every family, in the order in which it is written."""

    def __init__(self, door: Door, look: Look, named: bool) -> None:
        self._door = door
        self._look = look
        self._named = named

    def collect(self) -> Iterator[Metric]:
        yield from metrics_counts.families(self._look)
        yield from self._door.measures.registry.collect()
        if self._named:
            yield from metrics_named.families(self._look, self._door.settings.metrics_replicas)
