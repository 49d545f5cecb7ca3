"""(c) A host loses its power: how long until all it ran answers, or runs, elsewhere; five times us, five times Swarm.

Ours counts until every replica answers HTTP at its new address. Swarm's counts until the manager shows every task as
running on a host with power, which says less. The host gets its power back before the next run.
"""

import time
from collections import Counter

from benchmarks.peers.ground import IMAGE, Ground
from benchmarks.row import Row, row
from lab.host import Host
from tests.docker.cluster.cluster import web

REPLICAS = 9
RUNS = 5
CODE = "bench"


def measure(there: Ground, runs: int = RUNS) -> list[Row]:
    """All rows; about 5 min."""
    ours = [taken for taken in _ours(there, runs)]
    docker = [taken for taken in _swarm(there, runs)]
    what = f"power loss of a host with at least {REPLICAS // 3} of {REPLICAS} replicas"
    return [
        row(f"{what}: all answer elsewhere, Ropeteam", ours, "s", beside=docker, reference="Swarm"),
        row(f"{what}: all run elsewhere, Docker Swarm", docker, "s"),
    ]


def _ours(there: Ground, runs: int) -> list[float]:
    center, took = there.center, []
    center.deploy(CODE, {"web": web(REPLICAS, IMAGE)})
    center.wait_answering(CODE)
    for _ in range(runs):
        (name, _count), *_ = Counter(r.node for r in center.api.project(CODE).replicas).most_common(1)
        victim = center.node(name)
        begun = time.monotonic()
        victim.host.power_off()

        def elsewhere(lost: str | None = name) -> bool:
            found = center.api.project(CODE).replicas
            return len(found) == REPLICAS and all(r.node != lost for r in found) and center.answering(CODE)

        there.until(elsewhere, f"all of {name} answers elsewhere")
        took.append(time.monotonic() - begun)
        victim.host.power_on()
        victim.start_agent()
        center.wait_online()
    center.api.remove(CODE)
    there.until(lambda: not center.api.projects(), "our project is gone")
    return took


def _swarm(there: Ground, runs: int) -> list[float]:
    took = []
    there.swarm.create(CODE, IMAGE, REPLICAS)
    there.until(lambda: sum(there.swarm.running(CODE).values()) == REPLICAS, "the service runs")
    for _ in range(runs):
        (name, _count), *_ = Counter(there.swarm.running(CODE)).most_common(1)
        victim = _host(there, name)
        begun = time.monotonic()
        victim.power_off()

        def elsewhere(lost: str = name) -> bool:
            found = there.swarm.running(CODE)
            return sum(found.values()) >= REPLICAS and lost not in found

        there.until(elsewhere, f"all of {name} runs elsewhere")
        took.append(time.monotonic() - begun)
        victim.power_on()
        there.until(lambda: there.swarm.ready() == len(there.hosts) + 1, "all nodes are ready")
    there.swarm.remove(CODE)
    return took


def _host(there: Ground, name: str) -> Host:
    return next(host for host in there.hosts if host.name == name)
