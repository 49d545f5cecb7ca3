"""What happens in one run, as data made from a seed: how many nodes, which faults when, what operators do when.

Each entry carries its own salt for the chances it takes, so that leaving one out changes nothing about the others: that
is what makes a failing run shrink.
"""

import random
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

FaultKind = Literal[
    "power",
    "kill_agent",
    "pause_agent",
    "slow",
    "cut",
    "cut_up",
    "cut_down",
    "flap",
    "reset",
    "bad_line",
    "swallow",
    "mass_cut",
    "engine_hang",
    "engine_restart",
    "pulls_fail",
    "creates_fail",
    "prune",
    "exits",
    "lose",
    "unhealthy",
    "curse",
    "port_thief",
    "disk_full",
    "agent_disk_broken",
    "agent_disk_slow",
    "disk_rollback",
    "center_kill",
    "center_power",
    "center_pause",
    "center_suspend",
    "store_full",
    "store_slow",
    "store_broken",
    "old_backup",
    "impostor",
    "liar",
]
ActKind = Literal[
    "update",
    "bad_update",
    "scale",
    "restart",
    "rollback",
    "intervene",
    "fail_over",
    "remove_project",
    "drain",
    "resume",
    "label",
    "remove_node",
    "add_node",
    "confirm_down",
]
DrillKind = Literal["power", "cut", "center", "all_cut", "none"]

WEIGHTS: dict[FaultKind, int] = {
    "power": 8,
    "kill_agent": 8,
    "pause_agent": 6,
    "slow": 4,
    "cut": 10,
    "cut_up": 5,
    "cut_down": 5,
    "flap": 3,
    "reset": 8,
    "bad_line": 4,
    "swallow": 8,
    "mass_cut": 3,
    "engine_hang": 5,
    "engine_restart": 5,
    "pulls_fail": 4,
    "creates_fail": 3,
    "prune": 3,
    "exits": 8,
    "lose": 5,
    "unhealthy": 5,
    "curse": 4,
    "port_thief": 5,
    "disk_full": 3,
    "agent_disk_broken": 2,
    "agent_disk_slow": 2,
    "disk_rollback": 3,
    "center_kill": 6,
    "center_power": 2,
    "center_pause": 5,
    "center_suspend": 2,
    "store_full": 3,
    "store_slow": 3,
    "store_broken": 3,
    "old_backup": 2,
    "impostor": 2,
    "liar": 2,
}
ACTS: dict[ActKind, int] = {
    "update": 10,
    "bad_update": 4,
    "scale": 8,
    "restart": 5,
    "rollback": 4,
    "intervene": 8,
    "fail_over": 2,
    "remove_project": 2,
    "drain": 4,
    "resume": 4,
    "label": 4,
    "remove_node": 1,
    "add_node": 2,
    "confirm_down": 3,
}

FAULT_PACES_S = (8.0, 20.0, 50.0, 100.0)
ACT_PACES_S = (12.0, 30.0, 75.0, 150.0)
"""Between two faults, and between two acts of people, in one storm: some storms are heavy, some leave time to think."""
FAULTS_MIN = 5
"""In every cycle: 30 in every hour."""
SIZES: dict[int, int] = {3: 8, 4: 8, 5: 6, 6: 4, 7: 2, 8: 2, 10: 1, 13: 1, 20: 1}
"""Number of nodes -> its weight: what breaks with few nodes costs least to find there."""

CYCLE_S = 600.0
"""A storm, then calm until everything must be well, then a drill."""
STORM_SHARE = 0.48
REPAIR_SHARE = 0.36
"""Of a cycle, after its storm: how long things may take to be well again."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something breaks. `node`: a number that picks the machine. `lasts_s`: until it is mended."""

    number: int
    at: float
    kind: FaultKind
    node: int
    lasts_s: float
    salt: int


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A person does something."""

    number: int
    at: float
    kind: ActKind
    salt: int


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to happen."""

    seed: int
    minutes: float
    nodes: int
    idle_tick_s: float
    """How often an idle Center looks at the time: as the product does, or as late as a busy machine lets it."""
    ports: int
    """Host ports in the range of each node: few, so that a freed one is soon wanted again, or plenty."""
    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]
    drills: tuple[DrillKind, ...]
    """One for each cycle."""

    @property
    def cycle_s(self) -> float:
        """Seconds of a cycle; a short run is one cycle."""
        return min(CYCLE_S, self.minutes * 60.0)


def narrowed(
    plan: Scenario, nodes: int = 0, faults: Collection[int] | None = None, acts: Collection[int] | None = None
) -> Scenario:
    """The run with other numbers of nodes, and only these of its faults and acts."""
    return msgspec.structs.replace(
        plan,
        nodes=nodes or plan.nodes,
        faults=plan.faults if faults is None else tuple(f for f in plan.faults if f.number in faults),
        acts=plan.acts if acts is None else tuple(a for a in plan.acts if a.number in acts),
    )


def scenario(seed: int, minutes: float, *, heavy: bool = False) -> Scenario:
    """The run of this seed. A longer run begins as a shorter one does. `heavy`: with the heaviest storms only."""
    chance = random.Random(f"scenario {seed}")
    nodes = chance.choices(tuple(SIZES), tuple(SIZES.values()))[0]
    idle_tick_s = chance.choice((0.25, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7))
    ports = chance.choice((60, 60, 60, 10_000))
    cycle_s = min(CYCLE_S, minutes * 60.0)
    faults: list[Fault] = []
    acts: list[Act] = []
    drills: list[DrillKind] = []
    for cycle in range(max(1, round(minutes * 60.0 / cycle_s))):
        begin, end = cycle * cycle_s + 25.0, cycle * cycle_s + cycle_s * STORM_SHARE
        times = _times(chance, FAULT_PACES_S[:1] if heavy else FAULT_PACES_S, begin, end)
        times += [chance.uniform(begin, end) for _ in range(FAULTS_MIN - len(times))]
        faults += [_fault(chance, len(faults) + i, at) for i, at in enumerate(sorted(times))]
        for at in _times(chance, ACT_PACES_S[:1] if heavy else ACT_PACES_S, begin, end):
            kind = chance.choices(tuple(ACTS), tuple(ACTS.values()))[0]
            acts.append(Act(number=len(acts), at=at, kind=kind, salt=chance.getrandbits(32)))
        drills.append(chance.choice(("power", "cut", "center", "all_cut", "none")))
    return Scenario(
        seed=seed,
        minutes=minutes,
        nodes=nodes,
        idle_tick_s=idle_tick_s,
        ports=ports,
        faults=tuple(faults),
        acts=tuple(acts),
        drills=tuple(drills),
    )


def _times(chance: random.Random, paces_s: Sequence[float], begin: float, end: float) -> list[float]:
    pace_s, at = chance.choice(paces_s), begin
    times: list[float] = []
    while (at := at + chance.expovariate(1.0 / pace_s)) < end:
        times.append(at)
    return times


def _fault(chance: random.Random, number: int, at: float) -> Fault:
    kind = chance.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
    lasts_s = chance.choice((1.0, 5.0, 12.0, 25.0, 60.0)) * chance.uniform(0.5, 1.5)
    if kind == "curse":
        lasts_s *= 4.0  # to be given up by several nodes takes its time
    node, salt = chance.randrange(1 << 16), chance.getrandbits(32)
    return Fault(number=number, at=at, kind=kind, node=node, lasts_s=lasts_s, salt=salt)
