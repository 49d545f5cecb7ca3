"""Figures of this machine and its containers, gathered beside the heartbeat, which only reads the latest (DESIGN §3.3).

Three gatherers that cannot hold each other up: the machine, the disk, Docker. When Docker hangs, its figures go and the
others go on; when the disk hangs, so do its own. Decides nothing. Made and run by the agent's `app`, read by its link.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil  # type: ignore[import-untyped]  # it has no types, and its stubs are one more dependency

from nodeagent.core.container import Container, Docker, DockerFault, Usage
from nodeagent.listening import listening_ports
from protocol.messages import Capacity

PERIOD_S = 5.0

USAGE_S = 4.0
"""Deadline for the figures of one container."""

USAGE_AT_ONCE = 16
"""Containers asked for at once. Docker 20.10 answers with its next sample, up to a second later, so that few at once
would take longer than a period; waiting costs it nothing."""

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
_GIB = 1024 * _MIB


_INNER = ("lo", "veth", "docker", "br-", "virbr", "cni", "flannel")
"""Names of interfaces inside the machine begin so."""


class Traffic(NamedTuple):
    """Bytes so far. `at`: monotonic seconds."""

    at: float
    received: int
    sent: int


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """The latest figures. `cpu_percent` of the whole machine, `load` over one minute, `disk_…` of Docker's disk,
    memory in MiB, disk in GiB, network in KiB/s, 0 = not known yet. `ports`: something listens there, within the lease
    range or below, sorted. `usage`: container id -> what it uses, only of running containers that Docker answered for.
    """

    cpu_percent: float = 0.0
    load: float = 0.0
    mem_free_mb: float = 0.0
    mem_total_mb: float = 0.0
    disk_free_gb: float = 0.0
    disk_total_gb: float = 0.0
    net_in_kb: float = 0.0
    net_out_kb: float = 0.0
    ports: tuple[int, ...] = ()
    usage: dict[str, Usage] = {}


class Meters:
    """Gathers `latest` while `run()` runs. `containers` gives those the agent knows of, without asking Docker."""

    def __init__(
        self,
        docker: Docker,
        disk_root: str,
        containers: Callable[[], tuple[Container, ...]],
        *,
        port_from: int = 20000,
        port_to: int = 29999,
        sees_ports: bool = True,
        period_s: float = PERIOD_S,
    ) -> None:
        """`disk_root`: a folder on the disk to watch (`EngineInfo.disk_root`); where this process cannot see it, its
        nearest parent counts. `sees_ports`: this process is in the machine's network; otherwise none are told.
        """
        self.latest = Readings()
        self._docker = docker
        self._disk_root = _nearest(Path(disk_root))
        self._containers = containers
        self._ports = (port_from, port_to)
        self._sees_ports = sees_ports
        self._period_s = period_s
        self._cpu = _cpu_times()
        self._net = _traffic()

    async def run(self) -> None:
        """Gather until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._gather_machine))
            group.create_task(self._repeat(self._gather_disk))
            group.create_task(self._repeat(self._gather_usage))

    def capacity(self) -> Capacity:
        """What the machine has. Measured anew only before the first readings are in."""
        readings = self.latest
        memory = readings.mem_total_mb * _MIB or psutil.virtual_memory().total
        disk = readings.disk_total_gb * _GIB or psutil.disk_usage(self._disk_root).total
        return Capacity(cpus=float(os.cpu_count() or 1), memory=round(memory), disk=round(disk))

    @property
    def free_share(self) -> float:
        """What is free of Docker's disk as it was measured last, 0 to 1; 1 while that is not known."""
        readings = self.latest
        return readings.disk_free_gb / readings.disk_total_gb if readings.disk_total_gb else 1.0

    async def measure_free_share(self) -> float:
        """The same, measured now."""
        await self._gather_disk()
        return self.free_share

    async def _repeat(self, gather: Callable[[], Awaitable[None]]) -> None:
        trouble = ""
        while True:
            try:
                await gather()
            except Exception as error:  # noqa: BLE001  no more files or threads: the containers need their agent still
                if str(error) != trouble:
                    log.warning("figures of this machine cannot be read: %s", error)
                trouble = str(error)
            else:
                trouble = ""
            await asyncio.sleep(self._period_s)

    async def _gather_machine(self) -> None:
        # In a thread: the kernel's tables may be long.
        memory, load, ports, cpu, net = await asyncio.to_thread(self._read_machine)
        before, self._net = self._net, net
        self.latest = msgspec.structs.replace(
            self.latest,
            cpu_percent=cpu_percent(self._cpu, cpu),
            load=load,
            mem_free_mb=round(memory[0] / _MIB, 1),
            mem_total_mb=memory[1] / _MIB,
            ports=ports,
            net_in_kb=rate_kb(before.received, net.received, net.at - before.at),
            net_out_kb=rate_kb(before.sent, net.sent, net.at - before.at),
        )
        self._cpu = cpu

    def _read_machine(self) -> tuple[tuple[int, int], float, tuple[int, ...], tuple[float, float], Traffic]:
        memory = psutil.virtual_memory()
        return (
            (memory.available, memory.total),
            os.getloadavg()[0],
            listening_ports(*self._ports) if self._sees_ports else (),
            _cpu_times(),
            _traffic(),
        )

    async def _gather_disk(self) -> None:
        # Without a deadline: a thread cannot be cancelled, and a new one at each period would pile up.
        try:
            disk = await asyncio.to_thread(psutil.disk_usage, self._disk_root)
        except OSError:
            return
        self.latest = msgspec.structs.replace(
            self.latest, disk_free_gb=round(disk.free / _GIB, 3), disk_total_gb=disk.total / _GIB
        )

    async def _gather_usage(self) -> None:
        running = [c.id for c in self._containers() if c.status == "running"]
        places = asyncio.Semaphore(USAGE_AT_ONCE)
        usage: dict[str, Usage] = {}

        async def ask(container_id: str) -> None:
            async with places:
                try:
                    async with asyncio.timeout(USAGE_S):
                        usage[container_id] = await self._docker.usage(container_id)
                except (DockerFault, TimeoutError):
                    # No figure is better than an old one; why Docker does not answer is the watcher's business.
                    return

        async with asyncio.TaskGroup() as group:
            for container_id in running:
                group.create_task(ask(container_id))
        self.latest = msgspec.structs.replace(self.latest, usage=usage)


