"""Handlers for what nodes and projects used over time. The same figures as charts: `chart.py`."""

from starlette.responses import Response

from controlplane.core.views import MIB, iso
from controlplane.store.ring_file import Subject
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call, bad
from protocol.api import UsageHistory
from protocol.names import NODE, PROJECT


async def of_node(call: Call) -> Response:
    """`GET nodes/{name}/usage?range=1h|7d`."""
    name = call.name("name", NODE)
    node = call.cluster.nodes.get(name)
    if node is None:
        raise Rejected("not_found", f"there is no node {name!r}")
    memory_mb = round(node.capacity.memory / MIB, 1)
    return answer(await _history(call, ("node", name), node.capacity.cpus, memory_mb))


async def of_project(call: Call) -> Response:
    """`GET projects/{code}/usage?range=1h|7d`."""
    code = call.name("code", PROJECT)
    if code not in call.cluster.projects:
        raise Rejected("not_found", f"there is no project {code!r}")
    return answer(await _history(call, ("project", code)))


async def _history(
    call: Call, subject: Subject, cpus: float | None = None, memory_mb: float | None = None
) -> UsageHistory:
    rings, wall = call.door.rings, call.now.wall
    match call.request.query_params.get("range", "1h"):
        case "1h" as wanted:
            series = rings.hour(subject, wall)
        case "7d" as wanted:
            series = await rings.week(subject, wall)
        case _:
            raise bad("range", "must be one of 1h, 7d")
    return UsageHistory(
        range=wanted,
        start=iso(series.start),
        step_s=series.step_s,
        cpu_usage=series.cpu,
        mem_mb=series.memory_mb,
        cpus=cpus,
        mem_total_mb=memory_mb,
    )
