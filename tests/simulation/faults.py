"""What may break, carried out on a world: each fault begins, lasts, and is mended. Which ones and when: `scenario`."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from protocol.messages import ContainerRef, ContainerReport, Observed, TaskUpdate
from tests.simulation.machine import Machine
from tests.simulation.scenario import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

Mend = Callable[[], None]


def begin(world: "World", fault: Fault) -> Mend | None:
    """Break it now; answers how it is mended, None when there is nothing to mend."""
    chance = random.Random(fault.salt)
    machines = [m for m in world.machines.values() if not m.removed]
    machine = machines[fault.node % len(machines)]
    if fault.kind.startswith(("center", "store", "old_")):
        return _at_center(world, fault, chance)
    mend = _at_machine(world, machine, fault, chance)
    world.note_wellness()
    return mend


def _at_machine(world: "World", machine: Machine, fault: Fault, chance: random.Random) -> Mend | None:
    match fault.kind:
        case "power" | "kill_agent" | "pause_agent" | "disk_rollback" | "slow":
            return _at_process(world, machine, fault, chance)
        case "cut" | "cut_up" | "cut_down":
            machine.line.set(up_cut=fault.kind != "cut_down", down_cut=fault.kind != "cut_up")
            return lambda: machine.line.set(up_cut=False, down_cut=False)
        case "flap":
            return _flap(world, machine, chance)
        case "reset":
            machine.line.late_news = 0.7
            machine.reset_connection()
            return lambda: setattr(machine.line, "late_news", 0.0)
        case "bad_line":
            machine.line.delay_s = (0.05, chance.uniform(0.2, 3.0))
            return lambda: setattr(machine.line, "delay_s", (0.001, 0.02))
        case "swallow":
            machine.line.swallows, machine.line.has_hole = chance.randrange(1, 3), True
            return lambda: _find_out(machine)
        case "mass_cut":
            return _mass_cut(world, chance)
        case "curse":
            return _curse(world, chance)
        case "impostor":
            return _impostor(world, machine, chance)
        case "liar":
            _lie(world, machine, chance)
            return None
        case _:
            return _at_engine(machine, fault, chance)


def _find_out(machine: Machine) -> None:
    """A proxy that loses messages closes sooner or later; TCP alone loses none without breaking."""
    machine.line.swallows, machine.line.has_hole = 0, False
    machine.reset_connection()


def _at_process(world: "World", machine: Machine, fault: Fault, chance: random.Random) -> Mend | None:
    match fault.kind:
        case "power":
            machine.power_off()
            return machine.power_on
        case "kill_agent":
            machine.kill_agent()
            return machine.start_agent
        case "disk_rollback":
            machine.roll_back_disk()
            world.safety.obedience.forget(machine.name)
            return machine.start_agent
        case "slow":
            return _slow(machine, chance)
        case _:
            return _pause(machine)


def _at_engine(machine: Machine, fault: Fault, chance: random.Random) -> Mend | None:
    engine, disk = machine.engine, machine.disk
    match fault.kind:
        case "engine_hang":
            engine.hang()
            return engine.recover
        case "engine_restart":
            if machine.powered:
                engine.restart()
        case "pulls_fail":
            engine.pulls_fail = chance.randrange(1, 8)
            return lambda: setattr(engine, "pulls_fail", 0)
        case "creates_fail":
            engine.creates_fail = chance.randrange(1, 8)
            return lambda: setattr(engine, "creates_fail", 0)
        case "prune":
            engine.images &= {box.want.image for box in engine.running()}
        case "exits" | "lose" | "unhealthy":
            _hurt_containers(machine, fault.kind, chance)
        case "port_thief":
            return _steal_ports(machine, chance)
        case "disk_full":
            machine.disk_free_gb = 4.0
            return lambda: setattr(machine, "disk_free_gb", 60.0)
        case "agent_disk_broken":
            disk.broken = True
            return lambda: setattr(disk, "broken", False)
        case "agent_disk_slow":
            disk.slow_s = chance.uniform(0.05, 2.0)
            return lambda: setattr(disk, "slow_s", 0.0)
        case _:
            raise AssertionError(f"{fault.kind} is not a fault of a machine")
    return None


def _flap(world: "World", machine: Machine, chance: random.Random) -> Mend:
    for i in range(4):
        world.clock.after(i * 14.0, _cut_in_storm, world, machine)
        world.clock.after(i * 14.0 + chance.uniform(2.0, 12.0), _mended, world, machine)
    return lambda: _mended(world, machine)


def _steal_ports(machine: Machine, chance: random.Random) -> Mend:
    """Another program listens on ports that containers have, or would get."""
    engine = machine.engine
    ports = sorted({p.host for box in engine.boxes.values() for p in box.want.ports} or {20000})
    stolen = {*chance.sample(ports, min(2, len(ports))), chance.randrange(20000, 30000)}
    engine.foreign_ports |= stolen
    return lambda: engine.foreign_ports.difference_update(stolen)


def _mend_store(world: "World") -> None:
    world.store.full, world.store.slow_s = False, 0.0
    world.disturbed_at = world.clock.now


def _at_center(world: "World", fault: Fault, chance: random.Random) -> Mend | None:
    store = world.store
    match fault.kind:
        case "center_kill":
            world.kill_center()
            world.clock.after(min(fault.lasts_s, 20.0), world.start_center)
        case "center_power":
            world.kill_center(power=True)
            world.clock.after(min(fault.lasts_s, 40.0), world.start_center)
        case "center_pause" | "center_suspend":
            if world.center is None or world.center.process.stopped:
                return None
            world.center.process.stop()
            pause_s = min(fault.lasts_s, 40.0)
            world.paused_full = store.full
            world.clock.after(pause_s, world.wake_center, world.center, fault.kind == "center_suspend", pause_s)
        case "store_full":
            store.full = True
            return lambda: _mend_store(world)
        case "store_slow":
            store.slow_s = chance.uniform(0.005, 0.6)
            return lambda: _mend_store(world)
        case "store_broken":
            store.broken = True
            return lambda: setattr(store, "broken", False)
        case "old_backup":
            world.backups.bring_old(min(fault.lasts_s, 22.0))
        case _:
            raise AssertionError(f"{fault.kind} is not a fault of the Center")
    return None


def _pause(machine: Machine) -> Mend | None:
    agent = machine.agent
    if agent is None:
        return None
    agent.process.stop()
    return agent.go_on


def _slow(machine: Machine, chance: random.Random) -> Mend:
    machine.engine.slow = chance.uniform(3.0, 15.0)
    agent = machine.agent
    if agent is not None:
        agent.lag_s = chance.uniform(0.1, 1.5)

    def mend() -> None:
        machine.engine.slow = 1.0
        if agent is not None:
            agent.lag_s = 0.0

    return mend


def _cut_in_storm(world: "World", machine: Machine) -> None:
    if world.raging:
        machine.line.set(up_cut=True, down_cut=True)
        world.note_wellness()


def _mended(world: "World", machine: Machine) -> None:
    machine.line.set(up_cut=False, down_cut=False)
    world.note_wellness()


def _mass_cut(world: "World", chance: random.Random) -> Mend:
    machines = [m for m in world.machines.values() if not m.removed]
    some = chance.sample(machines, chance.randrange(2, len(machines) + 1))
    for machine in some:
        world.clock.after(chance.choice((0.0, 0.0, 1.0, 4.0)) * chance.random(), _cut_in_storm, world, machine)

    def mend() -> None:
        for machine in some:
            machine.line.set(up_cut=False, down_cut=False)

    return mend


def _hurt_containers(machine: Machine, kind: str, chance: random.Random) -> None:
    running = machine.engine.running()
    for box in chance.sample(running, min(len(running), chance.randrange(1, 4))):
        match kind:
            case "exits":
                machine.engine.exit(box, chance.choice((0, 1, 137)))
            case "lose":
                machine.engine.lose(box)
            case _:
                machine.engine.set_health(box, "unhealthy")


def _curse(world: "World", chance: random.Random) -> Mend:
    """What one service needs is away: its containers end, wherever they are started."""
    code = chance.choice(sorted(world.operators.good))
    cursed = code, chance.choice(sorted(world.operators.good[code].services))
    world.cursed.add(cursed)
    for machine in world.machines.values():
        for box in machine.engine.running():
            if (box.ref.project, box.ref.service) == cursed:
                machine.engine.exit(box, 1)
    return lambda: world.cursed.discard(cursed)


def _impostor(world: "World", machine: Machine, chance: random.Random) -> Mend | None:
    """The agent comes up with another node's id but its own key. Not one that has yet to join: it would join by that
    id, if its owner was removed.
    """
    if machine.name not in world.cluster.nodes:
        return None
    others = [m for m in world.machines.values() if m is not machine]
    machine.kill_agent()
    victim = chance.choice(others).true_identity
    machine.identity = msgspec.structs.replace(machine.true_identity, agent_id=victim.agent_id)
    machine.start_agent()

    def mend() -> None:
        machine.kill_agent()
        machine.identity = machine.true_identity
        machine.start_agent()

    return mend


def _lie(world: "World", machine: Machine, chance: random.Random) -> None:
    """Its agent tells of containers and tasks of other nodes."""
    rope, center = machine.rope, world.center
    if rope is None or not rope.welcomed or center is None:
        return
    theirs = [(r.id, a) for r in center.cluster.replicas.values() for a in r.assignments if a.node != machine.name]
    for key, assignment in chance.sample(theirs, min(len(theirs), 3)):
        ref = ContainerRef(project=key.project, service=key.service, replica=key.index, epoch=assignment.epoch)
        report = ContainerReport(
            project=key.project,
            service=key.service,
            replica=key.index,
            epoch=assignment.epoch,
            state="failed",
            state_seq=1 << 60,
            gave_up=True,
            reason="a lie",
        )
        rope.inject(Observed(seq=1, containers=(report,), gone=(ref,)))
    tasks = [t for t in center.cluster.tasks.values() if t.node != machine.name and not t.ended]
    for task in tasks[:3]:
        rope.inject(TaskUpdate(task=task.id, state="failed", reason="a lie"))
