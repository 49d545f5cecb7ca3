"""People at work: they deploy, scale, drain, remove at random, and put things right when the calm begins.

They remember what the Center acknowledged, which is what durability is measured by.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from controlplane.core.command import (
    AbortRelease,
    Accepted,
    CancelDeployment,
    Command,
    ConfirmDown,
    Deploy,
    DrainNode,
    FailOver,
    PatchNode,
    PauseDeployment,
    PromoteCanary,
    RemoveNode,
    RemoveProject,
    Restart,
    ResumeDeployment,
    ResumeNode,
    Rollback,
    Scale,
)
from controlplane.core.deployment import Deployment
from controlplane.core.record import Refused
from protocol.spec import ProjectSpec
from tests.simulation.projects import broken, made, updated
from tests.simulation.scenario import Act

if TYPE_CHECKING:
    from tests.simulation.world import World

REPLICAS_MIN = 30


class Operators:
    """All people. `good`: what each project shall be when nothing is wrong."""

    def __init__(self, world: "World", chance: random.Random) -> None:
        self._world = world
        self.acked_deployments: set[int] = set()
        self.acked_drains: dict[str, bool] = {}
        self._asked_to_go: set[str] = set()
        """Nodes whose removal was asked for, answered or not."""
        self.asleep = False
        """Nobody asks anything."""
        self.caring = False
        """It is calm, and they see to what is not done yet."""
        self._versions = 0
        self.good = made(chance, REPLICAS_MIN)

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
            case "drain" | "resume" | "label" | "confirm_down" | "remove_node":
                self._act_on_node(act.kind, chance, gone)
            case "add_node":
                if len([m for m in world.machines.values() if not m.removed]) < 20:
                    world.add_machine()
            case _:
                self._act_on_project(act.kind, code, chance, gone)

    def _act_on_project(self, kind: str, code: str, chance: random.Random, gone: bool) -> None:
        match kind:
            case "update":
                self._versions += 1
                self.good[code] = updated(self.good[code], self._versions, chance)
                self._ask(Deploy(spec=self.good[code]), self._deployed, gone)
            case "bad_update":
                self._versions += 1
                self._ask(Deploy(spec=broken(self.good[code], self._versions, chance)), self._deployed, gone)
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
                self._world.clock.after(back_s, lambda: self._ask(Deploy(spec=self.good[code]), self._deployed))
            case "intervene":
                self._intervene(code, chance, gone)
            case "fail_over":
                self._ask(FailOver(project=code), lambda _: None, gone)
            case _:
                raise AssertionError(f"{kind} is nothing people do to a project")

    def _intervene(self, code: str, chance: random.Random, gone: bool) -> None:
        """Somebody does something about what is under way."""
        kind = chance.choice((PauseDeployment, ResumeDeployment, CancelDeployment, PromoteCanary, AbortRelease))
        open_ = [d for d in self._open_deployments() if d.project == code]
        if open_:
            self._ask(kind(deployment=chance.choice(open_).id), lambda _: None, gone)

    def care(self) -> None:
        """In the calm people see to what waits for them: canaries, pauses, releases that went back for some trouble."""
        for deployment in self._open_deployments():
            if deployment.state == "paused":
                self._ask(ResumeDeployment(deployment=deployment.id), lambda _: None)
            elif any(s.kind == "promote" and s.state == "running" for s in deployment.steps):
                self._ask(PromoteCanary(deployment=deployment.id), lambda _: None)
        for code, spec in self.good.items():
            if code not in self._deploying() and self._is_other(code, spec):
                self._ask(Deploy(spec=spec), self._deployed)

    def _open_deployments(self) -> list[Deployment]:
        cluster = self._world.cluster
        return [cluster.deployments[i] for i in sorted(cluster.open_deployments)]

    def _deploying(self) -> set[str]:
        return {deployment.project for deployment in self._open_deployments()}

    def _is_other(self, code: str, spec: ProjectSpec) -> bool:
        """The project stands at another revision than was asked for, its release failed, or a replica was given up."""
        cluster = self._world.cluster
        if any(cluster.replicas[key].failed for key in cluster.of_project.get(code, ())):
            return True
        project = cluster.projects.get(code)
        current = cluster.revisions.get((code, project.revision)) if project is not None else None
        return project is None or bool(project.failed) or current is None or current.spec != spec

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
        self.caring = True
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


def _brief(command: Command) -> str:
    match command:
        case Deploy(spec=spec):
            told = ", ".join(f"{s.name}={s.replicas}x{s.image}" for s in spec.services.values())
            return f"deploy {spec.code}: {told}"
        case _:
            return str(command)
