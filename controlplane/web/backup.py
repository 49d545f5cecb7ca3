"""A backup of the Center, downloaded; and after a restore, what it adopts: shown, confirmed. Rules: `core.adoption`."""

import asyncio
from collections.abc import AsyncIterator
from typing import IO

from starlette.responses import Response, StreamingResponse

from controlplane.core import adoption as rules
from controlplane.core.command import EndAdoption, NoteBackup
from controlplane.core.draft import Draft
from controlplane.core.findings import findings
from controlplane.store.backup import file_name
from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call
from protocol.adoption import AdoptionView, DifferenceView

PIECE = 256 * 1024
KIND = "application/gzip"


async def backup(call: Call) -> Response:
    """Everything that must survive, as of now, with the keys: who has it can speak as this Center."""
    try:
        file, manifest = await call.door.copies.download()
    except TimeoutError as error:
        raise Rejected("unavailable", "another backup is being made; ask again in a moment") from error
    try:
        await call.ask(NoteBackup(actor=call.who.name))
        size = file.seek(0, 2)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    name = file_name(manifest.taken_at)
    headers = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_pieces(file), headers=headers, media_type=KIND)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


async def adoption(call: Call) -> Response:
    """What a restored Center knows beside what agents hold, and what follows from it."""
    return answer(_view(call))


async def confirm(call: Call) -> Response:
    """End the adoption now."""
    await call.ask(EndAdoption(actor=call.who.name))
    return answer(_view(call))


def _view(call: Call) -> AdoptionView:
    meta, told = call.cluster.meta, call.cluster.volatile.claims
    if not meta.adopting:
        return AdoptionView(state="none", incarnation=meta.incarnation)
    draft = Draft(call.cluster, call.now)
    found = findings(draft, told)
    return AdoptionView(
        state="adopting",
        incarnation=meta.incarnation,
        seconds_left=round(rules.seconds_left(draft), 1) if meta.adopt_until else rules.WINDOW_S,
        back=tuple(sorted(told)),
        away=tuple(sorted(call.cluster.nodes.keys() - told.keys())),
        kept=sum(one.action == "keep" for one in found),
        differences=tuple(
            DifferenceView(replica=str(f.id), action=f.action, backup=f.backup, found=f.found, node=f.node)
            for f in found
            if f.action != "keep"
        ),
    )
