"""The Center, with a finer look at its event loop: `ropeteam_loop_lag_seconds` is the longest block since it was last
asked for, without the time for which the machine gave its thread to others. Its rings of figures over time lie in
memory: they are written each 10 s whatever comes, which is no cost of a heartbeat (`docs/history.md`).

Run by `center` as `python -m benchmarks.watched_center …` in the place of `python -m controlplane …`.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from controlplane import app
from controlplane.__main__ import main
from controlplane.store.rings import Rings
from controlplane.web.health import Pulse

PERIOD_S = 0.01


class FinePulse(Pulse):
    """Wakes every 10 ms, and keeps the worst until it is read."""

    _worst_s = 0.0
    _looking = False
    """The block that the look at the figures makes (it counts all replicas) is the measurement's own."""

    def lag_s(self) -> float:
        """Seconds."""
        worst_s, self._worst_s, self._looking = self._worst_s, 0.0, True
        return worst_s

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due, worked_s = clock() + PERIOD_S, time.thread_time()
            await asyncio.sleep(PERIOD_S)
            if self._looking:
                self._looking = False
                continue
            self._worst_s = max(self._worst_s, min(clock() - due, time.thread_time() - worked_s))


if __name__ == "__main__":
    app.Pulse = FinePulse  # type: ignore[attr-defined]  # a finer look at the loop takes its place
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        app.Rings = lambda _: Rings(Path(memory))  # type: ignore[misc, assignment, attr-defined]  # its file lies there
        sys.exit(main(sys.argv[1:]))
