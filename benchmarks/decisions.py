"""What a decision of the core costs, in memory: placements, ticks, reports, a failover. No sockets, no disk.

A decision runs on the Center's event loop, so its time is the time for which nothing else is served.
"""

import time
from collections.abc import Callable, Iterator

import msgspec

from benchmarks.row import Row, row
from benchmarks.sample import Sample, name, reports, spec
from controlplane.core import center, rooms
from controlplane.core.center import Outcome
from controlplane.core.cluster import Cluster
from controlplane.core.command import Command, Deploy
from controlplane.core.fact import Fact, Reported, Tick
from controlplane.core.record import Now
from controlplane.store.tables import statements
from protocol.messages import ContainerReport

MONO = 10_000.0
WALL = 1_700_000_000.0
BLOCK_MS = 20.0
"""The loop is never blocked for longer (DESIGN §2)."""

SPINS = 200_000
LARGE = ((1_000, 10_000), (1_000, 150_000), (5_000, 150_000))


def measure() -> list[Row]:
    """All rows; a few seconds."""
    return [
        *_placements(),
        *(_quiet_tick(nodes) for nodes in (100, 500)),
        *(_report(replicas) for replicas in (1_000, 10_000)),
        *(_report_in_deploy(replicas) for replicas in (100, 1_000)),
        *_failover(),
    ]


def _decide(cluster: Cluster, event: Fact | Command, mono: float = MONO) -> tuple[Outcome, float]:
    """One decision, not applied: the outcome and its CPU seconds."""
    begun = time.process_time()
    outcome = center.handle(cluster, event, Now(mono, WALL + mono - MONO))
    return outcome, time.process_time() - begun


def _spin() -> float:
    """CPU seconds of a fixed piece of Python, to compare machines and minutes by."""
    begun = time.process_time()
    table: dict[int, int] = {}
    for i in range(SPINS):
        table[i & 1023] = i
    return time.process_time() - begun


def _placements(runs: int = 5) -> Iterator[Row]:
    whole, longest, spins = [], [], []
    for _ in range(runs):
        spins.append(_spin())
        times = _deploy(Sample(nodes=100, replicas=1_000), 100)[1]
        whole.append(sum(times))
        longest.append(max(times))
    yield row("core: one placement, 100 nodes, 1,000 replicas", [t * 1e4 for t in whole], "µs", note=_rate(min(whole)))
    yield _block("core: deploy of 100 replicas, longest decision", longest, spins)
    for nodes, replicas in LARGE:
        yield from _many_placements(nodes, replicas)


def _many_placements(nodes: int, replicas: int, more: int = 500) -> Iterator[Row]:
    """A deploy of hundreds on a large cluster: what a placement costs must not grow with all there is."""
    times = _deploy(Sample(nodes=nodes, replicas=replicas), more)[1]
    name = f"core: one placement, {nodes:,} nodes, {replicas:,} replicas"
    yield row(name, [sum(times) / more * 1e6], "µs", note=f"{more / sum(times):,.0f} placements/s; {more} of them")
    yield row("core: … longest decision", [max(times[1:]) * 1e3], "ms", note=f"the first: {times[0] * 1e3:.0f} ms")


def _deploy(sample: Sample, replicas: int) -> tuple[Cluster, list[float]]:
    """The cluster after every replica of a new project has its place, and the CPU seconds of each decision."""
    cluster = sample.cluster(MONO)
    rooms.warm(cluster, Now(MONO, WALL))
    tick = Tick(sightings=sample.sightings({}), usage=cluster.volatile.usage, restless=())
    outcome, took = _decide(cluster, Deploy(spec=spec("fresh", replicas)))
    times = [took]
    while outcome.wake_at <= MONO:  # it asks to be called again at once
        cluster.apply(outcome.changes)
        outcome, took = _decide(cluster, tick)
        times.append(took)
    cluster.apply(outcome.changes)
    placed = sum(r.id.project == "fresh" and r.wanted is not None for r in cluster.replicas.values())
    if placed != replicas:
        raise AssertionError(f"{placed} of {replicas} placed")
    return cluster, times


def _rate(seconds: float) -> str:
    return f"{100 / seconds:,.0f} placements/s at best"


