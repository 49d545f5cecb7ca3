"""All lines break, all agents come back at once: until when, and at what cost a session."""

import time

from benchmarks.center import Center, center
from benchmarks.fleet import fleet
from benchmarks.heartbeat import CONTAINERS, reference
from benchmarks.row import Row, row

POLL_S = 0.05
STATE_S = 10.0


def measure(agents: int = 500, rounds: int = 4) -> list[Row]:
    """All rows. The first round of each side warms up and is left out."""
    took, seen, cpu, floors, floor_cpu = [], [], [], [], []
    with (
        center(agents, agents * CONTAINERS) as ours,
        reference(agents) as (floor, floor_crew),
        fleet(ours.crew) as ropes,
        fleet(floor_crew) as floor_ropes,
    ):
        for _ in range(rounds):
            before, floor_before = ours.child.cpu_s(), floor.cpu_s()
            took.append(ropes.connect().took_s)
            cpu.append((ours.child.cpu_s() - before) / agents * 1e6)
            seen.append(took[-1] + _until(ours, "online", agents))
            floors.append(floor_ropes.connect().took_s)
            floor_cpu.append((floor.cpu_s() - floor_before) / agents * 1e6)
            ropes.cut()
            floor_ropes.cut()
            _until(ours, "suspect", agents)
        lag_ms = ours.metric("ropeteam_loop_lag_seconds") * 1e3
    beside = "raw asyncio server, no keys"
    desired = f"storm: {agents} agents until all have their desired state"
    return [
        row(desired, took[1:], "s", beside=floors[1:], reference=beside),
        row("storm: … until all are online", seen[1:], "s", note="looked at every 50 ms"),
        row("storm: Center CPU per session", cpu[1:], "µs", beside=floor_cpu[1:], reference=beside),
        row("storm: worst lateness of the loop", [lag_ms], "ms", note="of the last 15 s"),
    ]


def _until(ours: Center, state: str, agents: int) -> float:
    """Seconds until the Center sees all nodes in this state; it judges them at its ticks."""
    begun = time.perf_counter()
    while ours.metric(f'ropeteam_nodes{{state="{state}"}}') < agents:
        if time.perf_counter() - begun > STATE_S:
            raise AssertionError(f"not all {agents} nodes are {state} after {STATE_S:g} s")
        time.sleep(POLL_S)
    return time.perf_counter() - begun
