"""Every URL of the web ring in two lists, API and pages, each with who may use it. Handlers are elsewhere.

`routes` and `page_routes` are joined with the link's own routes by the app and given to `application`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from controlplane.web import (
    apitokens,
    backup,
    deployments,
    figures,
    health,
    metrics,
    nodes,
    projects,
    records,
    reference,
    tokens,
    upgrades,
)
from controlplane.web.answers import CODE, STATUS, Rejected, failure, refusal
from controlplane.web.assets import PREFIX
from controlplane.web.attempts import Attempts
from controlplane.web.call import Call, whole_number
from controlplane.web.composing import Composing
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds
from controlplane.web.door import Door
from controlplane.web.guards import BodyLimits, ErrorShape, SecurityHeaders
from controlplane.web.idempotency import Idempotency
from controlplane.web.joining import Joining
from controlplane.web.live import OVER
from controlplane.web.login import Login
from controlplane.web.logpage import LogPages
from controlplane.web.multiplex import Multiplex
from controlplane.web.pages import Pages
from controlplane.web.pagestream import PageStreams
from controlplane.web.palette import Palette
from controlplane.web.policy import (
    NOBODY,
    Policy,
    Who,
    admin,
    anyone,
    anyone_truly,
    check_origin,
    identify,
    owner,
    still_in,
)
from controlplane.web.rate import RateLimit
from controlplane.web.reference import Reference
from controlplane.web.settings_page import SettingsPage
from controlplane.web.stream import Streams
from controlplane.web.terminal import Terminals
from controlplane.web.visit import Visit
from protocol.live import LIVE

WATCH_S = 1.0
"""How often an open stream of an API token asks whether the token still counts."""

NOTHING = "there is nothing at this path"

Handler = Callable[[Call], Awaitable[Response]]


class Row(NamedTuple):
    """One URL: who may, and who serves it. `changes`: honours `Idempotency-Key`."""

    method: str
    path: str
    policy: Policy
    handler: Handler
    changes: bool = False


class Page(NamedTuple):
    """One URL for browsers, with a session instead of a token. Who may not is sent to sign in."""

    method: str
    path: str
    policy: Policy
    handler: Callable[[Visit], Awaitable[Response]]


class Socket(NamedTuple):
    """One WebSocket: the stream."""

    path: str
    policy: Policy


TABLE: Sequence[Row | Socket] = (
    Row("GET", "/healthz", anyone, health.healthz),
    Row("GET", "/readyz", anyone, health.readyz),
    Row("GET", "/metrics", anyone_truly, metrics.metrics),
    Row("GET", "/api/v1/openapi.json", anyone, reference.openapi),
    Row("GET", "/api/v1/whoami", admin, reference.whoami),
    Row("GET", "/api/v1/backup", admin, backup.backup),
    Row("GET", "/api/v1/adoption", admin, backup.adoption),
    Row("POST", "/api/v1/adoption/confirm", admin, backup.confirm, changes=True),
    Row("GET", "/api/v1/nodes", admin, nodes.nodes),
    Row("GET", "/api/v1/nodes/{name}", admin, nodes.node),
    Row("PATCH", "/api/v1/nodes/{name}", admin, nodes.patch_node, changes=True),
    Row("DELETE", "/api/v1/nodes/{name}", admin, nodes.remove_node, changes=True),
    Row("POST", "/api/v1/nodes/{name}/drain", admin, nodes.drain, changes=True),
    Row("GET", "/api/v1/nodes/{name}/drain-plan", admin, nodes.drain_plan),
    Row("GET", "/api/v1/nodes/{name}/usage", admin, figures.of_node),
    Row("POST", "/api/v1/nodes/{name}/resume", admin, nodes.resume, changes=True),
    Row("POST", "/api/v1/nodes/{name}/confirm-down", admin, nodes.confirm_down, changes=True),
    Row("POST", "/api/v1/upgrades", admin, upgrades.upgrade_nodes, changes=True),
    Row("GET", "/api/v1/upgrades", admin, upgrades.upgrades),
    Row("GET", "/api/v1/upgrades/{id}", admin, upgrades.upgrade),
    Row("POST", "/api/v1/join-tokens", admin, tokens.create, changes=True),
    Row("GET", "/api/v1/join-tokens", admin, tokens.tokens),
    Row("DELETE", "/api/v1/join-tokens/{id}", admin, tokens.revoke, changes=True),
    Row("POST", "/api/v1/api-tokens", owner, apitokens.create, changes=True),
    Row("GET", "/api/v1/api-tokens", admin, apitokens.tokens),
    Row("DELETE", "/api/v1/api-tokens/{id}", owner, apitokens.revoke, changes=True),
    Row("GET", "/api/v1/projects", admin, projects.projects),
    Row("GET", "/api/v1/projects/{code}", admin, projects.project),
    Row("GET", "/api/v1/projects/{code}/addresses", admin, projects.addresses),
    Row("GET", "/api/v1/projects/{code}/history", admin, deployments.history),
    Row("GET", "/api/v1/projects/{code}/usage", admin, figures.of_project),
    Row("PUT", "/api/v1/projects/{code}", admin, projects.deploy, changes=True),
    Row("DELETE", "/api/v1/projects/{code}", admin, projects.remove, changes=True),
    Row("POST", "/api/v1/projects/{code}/plan", admin, projects.plan),
    Row("POST", "/api/v1/projects/{code}/restart", admin, projects.restart, changes=True),
    Row("POST", "/api/v1/projects/{code}/scale", admin, projects.scale, changes=True),
    Row("POST", "/api/v1/projects/{code}/stop", admin, projects.stop, changes=True),
    Row("POST", "/api/v1/projects/{code}/start", admin, projects.start, changes=True),
    Row("POST", "/api/v1/projects/{code}/rollback", admin, projects.rollback, changes=True),
    Row("POST", "/api/v1/projects/{code}/failover", admin, projects.failover, changes=True),
    Row("GET", "/api/v1/deployments", admin, records.deployments),
    Row("GET", "/api/v1/deployments/{id}", admin, deployments.deployment),
    Row("POST", "/api/v1/deployments/{id}/pause", admin, deployments.pause, changes=True),
    Row("POST", "/api/v1/deployments/{id}/resume", admin, deployments.resume, changes=True),
    Row("POST", "/api/v1/deployments/{id}/cancel", admin, deployments.cancel, changes=True),
    Row("POST", "/api/v1/deployments/{id}/promote", admin, deployments.promote, changes=True),
    Row("POST", "/api/v1/deployments/{id}/abort", admin, deployments.abort, changes=True),
    Row("GET", "/api/v1/tasks", admin, records.tasks),
    Row("GET", "/api/v1/events", admin, records.events),
    Row("GET", "/api/v1/audit", admin, records.audit),
    Row("GET", "/api/v1/prometheus/targets", admin, metrics.targets),
    Socket("/api/v1/stream", admin),
)


def routes(door: Door) -> list[BaseRoute]:
    """The routes of the web ring, as `TABLE` says."""
    idempotency = Idempotency()
    by_path: dict[str, dict[str, Row]] = {}
    found: list[BaseRoute] = []
    for row in TABLE:
        match row:
            case Row():
                by_path.setdefault(row.path, {})[row.method] = row
            case Socket():
                found.append(WebSocketRoute(row.path, _stream(door, row.policy)))
    return [*(_route(door, idempotency, path, rows) for path, rows in by_path.items()), *found]


def pages(dashboard: Dashboard) -> Sequence[Page]:
    """The pages."""
    shown, login = Pages(dashboard), Login(dashboard, Attempts(lambda: dashboard.door.now().mono))
    deeds = Deeds(dashboard, shown)
    composing, joining = Composing(dashboard, shown, deeds), Joining(dashboard, shown, deeds)
    settings = SettingsPage(dashboard, shown, deeds)
    logs, terminals = LogPages(dashboard), Terminals(dashboard)
    return (
        Page("GET", "/", admin, shown.overview),
        Page("GET", "/nodes", admin, shown.nodes),
        Page("GET", "/join", admin, joining.form),
        Page("POST", "/join", admin, joining.invite),
        Page("GET", "/nodes/{name}", admin, shown.node),
        Page("GET", "/nodes/{name}/drain", admin, shown.drain),
        Page("POST", "/nodes/{name}/drain", admin, deeds.drain),
        Page("POST", "/nodes/{name}/resume", admin, deeds.resume),
        Page("POST", "/nodes/{name}/confirm-down", admin, deeds.confirm_down),
        Page("POST", "/nodes/{name}/remove", admin, deeds.remove_node),
        Page("GET", "/new", admin, composing.new),
        Page("POST", "/new", admin, composing.submit),
        Page("GET", "/projects", admin, shown.projects),
        Page("GET", "/projects/{code}", admin, shown.project),
        Page("GET", "/projects/{code}/edit", admin, composing.edit),
        Page("POST", "/projects/{code}/restart", admin, deeds.restart),
        Page("POST", "/projects/{code}/rollback", admin, deeds.rollback),
        Page("POST", "/projects/{code}/scale", admin, deeds.scale),
        Page("POST", "/projects/{code}/stop", admin, deeds.stop),
        Page("POST", "/projects/{code}/start", admin, deeds.start),
        Page("POST", "/projects/{code}/remove", admin, deeds.remove_project),
        Page("GET", "/projects/{code}/logs", admin, logs.logs),
        Page("GET", "/projects/{code}/logs/{service}", admin, logs.logs),
        Page("GET", "/projects/{code}/logs/{service}/{replica}", admin, logs.logs),
        Page("GET", "/projects/{code}/terminal/{service}/{replica}", admin, terminals.terminal),
        Page("GET", "/deployments/{id}", admin, shown.deployment),
        Page("POST", "/deployments/{id}", admin, deeds.steer),
        Page("POST", "/deployments/{id}/undo", admin, deeds.undo),
        Page("POST", "/deployments/{id}/dismiss", admin, deeds.dismiss),
        Page("GET", "/events", admin, shown.events),
        Page("GET", "/settings", admin, settings.show),
        Page("POST", "/settings/revoke", admin, settings.revoke),
        Page("POST", "/settings/api-tokens", owner, settings.make_token),
        Page("POST", "/settings/api-tokens/revoke", owner, settings.revoke_token),
        Page("POST", "/settings/sessions", admin, settings.sign_out_others),
        Page("GET", "/palette", admin, Palette(dashboard).find),
        Page("GET", "/api/v1/docs", anyone, Reference(dashboard).page),
        Page("GET", "/login", anyone, login.form),
        Page("POST", "/login", anyone, login.sign_in),
        Page("POST", "/logout", anyone, login.sign_out),
    )


def page_routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of the dashboard: its pages, their sockets and files."""
    by_path: dict[str, dict[str, Page]] = {}
    for page in pages(dashboard):
        by_path.setdefault(page.path, {})[page.method] = page
    return [
        *(_page(dashboard, path, found) for path, found in by_path.items()),
        WebSocketRoute("/live", _live(dashboard)),
        WebSocketRoute("/stream", PageStreams(dashboard).serve),
        Route(PREFIX + "{path:path}", dashboard.assets.serve, methods=["GET"]),
    ]


