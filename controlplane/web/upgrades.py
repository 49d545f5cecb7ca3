"""Handlers for upgrades of agents."""

import re

from starlette.responses import Response

from controlplane.core.command import UpgradeNodes
from controlplane.core.upgrade import Upgrade
from controlplane.core.upgrading import BATCH_MAX, IMAGE_MAX
from controlplane.core.views import upgrade_view
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call, bad
from protocol.api import UpgradeRequest
from protocol.names import NODE, is_legal

NODES_MAX = 1000

_NUMBER = re.compile(r"[0-9]{1,18}")


async def upgrade_nodes(call: Call) -> Response:
    """`POST upgrades`: of these nodes, or of all that can be."""
    wanted = await call.body(UpgradeRequest)
    if not 1 <= wanted.batch <= BATCH_MAX:
        raise bad("batch", f"must be from 1 to {BATCH_MAX}")
    if len(wanted.nodes) > NODES_MAX or not all(is_legal(NODE, name) for name in wanted.nodes):
        raise bad("nodes", f"must be at most {NODES_MAX} names of nodes")
    if len(wanted.image) > IMAGE_MAX:
        raise bad("image", f"must have at most {IMAGE_MAX} characters")
    image = wanted.image or call.door.settings.image
    if not image:
        raise bad("image", "is needed: this Center knows no image of its own release (--image or ROPE_IMAGE)")
    made: Upgrade = await call.ask(
        UpgradeNodes(actor=call.who.name, nodes=wanted.nodes, image=image, batch=wanted.batch)
    )
    return answer(upgrade_view(made), 202)


async def upgrades(call: Call) -> Response:
    """`GET upgrades`, newest first."""
    return answer([upgrade_view(found) for _, found in sorted(call.cluster.upgrades.items(), reverse=True)])


async def upgrade(call: Call) -> Response:
    """`GET upgrades/{id}`."""
    text: str = call.request.path_params["id"]
    found = call.cluster.upgrades.get(int(text)) if _NUMBER.fullmatch(text) else None
    if found is None:
        raise Rejected("not_found", f"there is no upgrade {text[:40]!r}")
    return answer(upgrade_view(found))
