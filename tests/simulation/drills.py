"""Drills in the calm, where every promise of time can be measured: one loss, one cut, a restart, all nodes cut."""

from typing import TYPE_CHECKING

from controlplane.core.replica import is_ready
from protocol.names import ReplicaId
from protocol.spec import ServiceSpec
from tests.simulation.scenario import DrillKind

if TYPE_CHECKING:
    from tests.simulation.world import World

OFFLINE_S = 15.8
"""After the last frame a node is offline, and its replicas have their successors (15.5 s, and a tick)."""
RUNNING_S = 22.0
"""And they run: 20 s, and what a pull may take that was begun when the node fell silent."""
ORDER_S = 10.0
"""What it may take longer for what waits for another service of its project."""
OUT_S = 40.0
"""How long a drill's fault lasts."""


def begin(world: "World", kind: DrillKind, seconds: float) -> None:
    """Run a drill that is over, and well again, before `seconds` have passed."""
    if kind == "none":
        _be_quiet(world, min(60.0, seconds - 5.0))
    elif kind == "center":
        _restart_center(world)
    elif kind == "all_cut":
        _cut_all(world, min(OUT_S, seconds - 25.0))
    else:
        _lose_one(world, kind, min(OUT_S, seconds - 30.0))


def _be_quiet(world: "World", seconds: float) -> None:
    """L7: in steady state nobody does anything."""
    before = (world.liveness.steps, world.store.commits)

    def check() -> None:
        steps = world.liveness.steps - before[0]
        assert steps == 0, f"L7: {steps} steps in a quiet minute, the last {world.liveness.last_step}"

    world.clock.after(seconds, check)


def _restart_center(world: "World") -> None:
    """L3: all nodes online within 15 s, nothing moves."""
    moves = world.liveness.moves
    world.kill_center()
    world.clock.after(1.0, world.start_center)

    def check() -> None:
        assert world.center is not None
        away = [n.name for n in world.center.cluster.nodes.values() if n.state != "online"]
        assert not away, f"L3: {away} are not online 15 s after a restart of the Center"
        assert world.liveness.moves == moves, "L3: replicas were moved by a restart of the Center"

    world.clock.after(16.0, check)


def _cut_all(world: "World", seconds: float) -> None:
    """S21: the Center is cut off from all; nothing moves, and all is well soon after."""
    moves = world.liveness.moves
    for machine in world.machines.values():
        machine.line.set(up_cut=True, down_cut=True)
    world.note_wellness()

    def mend() -> None:
        for machine in world.machines.values():
            machine.line.set(up_cut=False, down_cut=False)
        world.note_wellness()

    def check() -> None:
        assert world.liveness.moves == moves, f"S21: {world.liveness.moves - moves} moves while the Center was cut off"
        world.liveness.check_calm("after the Center was cut off")

    world.clock.after(seconds, mend)
    world.clock.after(seconds + 20.0, check)


def _lose_one(world: "World", kind: DrillKind, seconds: float) -> None:
    """L2: offline by 15.5 s of silence, successors at once, running within 20 s. L5: what came back twice is gone."""
    center = world.center
    assert center is not None
    name = sorted(center.cluster.nodes)[world.scenario.seed % len(center.cluster.nodes)]
    machine = world.machines[name]
    movable = [
        r.id
        for r in center.cluster.replicas.values()
        if r.wanted is not None and r.wanted.node == name and _may_move(world, r.id)
    ]
    if kind == "power":
        machine.power_off()
    else:
        machine.line.set(up_cut=True, down_cut=True)
    world.note_wellness()

    def offline() -> None:
        heard = world.heard[name]  # a frame may have been on its way when the line was cut
        if world.clock.now < heard + OFFLINE_S:
            world.clock.at(heard + OFFLINE_S, offline)
            return
        world.clock.at(heard + RUNNING_S, running, [key for key in movable if not _waits(world, key)])
        world.clock.at(heard + RUNNING_S + ORDER_S, running, movable)
        assert center.cluster.nodes[name].state == "offline", f"L2: {name} is {center.cluster.nodes[name].state}"
        for key in movable:
            replica = center.cluster.replicas[key]
            assert replica.wanted is not None
            assert replica.wanted.node != name, f"L2: {key} has no successor: {replica.wanted.reason}"

    def running(keys: list[ReplicaId]) -> None:
        for key in keys:
            replica = center.cluster.replicas[key]
            assert replica.wanted is not None
            spec = center.cluster.revisions[key.project, replica.wanted.revision].spec.services[key.service]
            state = replica.wanted.state
            assert state == "running" or is_ready(replica.wanted, spec, world.wall), f"L2: {key} is {state}"

    def mend() -> None:
        if kind == "power":
            machine.power_on()
        machine.line.set(up_cut=False, down_cut=False)
        world.note_wellness()

    world.clock.at(world.heard[name] + OFFLINE_S, offline)
    world.clock.after(seconds, mend)
    world.clock.after(seconds + 28.0, world.liveness.check_calm, f"after {name} was lost and came back")


def _may_move(world: "World", key: ReplicaId) -> bool:
    """By itself and at once, and so may what it waits for."""
    services = _services(world, key)
    return all(
        spec.may_move and spec.failover.mode == "auto" and spec.failover.after_s <= OFFLINE_S
        for spec in (services[key.service], *(services[other] for other in services[key.service].depends_on))
    )


def _waits(world: "World", key: ReplicaId) -> bool:
    return bool(_services(world, key)[key.service].depends_on)


def _services(world: "World", key: ReplicaId) -> dict[str, ServiceSpec]:
    assert world.center is not None
    cluster = world.center.cluster
    wanted = cluster.replicas[key].wanted
    assert wanted is not None
    return cluster.revisions[key.project, wanted.revision].spec.services
