"""Handlers for nodes."""

import ipaddress
import math
import re

import msgspec
from starlette.responses import Response

from controlplane.core.command import (
    ConfirmDown,
    DrainNode,
    PatchNode,
    PlanDrain,
    RemoveNode,
    ResumeNode,
)
from controlplane.core.node import Node
from controlplane.core.nodes import DEADLINE_MAX_S, WEIGHT_MAX
from controlplane.core.views import node_view
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call, bad
from protocol.api import DrainPlan, DrainRequest, NodePatch, NodeView, Problem
from protocol.names import LABEL_KEY, LABEL_VALUE_MAX, NODE, is_legal

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


async def nodes(call: Call) -> Response:
    """`GET nodes`."""
    return answer([_view(call, node) for _, node in sorted(call.cluster.nodes.items())])


async def node(call: Call) -> Response:
    """`GET nodes/{name}`."""
    return answer(_view(call, _known(call)))


async def patch_node(call: Call) -> Response:
    """`PATCH nodes/{name}`: labels are merged, null removes one."""
    patch = await call.body(NodePatch)
    problems = _problems(patch)
    if problems:
        raise Rejected("bad_request", f"{problems[0].field}: {problems[0].message}", *problems)
    given = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not msgspec.UNSET}
    await call.ask(PatchNode(actor=call.who.name, node=_known(call).name, **given))
    return answer(_view(call, _known(call)))


async def drain(call: Call) -> Response:
    """`POST nodes/{name}/drain`."""
    wanted = await call.body(DrainRequest, optional=True)
    node = _known(call).name
    if not (math.isfinite(wanted.deadline_s) and 0 <= wanted.deadline_s <= DEADLINE_MAX_S):
        raise bad("deadline_s", f"must be from 0 (none) to {DEADLINE_MAX_S:.0f} seconds")
    await call.ask(DrainNode(actor=call.who.name, node=node, deadline_s=wanted.deadline_s))
    return answer(_view(call, _known(call)))


async def drain_plan(call: Call) -> Response:
    """`GET nodes/{name}/drain-plan`: what a drain would do now."""
    plan: DrainPlan = await call.ask(PlanDrain(actor=call.who.name, node=_known(call).name))
    return answer(plan)


async def resume(call: Call) -> Response:
    """`POST nodes/{name}/resume`."""
    await call.ask(ResumeNode(actor=call.who.name, node=_known(call).name))
    return answer(_view(call, _known(call)))


async def confirm_down(call: Call) -> Response:
    """`POST nodes/{name}/confirm-down`."""
    await call.ask(ConfirmDown(actor=call.who.name, node=_known(call).name))
    return answer(_view(call, _known(call)))


async def remove_node(call: Call) -> Response:
    """`DELETE nodes/{name}?force=true`."""
    await call.ask(RemoveNode(actor=call.who.name, node=_known(call).name, force=call.flag("force")))
    return Response(status_code=204)


def is_loopback(host: str) -> bool:
    """True for `localhost` and addresses that do not leave the machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _known(call: Call) -> Node:
    name = call.name("name", NODE)
    found = call.cluster.nodes.get(name)
    if found is None:
        raise Rejected("not_found", f"there is no node {name!r}")
    return found


def _view(call: Call, known: Node) -> NodeView:
    return node_view(call.cluster, known, call.door.figures.figures(known.name), call.now)


def _problems(patch: NodePatch) -> list[Problem]:
    found = []
    for key, value in (patch.labels or {}).items():
        if not is_legal(LABEL_KEY, key):
            found.append(Problem(field=f"labels.{key[:80]}", message=f"the key must match {LABEL_KEY.pattern}"))
        if value is not None and not is_label_value(value):
            text = f"the value must be at most {LABEL_VALUE_MAX} printable characters"
            found.append(Problem(field=f"labels.{key[:80]}", message=text))
    if isinstance(patch.weight, float) and not (math.isfinite(patch.weight) and 0 < patch.weight <= WEIGHT_MAX):
        found.append(Problem(field="weight", message=f"must be above 0 and at most {WEIGHT_MAX:g}"))
    if isinstance(patch.address, str) and not is_ip(patch.address):
        found.append(Problem(field="address", message="must be an IP address"))
    return found


def is_label_value(text: str) -> bool:
    """True for a label's value: short and printable, any script."""
    return len(text) <= LABEL_VALUE_MAX and (not text or text.isprintable())


def is_address(text: str) -> bool:
    """True for an IP address or a host name."""
    return is_ip(text) or is_legal(_HOST, text)


def is_ip(text: str) -> bool:
    """True for an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
