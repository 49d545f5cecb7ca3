"""The hosts on which peers are measured: three engines that run things, a fourth that manages Swarm and runs nothing.

Our Center stands beside the hosts, an agent in each of the three; the manager of Swarm is drained. Looks at all with
the same eyes: what the engines say of containers.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.swarm import Swarm
from lab import images
from lab.command import LabError
from lab.host import Host
from lab.hosts import Lab
from tests.docker.cluster.cluster import WEB, Cluster

ROOT = Path("/var/lib")
ENGINES = 3
POLL_S = 0.2
LIMIT_S = 90.0
IMAGE = WEB


class Ground(NamedTuple):
    """`hosts`: the three with engines that run things. `center`: ours. `swarm`: Docker's."""

    hosts: list[Host]
    center: Cluster
    swarm: Swarm

    def running(self, label: str, hosts: list[Host] | None = None) -> list[tuple[Host, str]]:
        """Containers with this label that run, asked of the engines side by side."""
        asked = self.hosts if hosts is None else hosts

        def ask(host: Host) -> list[tuple[Host, str]]:
            try:
                return [(host, c["Id"]) for c in host.engine.containers(labels=(label,)) if c["State"] == "running"]
            except LabError:  # it has no power, or not yet again
                return []

        with ThreadPoolExecutor(len(asked)) as pool:
            return [found for one in pool.map(ask, asked) for found in one]

    def started_s(self, label: str, count: int, since: float) -> float:
        """Wait until so many run; seconds from `since` (Unix time) until the engines had started the last of them."""
        self.until(lambda: len(self.running(label)) >= count, f"{count} containers with {label} run")
        return max(_started_at(host.engine.inspect(found)) for host, found in self.running(label)) - since

    def until(self, what: Callable[[], object], why: str) -> None:
        """Wait for it. Raises LabError after `LIMIT_S`."""
        begun = time.monotonic()
        while not what():
            if time.monotonic() - begun > LIMIT_S:
                raise LabError(f"not within {LIMIT_S:g} s: {why}")
            time.sleep(POLL_S)


@contextmanager
def ground() -> Iterator[Ground]:
    """Everything up; taken down at the end for sure."""
    with Lab.claim(ROOT, ENGINES + 1) as lab:
        lab.load_image(images.save(images.all_images(), lab.folder / "images.tar"))
        manager, *hosts = lab.hosts
        center = Cluster(lab)
        center.nodes = center.nodes[1:]
        swarm = Swarm(manager)
        try:
            center.up()
            swarm.up(hosts)
            yield Ground(hosts, center, swarm)
        finally:
            center.down()


def _started_at(inspected: dict[str, Any]) -> float:
    """Unix time; engines write nanoseconds."""
    text = inspected["State"]["StartedAt"]
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()