def cpu_percent(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Percent of the whole machine that was busy between two readings of (busy seconds, all seconds)."""
    busy, whole = after[0] - before[0], after[1] - before[1]
    return round(min(100.0, max(0.0, busy / whole * 100)), 1) if whole > 0 else 0.0


def rate_kb(before: int, after: int, elapsed_s: float) -> float:
    """KiB a second between two counts of bytes; 0 when a counter went back."""
    return round(max(0, after - before) / 1024 / elapsed_s, 1) if elapsed_s > 0 else 0.0


def _traffic() -> Traffic:
    """Of the machine's own interfaces: what passes bridges and their ends would be counted twice or three times."""
    found = psutil.net_io_counters(pernic=True)
    own = [count for name, count in found.items() if not name.startswith(_INNER)]
    return Traffic(time.monotonic(), sum(c.bytes_recv for c in own), sum(c.bytes_sent for c in own))


def _cpu_times() -> tuple[float, float]:
    # psutil.cpu_percent() remembers per thread, and ours change.
    times = psutil.cpu_times()._asdict()
    # The kernel counts the time of guests in user and nice already.
    whole = float(sum(times.values())) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return whole - times["idle"] - times.get("iowait", 0.0), whole


def _nearest(path: Path) -> str:
    while not path.exists() and path != path.parent:
        path = path.parent
    return str(path)
