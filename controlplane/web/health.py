"""`/healthz` and `/readyz`: is it serving, can it work; and how late its event loop is. Open to all, so no names."""

import asyncio
from collections import deque

from starlette.responses import Response

from controlplane.web.answers import Rejected, answer
from controlplane.web.call import Call
from protocol.api import Problem

PERIOD_S = 0.25
KEPT = 60
"""Measurements of the loop's lateness that count: the last 15 s."""


class Pulse:
    """How late the event loop is. Run by the app beside the server."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._late: deque[float] = deque(maxlen=KEPT)

    def lag_s(self) -> float:
        """The worst of the last 15 s, seconds."""
        return max(self._late, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + self._period_s
            await asyncio.sleep(self._period_s)
            self._late.append(max(0.0, clock() - due))


async def healthz(call: Call) -> Response:
    """`GET /healthz`: 200 whenever requests are served."""
    return answer({"status": "ok", "version": call.door.settings.version})


async def readyz(call: Call) -> Response:
    """`GET /readyz`: 200 when changes can be made, else 503 with the reasons."""
    faults = call.door.faults()
    if faults:
        raise Rejected("unavailable", faults[0], *(Problem(message=text) for text in faults))
    return answer({"status": "ready"})
