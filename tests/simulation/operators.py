"""People at work: they deploy, scale, drain, remove at random, and put things right when the calm begins.

They remember what the Center acknowledged, which is what durability is measured by.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from controlplane.core.command import (
    Accepted,
    Command,
    ConfirmDown,
    Deploy,
    DrainNode,
    PatchNode,
    RemoveNode,
    RemoveProject,
    Restart,
    ResumeNode,
    Rollback,
    Scale,
)
from controlplane.core.record import Refused
from protocol.spec import (
    Constraint,
    Dependency,
    HealthCheck,
    Mount,
    Placement,
    PortSpec,
    Probe,
    ProjectSpec,
    ServiceSpec,
)
from tests.simulation.scenario import Act

if TYPE_CHECKING:
    from tests.simulation.world import World

CHECK = HealthCheck(test=("CMD", "true"))
PROBE = Probe(kind="tcp", port=83, interval_s=5.0, retries=2)
REPLICAS_MIN = 30
EDGE_PORT = 8000
"""Two projects want this port: on different nodes, which is possible on three."""


class Operators:
    """All people. `good`: what each project shall be when nothing is wrong."""

    def __init__(self, world: "World", chance: random.Random) -> None:
        self._world = world
        self.good: dict[str, ProjectSpec] = {}
        self.acked_deployments: set[int] = set()
        self.acked_drains: dict[str, bool] = {}
        self._asked_to_go: set[str] = set()
        """Nodes whose removal was asked for, answered or not."""
        self.asleep = False
        """Nobody asks anything."""
        self._versions = 0
        self._make_projects(chance)

    def begin(self) -> None:
        """Deploy everything."""
        for spec in self.good.values():
            self._ask(Deploy(spec=spec), self._deployed)

    def act(self, act: Act) -> None:
        """Do something."""
        chance = random.Random(act.salt)
        world = self._world
        code = chance.choice(sorted(self.good))
        gone = chance.random() < 0.1
        match act.kind:
            case "update":
                self.good[code] = self._updated(self.good[code], chance)
                self._ask(Deploy(spec=self.good[code]), self._deployed, gone)
            case "bad_update":
                self._ask(Deploy(spec=self._broken(self.good[code], chance)), self._deployed, gone)
            case "scale":
                service = chance.choice(sorted(self.good[code].services))
                spec = self.good[code].services[service]
                if not spec.local_data and service != "edge":
                    self._ask(Scale(project=code, services={service: chance.randrange(0, 7)}), self._deployed, gone)
            case "restart":
                self._ask(Restart(project=code), self._deployed, gone)
            case "rollback":
                self._ask(Rollback(project=code), self._deployed, gone)
            case "remove_project":
                self._ask(RemoveProject(project=code), self._deployed, gone)
                back_s = chance.choice((0.2, 5.0, 40.0))
                world.clock.after(back_s, lambda: self._ask(Deploy(spec=self.good[code]), self._deployed))
            case "drain" | "resume" | "label" | "confirm_down" | "remove_node":
                self._act_on_node(act.kind, chance, gone)
            case "add_node":
                if len([m for m in world.machines.values() if not m.removed]) < 20:
                    world.add_machine()

    def _act_on_node(self, kind: str, chance: random.Random, gone: bool) -> None:
        names = [m.name for m in self._world.machines.values() if not m.removed]
        name = chance.choice(names)
        match kind:
            case "drain":
                self._ask(DrainNode(node=name), self._drained(name, True), gone)
            case "resume":
                self._ask(ResumeNode(node=name), self._drained(name, False), gone)
            case "label":
                zone = chance.choice(("a", "b", None))
                self._ask(PatchNode(node=name, labels={"zone": zone}), lambda _: None, gone)
            case "confirm_down":
                for down in names:
                    self._ask(ConfirmDown(node=down), lambda _: None, gone)
            case _:
                if len(names) > 3:
                    self._remove(name, chance)

    def _remove(self, name: str, chance: random.Random) -> None:
        machine = self._world.machines[name]

        def removed(_: Any) -> None:
            self.acked_drains.pop(name, None)
            machine.removed = True
            self._world.clock.after(chance.choice((5.0, 30.0, 90.0)), machine.power_off)
            self._world.clock.after(chance.uniform(1.0, 20.0), self._world.add_machine)

        self._asked_to_go.add(name)
        self._ask(RemoveNode(node=name, force=chance.random() < 0.7), removed)

    def put_right(self) -> None:
        """The storm is over: nodes take work again, every project is what it should be."""
        world = self._world
        if world.center is None or world.center.process.stopped or self.asleep:
            world.clock.after(2.0, self.put_right)
            return
        for machine in world.machines.values():
            if not machine.removed:
                self._ask(ResumeNode(node=machine.name), self._drained(machine.name, False))
                self._ask(PatchNode(node=machine.name, labels={"zone": "a"}), lambda _: None)
        for spec in self.good.values():
            self._ask(Deploy(spec=spec), self._deployed)

    def check_memory(self) -> None:
        """Nothing that was acknowledged is lost (S1). Called when the Center has started."""
        center = self._world.center
        assert center is not None
        lost = self.acked_deployments - center.cluster.deployments.keys()
        assert not lost, f"S1: deployments {sorted(lost)} were acknowledged and are not there after a restart"
        for machine in self._world.machines.values():
            there = machine.name in center.cluster.nodes
            assert not (machine.removed and there), f"S1: {machine.name} was removed and is back after a restart"
            known = there or not machine.registered or machine.name in self._asked_to_go
            assert known, f"S1: {machine.name} is not known any more"
        for name, draining in self.acked_drains.items():
            node = center.cluster.nodes.get(name)
            assert node is None or node.draining == draining, f"S1: {name} draining={node and node.draining}"

    # -- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, command: Command, accepted: Callable[[Any], None], gone: bool = False) -> None:
        center = self._world.center
        if center is None or center.process.stopped or self.asleep:
            return
        self._world.tell("operator", _brief(command))
        if isinstance(command, DrainNode | ResumeNode):
            self.acked_drains.pop(command.node, None)  # until it is answered, both are right

        def reply(answer: Any) -> None:
            if isinstance(answer, Refused):
                self._world.tell("refused", answer.message)
            else:
                accepted(answer)

        waiting = center.ask(command, reply)
        if gone:
            waiting.cancel()
            self._world.store.caller_left()

    def _drained(self, node: str, draining: bool) -> Callable[[Any], None]:
        return lambda _: self.acked_drains.update({node: draining})

    def _deployed(self, answer: Accepted) -> None:
        if answer.deployment:
            self.acked_deployments.add(answer.deployment)

    # -- projects ---------------------------------------------------------------------------------------------------

    def _make_projects(self, chance: random.Random) -> None:
        total = 0
        while total < REPLICAS_MIN or len(self.good) < 3:
            code = f"p{len(self.good) + 1}"
            services = [
                ServiceSpec(
                    name="web",
                    image="web:1",
                    replicas=chance.randrange(2, 7),
                    ports=(PortSpec(container=80),),
                    stop_grace_s=chance.choice((1.0, 3.0, 10.0)),
                ),
                ServiceSpec(
                    name="api",
                    image="api:1",
                    replicas=chance.randrange(1, 5),
                    health=CHECK,
                    ports=(PortSpec(container=81),),
                    depends_on={"web": Dependency()},
                ),
                ServiceSpec(name="worker", image="worker:1", replicas=chance.randrange(1, 6), probe=PROBE),
            ]
            if chance.random() < 0.6:
                services.append(
                    ServiceSpec(name="db", image="db:1", mounts=(Mount(kind="volume", target="/data", source="data"),))
                )
            if chance.random() < 0.8:
                edge = PortSpec(container=82, host_from=EDGE_PORT, host_to=EDGE_PORT)
                edges = 1 if len(self.good) < 2 else 0
                services.append(ServiceSpec(name="edge", image="edge:1", replicas=edges, ports=(edge,), health=CHECK))
            if chance.random() < 0.3:
                zone = Placement(constraints=(Constraint(key="labels.zone", value="b", equal=False),), max_per_node=3)
                services.append(ServiceSpec(name="zoned", image="zoned:1", replicas=2, placement=zone))
            self.good[code] = ProjectSpec(code=code, services={s.name: s for s in services}, volumes=("data",))
            total += sum(s.replicas for s in services)

    def _updated(self, spec: ProjectSpec, chance: random.Random) -> ProjectSpec:
        self._versions += 1
        service = spec.services[chance.choice(sorted(spec.services))]
        if chance.random() < 0.6:
            changed = msgspec.structs.replace(service, image=f"{service.name}:{self._versions}")
        else:
            changed = msgspec.structs.replace(service, environment={"VERSION": str(self._versions)})
        return msgspec.structs.replace(spec, services={**spec.services, service.name: changed})

    def _broken(self, spec: ProjectSpec, chance: random.Random) -> ProjectSpec:
        self._versions += 1
        service = spec.services[chance.choice(sorted(spec.services))]
        how = chance.choice(("bad", "sick", "ghost"))
        changed = msgspec.structs.replace(service, image=f"{service.name}:{how}{self._versions}")
        return msgspec.structs.replace(spec, services={**spec.services, service.name: changed})


def _brief(command: Command) -> str:
    match command:
        case Deploy(spec=spec):
            told = ", ".join(f"{s.name}={s.replicas}x{s.image}" for s in spec.services.values())
            return f"deploy {spec.code}: {told}"
        case _:
            return str(command)
