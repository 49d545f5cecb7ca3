"""Forms that change something: each checks who sends it, asks the one writer, and leads to the page that shows it done.

What is refused is said on the page that asked, which keeps its state. Reading pages are in `pages.py`.
"""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from controlplane.core.command import (
    AbortRelease,
    Accepted,
    CancelDeployment,
    Command,
    ConfirmDown,
    DrainNode,
    PauseDeployment,
    PromoteCanary,
    RemoveNode,
    RemoveProject,
    Restart,
    ResumeDeployment,
    ResumeNode,
    Rollback,
    Scale,
    StartProject,
    StopProject,
)
from controlplane.core.record import Refused
from controlplane.web.answers import STATUS, Rejected
from controlplane.web.call import whole_number
from controlplane.web.dashboard import Dashboard
from controlplane.web.forms import FIELD, check_sender, check_token
from controlplane.web.pages import Pages, ask
from controlplane.web.undo import command_of, undo_of
from controlplane.web.visit import FORM_MAX, Visit
from protocol.names import SERVICE, is_legal

REPLICAS_MAX = 1000

_STEERING: dict[str, type[Command]] = {
    "pause": PauseDeployment,
    "resume": ResumeDeployment,
    "cancel": CancelDeployment,
    "promote": PromoteCanary,
    "abort": AbortRelease,
}

Show = Callable[..., Awaitable[Response]]


