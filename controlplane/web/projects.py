"""Handlers for projects: deploy, plan, restart, scale, rollback, remove."""

import msgspec
from starlette.responses import Response

from controlplane.core.addresses import addresses_view
from controlplane.core.command import (
    Accepted,
    Command,
    Deploy,
    FailOver,
    Plan,
    RemoveProject,
    Restart,
    Rollback,
    Scale,
    StartProject,
    StopProject,
)
from controlplane.core.project import Project
from controlplane.core.record import Refused
from controlplane.core.views import deployment_view, project_view
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call, bad, etag
from controlplane.web.compose import asked
from protocol.api import (
    DeployAnswer,
    FailoverRequest,
    PlanAnswer,
    Problem,
    RestartRequest,
    RollbackRequest,
    ScaleRequest,
)
from protocol.names import PROJECT, SERVICE, is_legal

REPLICAS_MAX = 1000


async def projects(call: Call) -> Response:
    """`GET projects`."""
    found = sorted(call.cluster.projects.items())
    return answer([project_view(call.cluster, project, call.now) for _, project in found])


async def project(call: Call) -> Response:
    """`GET projects/{code}`, with its revision as `ETag`."""
    found = _known(call)
    return answer(project_view(call.cluster, found, call.now), headers={"ETag": etag(found.revision)})


async def addresses(call: Call) -> Response:
    """`GET projects/{code}/addresses`: 304 while they are as `If-None-Match` says."""
    found = addresses_view(call.cluster, _known(call), call.now.wall)
    headers = {"etag": f'"{found.version}"', "cache-control": "no-cache"}
    if call.request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return answer(found, headers=headers)


async def deploy(call: Call) -> Response:
    """`PUT projects/{code}?strategy=`: 202 with the deployment, 200 when unchanged, 422 with all errors of the file."""
    wanted = await asked(call, call.name("code", PROJECT, "bad_request"))
    command = Deploy(actor=call.who.name, spec=wanted.compose.spec, source=wanted.source, strategy=wanted.strategy)
    try:
        return await _operate(call, command, tuple(wanted.compose.warnings))
    except Refused as error:
        raise wanted.pointed(error) from error


async def plan(call: Call) -> Response:
    """`POST projects/{code}/plan?strategy=`: what a deploy of this file would do now."""
    wanted = await asked(call, call.name("code", PROJECT, "bad_request"))
    try:
        found: PlanAnswer = await call.ask(
            Plan(actor=call.who.name, spec=wanted.compose.spec, strategy=wanted.strategy)
        )
    except Refused as error:
        raise wanted.pointed(error) from error
    return answer(msgspec.structs.replace(found, warnings=(*wanted.compose.warnings, *found.warnings)))


async def restart(call: Call) -> Response:
    """`POST projects/{code}/restart`."""
    wanted = await call.body(RestartRequest, optional=True)
    _check_services(wanted.services)
    return await _operate(call, Restart(actor=call.who.name, project=_known(call).code, services=wanted.services))


async def scale(call: Call) -> Response:
    """`POST projects/{code}/scale`."""
    wanted = await call.body(ScaleRequest)
    _check_services(wanted.services)
    for name, count in wanted.services.items():
        if not 0 <= count <= REPLICAS_MAX:
            raise bad(f"services.{name}", f"must be from 0 to {REPLICAS_MAX}")
    if not wanted.services:
        raise bad("services", "must name at least one service")
    return await _operate(call, Scale(actor=call.who.name, project=_known(call).code, services=wanted.services))


async def stop(call: Call) -> Response:
    """`POST projects/{code}/stop`."""
    return await _operate(call, StopProject(actor=call.who.name, project=_known(call).code))


async def start(call: Call) -> Response:
    """`POST projects/{code}/start`."""
    return await _operate(call, StartProject(actor=call.who.name, project=_known(call).code))


async def rollback(call: Call) -> Response:
    """`POST projects/{code}/rollback`."""
    wanted = await call.body(RollbackRequest, optional=True)
    if wanted.revision < 0:
        raise bad("revision", "must be 0 (the one before) or the number of a revision")
    return await _operate(call, Rollback(actor=call.who.name, project=_known(call).code, revision=wanted.revision))


async def failover(call: Call) -> Response:
    """`POST projects/{code}/failover`: a person says that interrupted replicas may be started elsewhere."""
    wanted = await call.body(FailoverRequest, optional=True)
    _check_services(wanted.services)
    command = FailOver(actor=call.who.name, project=_known(call).code, services=wanted.services)
    return answer(await call.ask(command), 202)


async def remove(call: Call) -> Response:
    """`DELETE projects/{code}`: stop and forget it; named volumes stay."""
    return await _operate(call, RemoveProject(actor=call.who.name, project=_known(call).code))


async def _operate(call: Call, command: Command, warnings: tuple[Problem, ...] = ()) -> Response:
    known = call.cluster.projects.get(call.name("code", PROJECT, "bad_request"))
    wanted = call.if_revision(known.revision if known else 0)
    accepted: Accepted = await call.ask(msgspec.structs.replace(command, if_revision=wanted))
    deployment = call.cluster.deployments.get(accepted.deployment)
    body = DeployAnswer(
        unchanged=accepted.unchanged,
        project=accepted.project,
        revision=accepted.revision,
        deployment=deployment_view(deployment) if deployment else None,
        warnings=(*warnings, *(Problem(message=text) for text in accepted.warnings)),
    )
    return answer(body, 200 if accepted.unchanged else 202, {"ETag": etag(accepted.revision)})


def _known(call: Call) -> Project:
    code = call.name("code", PROJECT)
    found = call.cluster.projects.get(code)
    if found is None:
        raise Rejected("not_found", f"there is no project {code!r}")
    return found


def _check_services(names: object) -> None:
    assert isinstance(names, tuple | dict)
    for name in names:
        if not is_legal(SERVICE, name):
            raise bad("services", f"{name[:80]!r} is not a legal name of a service")