def application(found: Iterable[BaseRoute], *, plain: bool = False) -> ASGIApp:
    """All routes, the web ring's and the link's, behind the guards that every request passes. `plain`: people come over
    plain HTTP from other machines.
    """
    guard = Middleware(SecurityHeaders, plain=plain)
    app = Starlette(
        routes=list(found),
        middleware=[guard, Middleware(ErrorShape), Middleware(RateLimit), Middleware(BodyLimits)],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    app.router.default = _nothing
    return app


def _route(door: Door, idempotency: Idempotency, path: str, rows: dict[str, Row]) -> Route:
    """One path with all its methods, so that a 405 names them all."""

    async def endpoint(request: Request) -> Response:
        row = rows["GET" if request.method == "HEAD" else request.method]
        who = _who(request, door)
        row.policy(who)
        call = Call(door=door, request=request, who=who)
        if row.changes:
            return await idempotency.once(who.name, request, lambda: row.handler(call))
        return await row.handler(call)

    return Route(path, endpoint, methods=list(rows))


def _who(connection: HTTPConnection, door: Door) -> Who:
    return identify(connection, door.settings.admin_token_hash, door.controller.cluster.api_tokens, door.now().wall)


async def _watch(socket: WebSocket, door: Door, who: Who) -> None:
    """Close the socket when the API token that opened it is revoked or expires."""
    if not who.token:
        return
    while still_in(who, door.controller.cluster.api_tokens, door.now().wall):  # noqa: ASYNC110 - time makes it expire
        await asyncio.sleep(WATCH_S)
    await socket.close(OVER, "the API token is revoked or has expired")


def _stream(door: Door, policy: Policy) -> Callable[[WebSocket], Awaitable[None]]:
    streams = Streams(door)

    async def endpoint(socket: WebSocket) -> None:
        try:
            who = _who(socket, door)
            policy(who)
            check_origin(socket, door.settings.public_url)
        except Rejected as error:
            await socket.send_denial_response(refusal(error))
            return
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(_watch(socket, door, who))
            await serve(socket, who)
            watch.cancel()

    async def serve(socket: WebSocket, who: Who) -> None:
        try:
            if LIVE in socket.scope.get("subprotocols", ()):
                with streams.place():
                    await socket.accept(LIVE)
                    await Multiplex(door, socket, who).run()
                return
            after = whole_number("after", socket.query_params.get("after", ""))
            await streams.serve(socket, after)
        except Rejected as error:
            await socket.send_denial_response(refusal(error))

    return endpoint


def _page(dashboard: Dashboard, path: str, found: dict[str, Page]) -> Route:
    async def endpoint(request: Request) -> Response:
        page = found["GET" if request.method == "HEAD" else request.method]
        visit = dashboard.visit(request)
        try:
            page.policy(visit.session.who if visit.session else NOBODY)
        except Rejected:
            return visit.redirect("/login")
        try:
            return await page.handler(visit)
        except Rejected as error:
            return visit.page(dashboard.draw(visit, "error", error=error.message), STATUS.get(error.code, 400))

    return Route(path, endpoint, methods=list(found))


def _live(dashboard: Dashboard) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        try:
            if not socket.headers.get("origin"):
                raise Rejected("forbidden", "this socket is for the Center's own pages")
            check_origin(socket, dashboard.door.settings.public_url)
            asked = socket.query_params
            key = asked.get("view", ""), asked.get("of", ""), asked.get("lang", "")
            if not dashboard.live.knows(*key):
                raise Rejected("not_found", "there is no such view or language")
        except Rejected as error:
            await socket.send_denial_response(refusal(error))
            return
        await dashboard.live.serve(socket, key, lambda: dashboard.signed_in(socket))

    return endpoint


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """No such path. Starlette's own way denies a socket with 403 and no word."""
    if scope["type"] == "http":
        raise HTTPException(404)
    await WebSocket(scope, receive, send).send_denial_response(failure("not_found", NOTHING))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: NOTHING, 405: f"{request.method} is not allowed here"}
    code = CODE.get(error.status_code, "bad_request")
    message = messages.get(error.status_code, error.detail)
    return failure(code, message, headers=error.headers, status=error.status_code)
