"""What each operation of the API takes and answers, beside the types that decode and encode it.

One entry for each row of `routes.TABLE`; a test holds them equal. `openapi` makes the document of it. Serves nothing.
"""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from controlplane.core.deployment import DeploymentState
from controlplane.web.records import TASK
from protocol.adoption import AdoptionView
from protocol.api import (
    AddressesView,
    ApiTokenAnswer,
    ApiTokenRequest,
    ApiTokenView,
    DeployAnswer,
    DeploymentView,
    DeployRequest,
    DrainPlan,
    DrainRequest,
    FailoverAnswer,
    FailoverRequest,
    HistoryEntry,
    JoinTokenAnswer,
    JoinTokenRequest,
    JoinTokenView,
    NodePatch,
    NodeView,
    Page,
    PlanAnswer,
    ProjectView,
    RestartRequest,
    RollbackRequest,
    ScaleRequest,
    TaskView,
    UpgradeRequest,
    UpgradeView,
    UsageHistory,
    UsageRange,
    WhoAnswer,
)
from protocol.messages import TaskState
from protocol.names import LABEL_VALUE_MAX, NODE, PROJECT
from protocol.targets import TargetView

Schema = Mapping[str, Any]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of an operation. `where`: `query`, `path` or `header`."""

    name: str
    text: str
    schema: Schema
    where: str = "query"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one operation takes and answers. `answers`: status -> type of the body, None = no body.

    `compose`: the body may also be the Compose file itself, as YAML. `errors`: codes of `answers.STATUS` beyond those
    that every operation may give.
    """

    summary: str
    answers: Mapping[int, Any]
    tag: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_needed: bool = True
    compose: bool = False
    errors: tuple[str, ...] = ()
    open: bool = False
    """No token is needed."""
    media: str = "application/json"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /healthz`."""

    status: str
    version: str


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /readyz`."""

    status: str


def _query(name: str, text: str, **schema: Any) -> Parameter:
    return Parameter(name=name, text=text, schema=schema)


def _path(name: str, text: str, pattern: str) -> Parameter:
    return Parameter(name=name, text=text, where="path", schema={"type": "string", "pattern": f"^{pattern}$"})


LIMIT = _query("limit", "at most so many entries; 100 unless given", type="integer", minimum=1, maximum=1000)
_STRATEGY = _query(
    "strategy",
    "for services that name none in the file",
    type="string",
    enum=["least_loaded", "labels", "affinity"],
)
_RANGE = _query(
    "range",
    "1h: the last hour at 10 s, the default; 7d: the last seven days at 5 min",
    type="string",
    enum=list(get_args(UsageRange)),
)
_OF_PROJECT = _query("project", "only of this project", type="string", pattern=f"^{PROJECT.pattern}$")
_OF_NODE = _query("node", "only of this node", type="string", pattern=f"^{NODE.pattern}$")
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 1 << 62}

CODE = _path("code", "the project's code", PROJECT.pattern)
NAME = _path("name", "the node's name", NODE.pattern)
IF_MATCH = Parameter(
    name="If-Match",
    where="header",
    text="the project's ETag as it was last seen; when the project is another one by now, nothing is done (412)",
    schema={"type": "string", "maxLength": 100},
)
_IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    where="header",
    text="the ETag of the last answer; while it is the same, the answer is 304 without a body",
    schema={"type": "string", "maxLength": 100},
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    where="header",
    text="the same request with the same key is done once and answered alike",
    schema={"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
)

_CHANGED = {202: DeployAnswer, 200: DeployAnswer}
_REFUSED = ("not_found", "conflict", "invalid", "stale")


def _nodes() -> dict[str, Operation]:
    def on_node(summary: str, **more: Any) -> Operation:
        given: dict[str, Any] = {"answers": {200: NodeView}, "parameters": (NAME,), "errors": ("not_found",)}
        return Operation(summary=summary, tag="nodes", **(given | more))

    confirm = on_node("Say that a machine held as offline is really down", errors=("not_found", "conflict"))
    force = _query("force", "also while it is online or has replicas", type="boolean")
    return {
        "GET /api/v1/nodes": Operation(summary="All nodes, by name", tag="nodes", answers={200: list[NodeView]}),
        "GET /api/v1/nodes/{name}": on_node("One node"),
        "PATCH /api/v1/nodes/{name}": on_node(
            f"Change labels (merged; null removes; values up to {LABEL_VALUE_MAX} characters), weight or address",
            body=NodePatch,
            errors=("not_found", "conflict", "invalid"),
        ),
        "DELETE /api/v1/nodes/{name}": on_node(
            "Remove a node: its key is no longer accepted",
            answers={204: None},
            parameters=(NAME, force),
            errors=("not_found", "conflict"),
        ),
        "POST /api/v1/nodes/{name}/drain": on_node(
            "Move everything movable away", body=DrainRequest, body_needed=False, errors=("not_found", "conflict")
        ),
        "GET /api/v1/nodes/{name}/drain-plan": on_node(
            "What a drain would do now: what moves where, and what stays", answers={200: DrainPlan}
        ),
        "POST /api/v1/nodes/{name}/resume": on_node("Take replicas again", errors=("not_found", "conflict")),
        "POST /api/v1/nodes/{name}/confirm-down": confirm,
        "POST /api/v1/join-tokens": Operation(
            summary="A one-time token for a new node, shown once",
            tag="nodes",
            body=JoinTokenRequest,
            body_needed=False,
            answers={201: JoinTokenAnswer},
            errors=("busy", "conflict", "invalid"),
        ),
        "GET /api/v1/join-tokens": Operation(
            summary="Join tokens, without their secrets", tag="nodes", answers={200: list[JoinTokenView]}
        ),
        "DELETE /api/v1/join-tokens/{id}": Operation(
            summary="Revoke a join token; a node that joined with it stays",
            tag="nodes",
            parameters=(_path("id", "the token's id", "[0-9a-f]{1,64}"),),
            answers={204: None},
            errors=("not_found",),
        ),
    }


def _access() -> dict[str, Operation]:
    return {
        "POST /api/v1/api-tokens": Operation(
            summary="A token for a program, shown once; only the admin token may",
            tag="access",
            body=ApiTokenRequest,
            answers={201: ApiTokenAnswer},
            errors=("busy", "conflict", "forbidden", "invalid"),
        ),
        "GET /api/v1/api-tokens": Operation(
            summary="API tokens, without their secrets", tag="access", answers={200: list[ApiTokenView]}
        ),
        "DELETE /api/v1/api-tokens/{id}": Operation(
            summary="Revoke an API token; only the admin token may",
            tag="access",
            parameters=(_path("id", "the token's id", "[0-9a-f]{1,64}"),),
            answers={204: None},
            errors=("forbidden", "not_found"),
        ),
    }


def _upgrades() -> dict[str, Operation]:
    return {
        "POST /api/v1/upgrades": Operation(
            summary="Replace the agents of these nodes, or of all, by another image, some at a time",
            tag="nodes",
            body=UpgradeRequest,
            answers={202: UpgradeView},
            errors=("not_found", "conflict", "invalid"),
        ),
        "GET /api/v1/upgrades": Operation(
            summary="Upgrades of agents, newest first", tag="nodes", answers={200: list[UpgradeView]}
        ),
        "GET /api/v1/upgrades/{id}": Operation(
            summary="One upgrade, node by node",
            tag="nodes",
            parameters=(Parameter(name="id", text="the upgrade's number", where="path", schema=_NUMBER),),
            answers={200: UpgradeView},
            errors=("not_found",),
        ),
    }


def _projects() -> dict[str, Operation]:
    def on_project(summary: str, **more: Any) -> Operation:
        given: dict[str, Any] = {"answers": _CHANGED, "parameters": (CODE, IF_MATCH), "errors": _REFUSED}
        return Operation(summary=summary, tag="projects", **(given | more))

    return {
        "GET /api/v1/projects": Operation(
            summary="All projects, by code", tag="projects", answers={200: list[ProjectView]}
        ),
        "GET /api/v1/projects/{code}": on_project(
            "One project", answers={200: ProjectView}, parameters=(CODE,), errors=("not_found",)
        ),
        "GET /api/v1/projects/{code}/addresses": on_project(
            "Where each service is reached now: the addresses of copies that are ready and not on their way out",
            answers={200: AddressesView, 304: None},
            parameters=(CODE, _IF_NONE_MATCH),
            errors=("not_found",),
        ),
        "GET /api/v1/projects/{code}/history": on_project(
            "Its deployments, newest first: who, when, what changed, how long, result",
            answers={200: list[HistoryEntry]},
            parameters=(CODE, _query("before", "only those before this deployment", **_NUMBER), LIMIT),
            errors=("not_found",),
        ),
        "PUT /api/v1/projects/{code}": on_project(
            "Deploy this Compose file; 200 when it changes nothing",
            parameters=(CODE, _STRATEGY, IF_MATCH),
            body=DeployRequest,
            compose=True,
            errors=("conflict", "invalid", "stale", "unsupported_type"),
        ),
        "DELETE /api/v1/projects/{code}": on_project("Stop and forget the project; named volumes stay"),
        "POST /api/v1/projects/{code}/plan": on_project(
            "What a deploy of this file would do now; changes nothing",
            parameters=(CODE, _STRATEGY),
            body=DeployRequest,
            compose=True,
            answers={200: PlanAnswer},
            errors=("conflict", "invalid", "unsupported_type"),
        ),
        "POST /api/v1/projects/{code}/restart": on_project(
            "Restart replicas, one after the other", body=RestartRequest, body_needed=False
        ),
        "POST /api/v1/projects/{code}/scale": on_project("Change numbers of replicas", body=ScaleRequest),
        "POST /api/v1/projects/{code}/rollback": on_project(
            "Deploy a former revision again", body=RollbackRequest, body_needed=False
        ),
        "POST /api/v1/projects/{code}/failover": on_project(
            "Start interrupted replicas elsewhere now, also those that wait for a person's word",
            parameters=(CODE,),
            body=FailoverRequest,
            body_needed=False,
            answers={202: FailoverAnswer},
            errors=("not_found", "conflict", "invalid"),
        ),
        "POST /api/v1/projects/{code}/stop": on_project("Run none of its replicas, dependents first"),
        "POST /api/v1/projects/{code}/start": on_project("Run as many as before it was stopped"),
    }


def _usage() -> dict[str, Operation]:
    def over_time(summary: str, tag: str, which: Parameter) -> Operation:
        given: dict[str, Any] = {"answers": {200: UsageHistory}, "parameters": (which, _RANGE)}
        return Operation(summary=summary, tag=tag, errors=("not_found",), **given)

    return {
        "GET /api/v1/nodes/{name}/usage": over_time("CPU and memory of a node over time", "nodes", NAME),
        "GET /api/v1/projects/{code}/usage": over_time("CPU and memory of its copies over time", "projects", CODE),
    }


def _records() -> dict[str, Operation]:
    before = _query("before", "only those before this number", **_NUMBER)
    state = _query("state", "only tasks in this state", type="string", enum=list(get_args(TaskState)))
    after = _query("after", "the first events after this number; without it the newest", **_NUMBER)
    cause = _query("cause", "only the story that this event began", **_NUMBER)
    earlier = _query("before", "only those made before this task", type="string", pattern=f"^{TASK.pattern}$")
    of_state = _query("state", "only deployments in this state", type="string", enum=list(get_args(DeploymentState)))
    number = Parameter(name="id", text="the deployment's number", where="path", schema=_NUMBER)

    def on_deployment(summary: str) -> Operation:
        given: dict[str, Any] = {"answers": {200: DeploymentView}, "parameters": (number,)}
        return Operation(summary=summary, tag="records", errors=("not_found", "conflict"), **given)

    return {
        "GET /api/v1/deployments": Operation(
            summary="Deployments, newest first",
            tag="records",
            answers={200: list[DeploymentView]},
            parameters=(_OF_PROJECT, of_state, before, LIMIT),
        ),
        "GET /api/v1/deployments/{id}": Operation(
            summary="One deployment with its steps",
            tag="records",
            answers={200: DeploymentView},
            parameters=(number,),
            errors=("not_found",),
        ),
        "POST /api/v1/deployments/{id}/pause": on_deployment("Begin nothing more until it is resumed"),
        "POST /api/v1/deployments/{id}/resume": on_deployment("Go on; what failed is tried again"),
        "POST /api/v1/deployments/{id}/cancel": on_deployment("End it, with everything as it was before"),
        "POST /api/v1/deployments/{id}/promote": on_deployment("Let the canary take over"),
        "POST /api/v1/deployments/{id}/abort": on_deployment("Take the release back"),
        "GET /api/v1/tasks": Operation(
            summary="Orders to agents, newest first",
            tag="records",
            answers={200: list[TaskView]},
            parameters=(_OF_NODE, _OF_PROJECT, state, earlier, LIMIT),
        ),
        "GET /api/v1/events": Operation(
            summary="The journal, in order",
            tag="records",
            answers={200: Page},
            parameters=(after, _OF_PROJECT, _OF_NODE, cause, LIMIT),
        ),
        "GET /api/v1/audit": Operation(
            summary="The lines of the journal that say who asked",
            tag="records",
            answers={200: Page},
            parameters=(after, _OF_PROJECT, _OF_NODE, LIMIT),
        ),
    }


def _about() -> dict[str, Operation]:
    def openly(summary: str, kind: Any, media: str = "application/json", errors: tuple[str, ...] = ()) -> Operation:
        return Operation(summary=summary, tag="about", answers={200: kind}, open=True, media=media, errors=errors)

    return {
        "GET /healthz": openly("Is it serving?", Health),
        "GET /readyz": openly("Can it make changes?", Ready, errors=("unavailable",)),
        "GET /metrics": openly("Figures for Prometheus; of nodes and replicas only with the token", str, "text/plain"),
        "GET /api/v1/prometheus/targets": Operation(
            summary="Announced copies of services with x-rope.metrics, for Prometheus's HTTP service discovery",
            tag="about",
            answers={200: list[TargetView]},
        ),
        "GET /api/v1/openapi.json": openly("This document", dict[str, Any]),
        "GET /api/v1/backup": Operation(
            summary="A backup as of now, with the keys: who has it can speak as this Center",
            tag="about",
            answers={200: str},
            media="application/gzip",
            errors=("unavailable", "full"),
        ),
        "GET /api/v1/adoption": Operation(
            summary="What a restored Center knows beside what agents hold", tag="about", answers={200: AdoptionView}
        ),
        "POST /api/v1/adoption/confirm": Operation(
            summary="End the adoption now", tag="about", answers={200: AdoptionView}, errors=("conflict",)
        ),
        "GET /api/v1/whoami": Operation(summary="Who asks, and of what", tag="about", answers={200: WhoAnswer}),
        "GET /api/v1/docs": openly("This document as a page", str, "text/html"),
    }


OPERATIONS: Mapping[str, Operation] = {
    **_about(), **_access(), **_nodes(), **_upgrades(), **_projects(), **_usage(), **_records()
}  # fmt: skip
"""`METHOD path` -> what it takes and answers."""
