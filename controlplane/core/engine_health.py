"""Whether a node's engine and disk can take work, and when what runs there may be moved (DESIGN §4, Engine down).

Pure; called by the core at every tick with the latest heartbeat of each online node. It knows nothing of silences:
those are the detector's. A down engine outranks a full disk.
"""

import math
from typing import NamedTuple

from controlplane.core.node import DISK_FREE_MIN

BEATS = 3
"""Heartbeats in a row that say the engine is down; one good beat says it is up."""
MOVE_S = 60.0
"""Unschedulable for so long: replicas move where they can."""
DISK_SLACK = 0.01
"""Share of free disk beyond the limit before a full disk counts as mended."""

ENGINE_DOWN = "Docker does not answer"


class EngineHealth(NamedTuple):
    """`reason`: why nothing new may come, "" = it may. `may_move`: what is there may be started elsewhere."""

    reason: str
    may_move: bool


def is_sound(engine_bad: int, disk_free: float | None) -> bool:
    """True when there is nothing to judge about a node that takes work: asked of every node at every tick."""
    return not engine_bad and (disk_free is None or disk_free >= DISK_FREE_MIN)


def judge(*, reason: str, since: float, engine_bad: int, disk_free: float | None, now: float) -> EngineHealth:
    """Judge one node. `reason`, `since` (wall seconds): as recorded; `engine_bad`: bad heartbeats in a row;
    `disk_free`: share 0..1, None = not known; `now`: wall seconds.

    The sentence of a full disk stays as it was first told, so that a disk that fills on gives no further events.
    """
    found = _reason(reason, engine_bad, disk_free)
    lasting = bool(found) and bool(reason) and now - since >= MOVE_S
    return EngineHealth(found, lasting)


def _reason(reason: str, engine_bad: int, disk_free: float | None) -> str:
    if engine_bad >= BEATS or (engine_bad and reason == ENGINE_DOWN):
        return ENGINE_DOWN
    was_full = reason.startswith("disk")
    if disk_free is None:  # a figure that is missing mends nothing
        return reason if was_full else ""
    if disk_free < DISK_FREE_MIN + (DISK_SLACK if was_full else 0.0):
        return reason if was_full else f"disk {math.floor(disk_free * 100 + 1e-9)} % free"
    return ""
