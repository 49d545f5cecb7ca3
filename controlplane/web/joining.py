"""The page that adds a node: a name and labels, then one line to copy, then it waits until the node is there.

The secret is in the answer to the form and nowhere else: the page that is loaded again does not show it.
"""

import shlex

from starlette.responses import Response

from controlplane.core.node import JoinTicket
from controlplane.core.record import Refused
from controlplane.core.views import iso
from controlplane.web.answers import STATUS
from controlplane.web.dashboard import Dashboard
from controlplane.web.deeds import Deeds, who
from controlplane.web.nodes import is_label_value
from controlplane.web.pages import Pages
from controlplane.web.tokens import TTL_S, join_line, new_ticket
from controlplane.web.visit import Visit
from protocol.names import LABEL_KEY, LABEL_VALUE_MAX, NODE, is_legal

LABELS_MAX = 20
LIVES_S = {"900": TTL_S, "3600": 3600.0, "86400": 86400.0}
"""What the form offers, in seconds."""


class Joining:
    """Handlers of the page."""

    def __init__(self, dashboard: Dashboard, pages: Pages, deeds: Deeds) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._deeds = deeds

    async def form(self, visit: Visit, said: str = "", status: int = 200, name: str = "", labels: str = "") -> Response:
        """`GET /join`."""
        return await self._pages.show(visit, "nodes", page="join", said=said, status=status, wished=name, labels=labels)

    async def invite(self, visit: Visit) -> Response:
        """`POST /join`: a join token, shown once as the line that uses it."""
        fields = await self._deeds.fields(visit)
        name, labels = fields.get("name", "").strip(), fields.get("labels", "").strip()
        if problem := _problem(name, labels.split()):
            return await self.form(visit, problem, 400, name, labels)
        settings = self._dashboard.door.settings
        ttl_s = LIVES_S.get(fields.get("life", ""), TTL_S)
        token, command = new_ticket(settings.fingerprint, name, ttl_s, who(visit))
        try:
            made = await self._deeds.ask(command)
        except Refused as error:
            return await self.form(visit, error.message, STATUS.get(error.code, 400), name, labels)
        assert isinstance(made, JoinTicket)
        options = _options(name, labels.split())
        images = (settings.image, "") if settings.image else ("",)
        lines = [join_line(settings.public_url, visit.request.url, token, image) + options for image in images]
        return await self._pages.show(visit, "join", token.id, page="joining", lines=lines, until=iso(made.expires_at))


def _options(name: str, labels: list[str]) -> str:
    """What the agent is told besides, quoted for a shell."""
    named = f" --name {shlex.quote(name)}" if name else ""
    return named + "".join(f" --label {shlex.quote(label)}" for label in labels)


def _problem(name: str, labels: list[str]) -> str:
    """What is wrong with the form, "" when nothing is."""
    if name and not is_legal(NODE, name):
        return f"name: must match {NODE.pattern}"
    if len(labels) > LABELS_MAX:
        return f"labels: at most {LABELS_MAX}"
    for label in labels:
        key, mark, value = label.partition("=")
        if not mark or not is_legal(LABEL_KEY, key):
            return f"labels: {label[:80]!r} must be key=value, the key matching {LABEL_KEY.pattern}"
        if not is_label_value(value):
            return f"labels: the value of {key[:80]!r} must be at most {LABEL_VALUE_MAX} printable characters"
    return ""
