"""What a container uses, from Docker's figures. Pure but for what it remembers: the last sample of each container.

CPU is a rate, so it takes two samples; Docker would wait a second for the second one, so they are kept here.
"""

from collections import OrderedDict

import msgspec

from nodeagent.core.container import Usage
from nodeagent.docker.inspected import wall_seconds

_SAMPLES_MAX = 2048


class _Times(msgspec.Struct, frozen=True):
    total_usage: int = 0


class _Cpu(msgspec.Struct, frozen=True):
    cpu_usage: _Times = _Times()


class _Memory(msgspec.Struct, frozen=True):
    usage: int = 0
    stats: dict[str, int] | None = None


class Stats(msgspec.Struct, frozen=True):
    """What is read of `GET /containers/{id}/stats`. `read`: when, by Docker's clock."""

    read: str = ""
    cpu_stats: _Cpu = _Cpu()
    memory_stats: _Memory = _Memory()


class Samples:
    """The last CPU sample per container, the oldest dropped beyond a limit."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def usage(self, container_id: str, stats: Stats) -> Usage:
        """CPU since the last sample (0 at the first), and memory now without the page cache."""
        at, total = wall_seconds(stats.read), stats.cpu_stats.cpu_usage.total_usage
        before_at, before = self._last.pop(container_id, (at, total))
        self._last[container_id] = (at, total)
        while len(self._last) > _SAMPLES_MAX:
            self._last.popitem(last=False)
        elapsed_s = at - before_at
        # A restart sets the counter back to 0.
        percent = max(0, total - before) / 1e9 / elapsed_s * 100 if elapsed_s > 0 else 0.0
        return Usage(cpu_percent=round(percent, 2), memory=_memory(stats.memory_stats))

    def forget(self, container_id: str) -> None:
        """Drop the sample of a container that is no more."""
        self._last.pop(container_id, None)


def _memory(memory: _Memory) -> int:
    # As `docker stats` counts: cgroup v1 says total_inactive_file, v2 inactive_file.
    stats = memory.stats or {}
    cache = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return max(0, memory.usage - cache)
