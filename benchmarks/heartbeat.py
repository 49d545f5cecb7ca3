"""What heartbeats cost a Center: CPU, memory, disk. N simulated agents, one heartbeat a second each, ten containers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import machine
from benchmarks.center import Center, center
from benchmarks.child import Child, started
from benchmarks.fleet import Crew, Done, Fleet, fleet
from benchmarks.row import Row, row

CONTAINERS = 10
PULSES = 2
"""Between two heartbeats, as agents send them (`nodeagent.session`)."""
REST_S = 1.5
"""Until what the arrival of agents caused is written: node states change at the ticks after it."""

IDLE_S = 1.0


@contextmanager
def reference(agents: int) -> Iterator[tuple[Child, Crew]]:
    """The reference server, running, and a crew for it."""
    with started([sys.executable, "-m", "benchmarks.reference"]) as child:
        url = f"ws://127.0.0.1:{child.line()}/"
        yield child, Crew(url=url, nodes=agents, replicas=agents * CONTAINERS)


def measure(agents: int = 500, window_s: float = 1.2, rounds: int = 3) -> list[Row]:
    """All rows. Raises AssertionError when a heartbeat wrote to the disk."""
    costs, alive, floors, p50s, p99s = [], [], [], [], []
    with (
        center(agents, agents * CONTAINERS) as ours,
        reference(agents) as (floor, floor_crew),
        fleet(ours.crew) as ropes,
        fleet(floor_crew) as floor_ropes,
    ):
        bare, floor_bare = ours.child.rss(), floor.rss()
        ropes.connect()
        floor_ropes.connect()
        ropes.beat(REST_S)
        ours.lag_ms()  # what the connecting did shall not be in it
        before, beats = ours.disk(), 0
        with machine.lateness() as late:
            for _ in range(rounds):
                cost, done = _cpu_us(ours.child, ropes, window_s)
                costs.append(cost)
                p50s.append(done.p50_ms)
                p99s.append(done.p99_ms)
                floors.append(_cpu_us(floor, floor_ropes, window_s)[0])
                cost, more = _cpu_us(ours.child, ropes, window_s, pulses=PULSES)
                alive.append(cost)
                beats += done.answered + more.answered
            after = ours.disk()
            if before != after:
                raise AssertionError(f"{beats} heartbeats wrote to the disk: {before} -> {after}")
            idle = [_idle_percent(ours.child) for _ in range(2)]
            lag_ms = ours.lag_ms()
        wrote = _write(ours)
        loaded, floor_loaded = ours.child.rss(), floor.rss()
    per_agent = [(loaded - bare) / agents / 1024]
    floor_agent = [(floor_loaded - floor_bare) / agents / 1024]
    beside, quiet = "raw asyncio server", "a process that does nothing"
    disk = f"{beats} heartbeats; write_bytes, log and journal unchanged; one PATCH: {wrote} bytes"
    return [
        row(f"heartbeat: Center CPU, {agents} agents", costs, "µs", beside=floors, reference=beside),
        row(f"heartbeat: Center CPU with the {PULSES} signs of life after it", alive, "µs"),
        row("heartbeat: answered after, p50", p50s, "ms"),
        row("heartbeat: answered after, p99", p99s, "ms", note="the client's own queue is in it"),
        row("heartbeat: disk writes", [0.0], "bytes", note=disk),
        row("heartbeat: longest block of the loop", [lag_ms], "ms", beside=[max(late)], reference=quiet),
        row("heartbeat: memory per agent", per_agent, "KB", beside=floor_agent, reference=beside),
        row("heartbeat: Center in all", [loaded / 2**20], "MiB", note=f"{agents * CONTAINERS:,} replicas in it"),
        row(f"heartbeat: Center CPU, {agents} agents connected and quiet", idle, "% of a core"),
    ]


def _write(ours: Center) -> int:
    """Make a change; the bytes it wrote. Raises AssertionError when a counter does not see it."""
    before = ours.disk()
    ours.ask("PATCH", "/api/v1/nodes/node-0000", '{"labels": {"seen": "yes"}}')
    after = ours.disk()
    if after.events <= before.events or after.log_changed_ns <= before.log_changed_ns or after.bytes <= before.bytes:
        raise AssertionError(f"a change is not seen in the disk's counters: {before} -> {after}")
    return after.bytes - before.bytes


def _cpu_us(server: Child, ropes: Fleet, window_s: float, pulses: int = 0) -> tuple[float, Done]:
    before = server.cpu_s()
    done = ropes.beat(window_s, pulses=pulses)
    return (server.cpu_s() - before) / done.answered * 1e6, done


def _idle_percent(server: Child) -> float:
    before = server.cpu_s()
    time.sleep(IDLE_S)
    return (server.cpu_s() - before) / IDLE_S * 100
