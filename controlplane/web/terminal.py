"""`GET /projects/{code}/terminal/{service}/{replica}`: the page of a terminal. What is typed goes over `pagestream`.

Opening the page runs nothing: a GET may come from anywhere. A person presses a button, and the command is asked for
over the socket, which is guarded like a form. xterm.js makes `<style>` elements of its own, so this page, and no other,
allows those that carry the nonce of this one answer (`static/stamp.js` puts it on).
"""

import secrets

from starlette.responses import Response

from controlplane.web.answers import Rejected
from controlplane.web.dashboard import Dashboard
from controlplane.web.guards import HEADERS
from controlplane.web.logpage import chosen_by
from controlplane.web.visit import Visit
from protocol.names import ReplicaId

_STYLES = "style-src 'self'"
_POLICY = "content-security-policy"


class Terminals:
    """The handler of terminals."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def terminal(self, visit: Visit) -> Response:
        """The page, with a policy of its own. Raises Rejected(not_found)."""
        chosen = chosen_by(visit)
        found = self._dashboard.door.controller.cluster.replicas.get(ReplicaId(*chosen))
        if found is None:
            raise Rejected("not_found", f"there is no {'/'.join(map(str, chosen))}")
        node = found.wanted.node if found.wanted is not None else ""
        nonce = secrets.token_urlsafe(16)
        answer = visit.page(self._dashboard.draw(visit, "terminal", chosen=chosen, node=node, nonce=nonce))
        answer.headers[_POLICY] = HEADERS[_POLICY].replace(_STYLES, f"{_STYLES} 'nonce-{nonce}'")
        return answer
