"""All lines break, all agents come back at once: until when, and at what cost a session."""

from benchmarks.center import center
from benchmarks.fleet import fleet
from benchmarks.heartbeat import CONTAINERS, reference
from benchmarks.row import Row, row

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
            seen.append(took[-1] + ours.until_metric('ropeteam_nodes{state="online"}', agents, STATE_S))
            floors.append(floor_ropes.connect().took_s)
            floor_cpu.append((floor.cpu_s() - floor_before) / agents * 1e6)
            ropes.cut()
            floor_ropes.cut()
            ours.until_metric('ropeteam_nodes{state="suspect"}', agents, STATE_S)
        lag_ms = ours.lag_ms()
    beside = "raw asyncio server, no keys"
    desired = f"storm: {agents} agents until all have their desired state"
    return [
        row(desired, took[1:], "s", beside=floors[1:], reference=beside),
        row("storm: … until all are online", seen[1:], "s", note="looked at every 50 ms"),
        row("storm: Center CPU per session", cpu[1:], "µs", beside=floor_cpu[1:], reference=beside),
        row("storm: longest block of the loop", [lag_ms], "ms", note="all at once, which jitter prevents in life"),
    ]