class Deeds:
    """Handlers of forms for people who are signed in."""

    def __init__(self, dashboard: Dashboard, pages: Pages) -> None:
        self._dashboard = dashboard
        self._pages = pages

    async def restart(self, visit: Visit) -> Response:
        """`POST /projects/{code}/restart`."""
        await self.fields(visit)
        return await self._operate(visit, Restart(project=self._pages.known_project(visit), actor=who(visit)))

    async def stop(self, visit: Visit) -> Response:
        """`POST /projects/{code}/stop`."""
        await self.fields(visit)
        return await self._operate(visit, StopProject(project=self._pages.known_project(visit), actor=who(visit)))

    async def start(self, visit: Visit) -> Response:
        """`POST /projects/{code}/start`."""
        await self.fields(visit)
        return await self._operate(visit, StartProject(project=self._pages.known_project(visit), actor=who(visit)))

    async def undo(self, visit: Visit) -> Response:
        """`POST /deployments/{id}/undo`: the opposite, as an ordinary command, if it is still the last thing asked."""
        await self.fields(visit)
        number, cluster = self._pages.known_deployment(visit), self._dashboard.door.controller.cluster
        found, deployment = undo_of(cluster, number), cluster.deployments[number]
        if found is None:
            return await self._pages.deployment(visit, "there is nothing to undo: it ended or changed since", 409)
        command = command_of(found, deployment, who(visit))
        if found.way != "end":
            return await self._operate(visit, command)
        try:
            await self.ask(command)
        except Refused as error:
            return await self._pages.deployment(visit, error.message, STATUS.get(error.code, 400))
        return visit.redirect(f"/deployments/{number}")

    async def dismiss(self, visit: Visit) -> Response:
        """`POST /deployments/{id}/dismiss`: that it went wrong was seen."""
        await self.fields(visit)
        self._dashboard.live.dismiss(self._pages.known_deployment(visit))
        return visit.redirect("/")

    async def rollback(self, visit: Visit) -> Response:
        """`POST /projects/{code}/rollback`: to the revision in the form, else to the one before."""
        fields = await self.fields(visit)
        revision = whole_number("revision", fields.get("revision", "")) or 0
        code = self._pages.known_project(visit)
        return await self._operate(visit, Rollback(project=code, revision=revision, actor=who(visit)))

    async def scale(self, visit: Visit) -> Response:
        """`POST /projects/{code}/scale`."""
        fields, code = await self.fields(visit), self._pages.known_project(visit)
        service = fields.get("service", "").strip()
        if not is_legal(SERVICE, service):
            return await self._pages.project(visit, f"service: must match {SERVICE.pattern}", 400)
        typed = fields.get(f"replicas.{service}", fields.get("replicas", ""))
        count = whole_number("replicas", typed, most=REPLICAS_MAX)
        if count is None:
            return await self._pages.project(visit, f"replicas: must be from 0 to {REPLICAS_MAX}", 400)
        return await self._operate(visit, Scale(project=code, services={service: count}, actor=who(visit)))

    async def remove_project(self, visit: Visit) -> Response:
        """`POST /projects/{code}/remove`: the code must be typed."""
        fields, code = await self.fields(visit), self._pages.known_project(visit)
        if fields.get("confirm", "") != code:
            return await self._pages.project(visit, "nothing was removed: the code that was typed is another one", 400)
        return await self._operate(visit, RemoveProject(project=code, actor=who(visit)))

    async def steer(self, visit: Visit) -> Response:
        """`POST /deployments/{id}`: pause, resume, cancel, promote or abort it."""
        fields, number = await self.fields(visit), self._pages.known_deployment(visit)
        kind = _STEERING.get(fields.get("do", ""))
        if kind is None:
            raise Rejected("bad_request", "do: must be one of " + ", ".join(_STEERING))
        command = kind(deployment=number, actor=who(visit))  # type: ignore[call-arg]  # all five have it
        try:
            await self.ask(command)
        except Refused as error:
            return await self._pages.deployment(visit, error.message, STATUS.get(error.code, 400))
        return visit.redirect(f"/deployments/{number}")

    async def drain(self, visit: Visit) -> Response:
        """`POST /nodes/{name}/drain`."""
        return await self._on_node(visit, lambda name: DrainNode(node=name, actor=who(visit)))

    async def resume(self, visit: Visit) -> Response:
        """`POST /nodes/{name}/resume`."""
        return await self._on_node(visit, lambda name: ResumeNode(node=name, actor=who(visit)))

    async def confirm_down(self, visit: Visit) -> Response:
        """`POST /nodes/{name}/confirm-down`."""
        return await self._on_node(visit, lambda name: ConfirmDown(node=name, actor=who(visit)))

    async def remove_node(self, visit: Visit) -> Response:
        """`POST /nodes/{name}/remove`: the name must be typed; then it is removed whatever its state."""
        fields, name = await self.fields(visit), self._pages.known_node(visit)
        if fields.get("confirm", "") != name:
            return await self._pages.node(visit, "nothing was removed: the name that was typed is another one", 400)
        try:
            await self.ask(RemoveNode(node=name, force=True, actor=who(visit)))
        except Refused as error:
            return await self._pages.node(visit, error.message, STATUS.get(error.code, 400))
        return visit.redirect("/nodes")

    async def fields(self, visit: Visit, most: int = FORM_MAX) -> dict[str, str]:
        """The form, whose sender and secret were checked. Raises Rejected."""
        check_sender(visit.request, self._dashboard.door.settings.public_url)
        fields = await visit.form(most)
        assert visit.session is not None
        check_token(fields.get(FIELD, ""), visit.session.csrf)
        return fields

    async def ask(self, command: Command) -> object:
        """Ask the one writer. Raises Refused; Rejected(timeout)."""
        return await ask(self._dashboard.door, command)

    async def _operate(self, visit: Visit, command: Command) -> Response:
        try:
            accepted = await self.ask(command)
        except Refused as error:
            return await self._pages.project(visit, error.message, STATUS.get(error.code, 400))
        assert isinstance(accepted, Accepted)
        return visit.redirect(
            f"/deployments/{accepted.deployment}" if accepted.deployment else f"/projects/{accepted.project}"
        )

    async def _on_node(self, visit: Visit, command: Callable[[str], Command]) -> Response:
        await self.fields(visit)
        name = self._pages.known_node(visit)
        try:
            await self.ask(command(name))
        except Refused as error:
            return await self._pages.node(visit, error.message, STATUS.get(error.code, 400))
        return visit.redirect(f"/nodes/{name}")


def who(visit: Visit) -> str:
    """Who is signed in, for the journal."""
    assert visit.session is not None
    return visit.session.who.name
