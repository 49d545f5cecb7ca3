"""Handlers for deployments under way: pause, resume, cancel, promote, abort; and a project's history."""

import re

from starlette.responses import Response

from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    Command,
    PauseDeployment,
    PromoteCanary,
    ResumeDeployment,
)
from controlplane.core.deployment import Deployment
from controlplane.core.history import history_entry
from controlplane.core.views import deployment_view
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call
from protocol.names import PROJECT

_NUMBER = re.compile(r"[0-9]{1,18}")
_LIST = 100
_LIST_MAX = 1000


async def deployment(call: Call) -> Response:
    """`GET deployments/{id}`."""
    return answer(deployment_view(_known(call)))


async def pause(call: Call) -> Response:
    """`POST deployments/{id}/pause`: begin nothing more."""
    return await _do(call, PauseDeployment(actor=call.who.name, deployment=_known(call).id))


async def resume(call: Call) -> Response:
    """`POST deployments/{id}/resume`: go on; what failed is tried again."""
    return await _do(call, ResumeDeployment(actor=call.who.name, deployment=_known(call).id))


async def cancel(call: Call) -> Response:
    """`POST deployments/{id}/cancel`: end it, with everything as it was before."""
    return await _do(call, CancelDeployment(actor=call.who.name, deployment=_known(call).id))


async def promote(call: Call) -> Response:
    """`POST deployments/{id}/promote`: the canary takes over."""
    return await _do(call, PromoteCanary(actor=call.who.name, deployment=_known(call).id))


async def abort(call: Call) -> Response:
    """`POST deployments/{id}/abort`: take the release back."""
    return await _do(call, AbortRelease(actor=call.who.name, deployment=_known(call).id))


async def history(call: Call) -> Response:
    """`GET projects/{code}/history?before=ID&limit=`, newest first; also of a project that was removed."""
    code, before = call.name("code", PROJECT), call.number("before")
    limit = call.number("limit", _LIST, least=1, most=_LIST_MAX) or _LIST
    mine = [
        d
        for number, d in sorted(call.cluster.deployments.items(), reverse=True)
        if d.project == code and (before is None or number < before)
    ]
    if not mine and code not in call.cluster.projects:
        raise Rejected("not_found", f"there is no project {code!r}")
    return answer([history_entry(call.cluster, d, call.now.wall) for d in mine[:limit]])


async def _do(call: Call, command: Command) -> Response:
    changed: Deployment = await call.ask(command)
    return answer(deployment_view(call.cluster.deployments.get(changed.id, changed)))


def _known(call: Call) -> Deployment:
    text: str = call.request.path_params["id"]
    found = call.cluster.deployments.get(int(text)) if _NUMBER.fullmatch(text) else None
    if found is None:
        raise Rejected("not_found", f"there is no deployment {text[:40]!r}")
    return found
