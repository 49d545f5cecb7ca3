"""What a container uses, from Docker's figures. Pure but for what it remembers: the last sample of each container.

CPU and network are rates, so each takes two samples; Docker would wait a second for the second one, so the last ones
are kept here.
"""

from collections import OrderedDict
from typing import NamedTuple

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


class _Network(msgspec.Struct, frozen=True):
    rx_bytes: int = 0
    tx_bytes: int = 0


class Stats(msgspec.Struct, frozen=True):
    """What is read of `GET /containers/{id}/stats`. `read`: when, by Docker's clock."""

    read: str = ""
    cpu_stats: _Cpu = _Cpu()
    memory_stats: _Memory = _Memory()
    networks: dict[str, _Network] | None = None


class _Sample(NamedTuple):
    at: float
    cpu_ns: int
    received: int
    sent: int


class Samples:
    """The last sample per container, the oldest dropped beyond a limit."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, _Sample] = OrderedDict()

    def usage(self, container_id: str, stats: Stats) -> Usage:
        """CPU and network since the last sample (0 at the first), and memory now without the page cache."""
        networks = (stats.networks or {}).values()
        now = _Sample(
            wall_seconds(stats.read),
            stats.cpu_stats.cpu_usage.total_usage,
            sum(network.rx_bytes for network in networks),
            sum(network.tx_bytes for network in networks),
        )
        before = self._last.pop(container_id, now)
        self._last[container_id] = now
        while len(self._last) > _SAMPLES_MAX:
            self._last.popitem(last=False)
        elapsed_s = now.at - before.at
        if elapsed_s <= 0:
            return Usage(cpu_percent=0.0, memory=_memory(stats.memory_stats))
        # A restart sets the counters back to 0.
        return Usage(
            cpu_percent=round(max(0, now.cpu_ns - before.cpu_ns) / 1e9 / elapsed_s * 100, 2),
            memory=_memory(stats.memory_stats),
            net_in=round(max(0, now.received - before.received) / elapsed_s),
            net_out=round(max(0, now.sent - before.sent) / elapsed_s),
        )

    def forget(self, container_id: str) -> None:
        """Drop the sample of a container that is no more."""
        self._last.pop(container_id, None)


def _memory(memory: _Memory) -> int:
    # As `docker stats` counts: cgroup v1 says total_inactive_file, v2 inactive_file.
    stats = memory.stats or {}
    cache = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return max(0, memory.usage - cache)