def _quiet_tick(nodes: int) -> Row:
    sample = Sample(nodes=nodes, replicas=10 * nodes)
    cluster = sample.cluster(MONO)
    tick = Tick(sightings=sample.sightings({}), usage=sample.usage())
    return _small(f"core: tick, {nodes} quiet nodes", cluster, tick, _nothing)


def _report(replicas: int) -> Row:
    sample = Sample(nodes=100, replicas=replicas)
    cluster = sample.cluster(MONO)
    (told,) = reports([sample.replica(0)])
    changed = ContainerReport(
        project=told.project,
        service=told.service,
        replica=told.replica,
        epoch=1,
        state="running",
        state_seq=2,
        health="unhealthy",
        container_id=told.container_id,
        ports=told.ports,
    )
    fact = Reported(node=name(0), session_epoch=1, containers=(changed,))
    return _small(f"core: Observed of one container, {replicas:,} replicas in the cluster", cluster, fact, _something)


def _report_in_deploy(replicas: int) -> Row:
    """The deployment is one record with all its steps, looked at and written again with each report on one of them."""
    cluster = _deploy(Sample(nodes=100, replicas=1_000), replicas)[0]
    placed = next(r for r in cluster.replicas.values() if r.id.project == "fresh")
    if placed.wanted is None:
        raise AssertionError(f"{placed.id} has no place: {placed.reason}")
    report = ContainerReport(
        project="fresh", service=placed.id.service, replica=placed.id.index, epoch=1, state="pulling", state_seq=1
    )
    fact = Reported(node=placed.wanted.node, session_epoch=1, containers=(report,))
    written = statements(_decide(cluster, fact)[0].changes)
    size = sum(len(str(field)) for statement in written for row_ in statement.rows for field in row_)
    made = _small(f"core: Observed of one container in a deploy of {replicas:,}", cluster, fact, _something, calls=20)
    return msgspec.structs.replace(made, note=f"writes {size / 1000:,.0f} kB")


def _nothing(outcome: Outcome) -> bool:
    return not outcome.changes.stored and not outcome.actions


def _something(outcome: Outcome) -> bool:
    return outcome.changes.stored


def _small(
    title: str, cluster: Cluster, event: Fact, expected: Callable[[Outcome], bool], batches: int = 7, calls: int = 100
) -> Row:
    """A decision too short for one look: batches of calls, none of them applied."""
    figures, spins = [], []
    for _ in range(batches):
        spins.append(_spin())
        spent = 0.0
        for _ in range(calls):
            outcome, took = _decide(cluster, event)
            spent += took
            if not expected(outcome):
                raise AssertionError(f"{title}: {outcome.changes}")
        figures.append(spent / calls * 1e6)
    return row(title, figures, "µs", beside=[s * 1e6 for s in spins], reference="spin")


def _failover(runs: int = 3) -> Iterator[Row]:
    """A node with 100 replicas falls silent; every decision of a tick is applied, as the Center does."""
    sample = Sample(nodes=10, replicas=1_000)
    lost, usage = name(3), sample.usage()
    whole, longest, spins = [], [], []
    for _ in range(runs):
        spins.append(_spin())
        cluster = sample.cluster(MONO)
        times = [0.0]
        for quarter in range(4 * 25):
            silent_s, mono = quarter / 4, MONO + quarter / 4
            tick = Tick(sightings=sample.sightings({lost: silent_s}), usage=usage)
            outcome, took = _decide(cluster, tick, mono)
            cluster.apply(outcome.changes)
            times.append(took)
        away = sum(1 for r in cluster.replicas.values() if r.wanted and r.wanted.node == lost)
        if away:
            raise AssertionError(f"{away} replicas are still on {lost}")
        longest.append(max(times))
        whole.append(sum(times))
    yield _block("core: failover of a node with 100 replicas, longest decision", longest, spins)
    yield row("core: failover of a node with 100 replicas, all 100 ticks", [t * 1e3 for t in whole], "ms")


def _block(title: str, times: list[float], spins: list[float]) -> Row:
    """A decision that may block the loop for too long."""
    worst = max(times) * 1e3
    note = f"worst {worst:.3g} ms: " + ("within" if worst <= BLOCK_MS else "MORE THAN") + f" the {BLOCK_MS:g} ms"
    return row(title, [t * 1e3 for t in times], "ms", beside=[s * 1e3 for s in spins], reference="spin", note=note)
