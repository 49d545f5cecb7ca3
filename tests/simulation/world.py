"""The whole control plane in virtual time: machines, network, Center, people, faults; and one seed that decides it all.

`World(scenario(seed, minutes)).run()` plays it and raises `Violation` when an invariant does not hold.
"""

import random
from collections import deque
from typing import Any

from controlplane.core.center import Outcome
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import Command, CreateTicket, Register
from controlplane.core.fact import Fact
from controlplane.core.record import Record, Refused
from nodeagent.core.steps import ReplicaStep, Step
from tests.simulation import drills, faults
from tests.simulation.backups import Backups
from tests.simulation.center import LIMIT_S, Center, CenterClock
from tests.simulation.clock import WALL, Clock
from tests.simulation.engine import Box, Engine, Watchers
from tests.simulation.invariants import Safety
from tests.simulation.liveness import Liveness
from tests.simulation.machine import Machine
from tests.simulation.network import Connection, End
from tests.simulation.operators import Operators
from tests.simulation.outcome import Counts, Violation
from tests.simulation.rope import Identity
from tests.simulation.scenario import CYCLE_S, REPAIR_SHARE, STORM_SHARE, DrillKind, Fault, Scenario
from tests.simulation.store import SimulatedStore
from tests.simulation.story import silenced

CLUSTER = "simulated"
LINES_MAX = 400
DRILL_S = 85.0
"""A drill takes so long at most."""
PROGRESS_S = 40.0
"""A deployment that moved within so many seconds goes on."""
SETTLE_S = 20.0
"""What a deployment that has ended leaves to be stopped is gone after so long."""


class World:
    """One run."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = Clock()
        self.counts = Counts()
        self.machines: dict[str, Machine] = {}
        self.cursed: set[tuple[str, str]] = set()
        """See `Engine.cursed`."""
        self.heard: dict[str, float] = {}
        """Node -> when the last byte of its open session reached the Center's machine."""
        self.opened: dict[str, float] = {}
        """Node -> when its newest session was opened."""
        self.disturbed_at = 0.0
        """When the Center last began, or ended, being dead, stopped or unable to commit."""
        self.raging = True
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._mends: dict[int, tuple[Fault, faults.Mend]] = {}
        self._connections = 0
        self._generation = 0
        self.chance = random.Random(f"world {scenario.seed}")
        self.store = SimulatedStore(random.Random(f"store {scenario.seed}"), CLUSTER)
        self.backups = Backups(self)
        self.clocks = CenterClock(self.clock)
        self.center: Center | None = None
        self.last_center: Center | None = None
        """The newest one, dead or alive."""
        self.paused_full = False
        """The disk was full when the last pause began: then the detector's clock stood still for longer."""
        self.long_pause_at = 0.0
        """When the Center last came out of a pause that counts as a start."""
        self.long_pause_from = 0.0
        """What was heard since then, the last tick before that pause, shows life after all."""
        self._busy_calm = False
        """The last calm was over before everything was done that was asked for."""
        self._nonces = random.Random(f"nonces {scenario.seed}")
        self.safety = Safety(self)
        self.liveness = Liveness(self)
        self.operators = Operators(self, random.Random(f"projects {scenario.seed}"))
        self.start_center()
        for _ in range(scenario.nodes):
            self.add_machine()
        self.clock.at(3.0, self.operators.begin)
        self._plan()
        self.clock.after(1.0, self._second)

    # -- running ----------------------------------------------------------------------------------------------------

    def run(self) -> Counts:
        """Play it to the end. Raises Violation."""
        end = self.scenario.minutes * 60.0
        try:
            with silenced():
                self.counts.events = self.clock.run(end)
            self.safety.check_all()
        except AssertionError as error:
            self.tell("violation", str(error))
            raise Violation(str(error), self.clock.now, list(self._lines)) from error
        self.counts.seconds = end
        self.counts.commits = self.store.commits
        return self.counts

    def tell(self, kind: str, what: Any) -> None:
        """A line of the story."""
        self._lines.append(f"{self.clock.now:9.3f}  {kind:10} {what}")

    def story(self) -> list[str]:
        """The last lines."""
        return list(self._lines)

    def _plan(self) -> None:
        scenario = self.scenario
        for fault in scenario.faults:
            self.clock.at(fault.at, self._break, fault)
        for act in scenario.acts:
            self.clock.at(act.at, self._act, act)
        cycle_s = scenario.cycle_s
        for number, drill in enumerate(scenario.drills):
            begin = number * cycle_s
            calm = begin + cycle_s * STORM_SHARE
            self.clock.at(begin + 1.0, self._rage)
            self.clock.at(calm, self._calm)
            self.clock.at(calm + 15.0, self.operators.put_right)
            if cycle_s < CYCLE_S:  # too short for everything to be well again
                continue
            self.clock.at(calm + cycle_s * REPAIR_SHARE, self._be_well, drill, begin + cycle_s)

    def _be_well(self, drill: DrillKind, end: float) -> None:
        """Everything must be well now; what people asked for in the storm may take longer, as long as it goes on."""
        left_s = end - self.clock.now
        if self._progresses() and (left_s > 15.0 or not self._busy_calm):
            if left_s > 15.0:
                self.clock.after(10.0, self._be_well, drill, end)
            else:  # people asked for more than one calm has time for; twice in a row is for ever
                self._busy_calm = True
            return
        self._busy_calm = False
        self.operators.caring = False
        self.liveness.check_calm("after a storm")
        if left_s >= DRILL_S:
            drills.begin(self, drill, left_s)

    def _progresses(self) -> bool:
        assert self.center is not None, "the Center is up in the calm"
        cluster = self.center.cluster
        open_ = [cluster.deployments[i] for i in cluster.open_deployments]
        moved = [at for d in open_ for at in (d.progress_at, *(max(s.started_at, s.ended_at) for s in d.steps))]
        settling = any(self.wall - d.ended_at < SETTLE_S for d in cluster.deployments.values())
        return settling or any(self.wall - at < PROGRESS_S for at in moved)

    def _rage(self) -> None:
        self.raging, self.operators.caring = True, False

    def _break(self, fault: Fault) -> None:
        self.counts.faults += 1
        self.tell("fault", f"#{fault.number} {fault.kind} node {fault.node} for {fault.lasts_s:.1f} s")
        mend = faults.begin(self, fault)
        if mend is not None:
            self._mends[fault.number] = (fault, mend)
            self.clock.after(fault.lasts_s, self._mend, fault.number)

    def _mend(self, number: int) -> None:
        fault, mend = self._mends.pop(number, (None, None))
        if fault is not None and mend is not None:
            self.tell("mended", f"#{number} {fault.kind}")
            mend()
            self.note_wellness()

    def _act(self, act: Any) -> None:
        self.counts.acts += 1
        self.operators.act(act)

    def _calm(self) -> None:
        """The storm is over: everything that is broken is mended."""
        self.tell("calm", "")
        self.raging = False
        for number in sorted(self._mends):
            self._mend(number)
        for machine in self.machines.values():
            machine.heal()
            if machine.removed:
                machine.power_off()
        self.note_wellness()

    def _second(self) -> None:
        self.safety.second()
        self.liveness.second()
        if self.operators.caring and int(self.clock.now) % 8 == 0:
            self.operators.care()
        if int(self.clock.now) % 60 == 7:
            self.backups.keep()
            for machine in self.machines.values():
                machine.remember_disk()
        self.clock.after(1.0, self._second)

    # -- machines ---------------------------------------------------------------------------------------------------

    def add_machine(self) -> None:
        """A new machine registers and starts its agent, as soon as the Center takes it in."""
        name = f"node-{len(self.machines) + 1}"
        identity = Identity(cluster=CLUSTER, agent_id=f"id-{name}", node=name, key=f"key-{name}")
        watchers = Watchers(started=self._started, stopping=self._stopping, ended=self._ended)
        machine = Machine(
            self.clock, identity, f"{self.scenario.seed} {name}", watchers, self._dial, self._begun, self.scenario.ports
        )
        machine.engine.cursed = self.cursed
        self.machines[name] = machine
        machine.well_since = self.clock.now
        self._register(machine)

    def _register(self, machine: Machine) -> None:
        identity = machine.identity

        def registered(answer: Any) -> None:
            if not isinstance(answer, Refused) or answer.code == "conflict":  # then it was taken in before
                machine.registered = True
                machine.start_agent()

        def ticketed(answer: Any) -> None:
            if self.center is None or isinstance(answer, Refused):
                return
            number = len(self.machines)
            command = Register(
                ticket=f"ticket-{machine.name}",
                secret_hash="h",
                agent_id=identity.agent_id,
                name=machine.name,
                public_key=identity.key,
                address=f"10.0.{number // 200}.{number % 200 + 11}",
                labels={"zone": "a"},
            )
            self.center.ask(command, registered)

        if machine.registered or machine.removed:
            return
        self.clock.after(3.0, self._register, machine)
        if self.center is not None and not self.center.process.stopped and not self.safety.forgiving:
            ticket = CreateTicket(id=f"ticket-{machine.name}", secret_hash="h", ttl_s=900.0)
            self.center.ask(ticket, ticketed)

    def _dial(self, machine: Machine, end: End) -> Connection | None:
        center = self.center
        if center is None or machine.line.cut or center.process.stopped:
            return None
        self._connections += 1
        connection = Connection(machine.line, self._connections, self._arrived)
        connection.agent = end
        center.answer_call(connection)
        return connection

    def _arrived(self, connection: Connection) -> None:
        session = connection.caller.session
        if session is not None and self.opened_session(session.node) is session:
            self.heard[session.node] = self.clock.now

    def opened_session(self, node: str) -> Any:
        """The session the hub holds for a node."""
        return self.center.hub._session(node) if self.center is not None else None

    def note_wellness(self) -> None:
        """Something was broken or mended: remember since when each machine is well."""
        for machine in self.machines.values():
            if not machine.well:
                machine.well_since = float("inf")
            elif machine.well_since == float("inf"):
                machine.well_since = self.clock.now

    # -- the Center -------------------------------------------------------------------------------------------------

    def start_center(self) -> None:
        """The process starts, unless it runs."""
        if self.center is not None:
            return
        self._generation += 1
        self.disturbed_at = self.clock.now
        self.tell("center", "starts")
        self.opened.clear()
        self.center = Center(
            self.clock,
            self.clocks,
            self.store,
            self._nonces,
            self._decided,
            self._committed,
            self._session_opened,
            self._center_broke,
            self.scenario.idle_tick_s,
        )
        self.last_center = self.center
        if self._generation > 1 and not self.safety.forgiving:
            self.operators.check_memory()
        self.safety.center_started()

    def kill_center(self, *, power: bool = False) -> None:
        """It dies."""
        center, self.center = self.center, None
        if center is not None:
            self.tell("center", "is dead")
            self.disturbed_at = self.clock.now
            center.kill(power=power)

    def wake_center(self, center: Center, suspended: bool, pause_s: float) -> None:
        """SIGCONT after a pause; a suspended machine's monotonic clock stood still."""
        if self.center is center:
            if suspended:
                self.clocks.suspended_s += pause_s
            self.disturbed_at = self.clock.now
            if pause_s > 15.0 and not self.paused_full:
                self.long_pause_at = self.clock.now
                self.long_pause_from = self.clock.now - pause_s - self.scenario.idle_tick_s - LIMIT_S
            center.go_on()

    def _center_broke(self) -> None:
        self.kill_center()
        self.clock.after(2.0, self.start_center)

    def _session_opened(self, node: str) -> None:
        self.opened[node] = self.heard[node] = self.clock.now

    def _decided(self, cluster: Cluster, event: Fact | Command, outcome: Outcome) -> None:
        self.safety.decided(cluster, event, outcome)

    def _committed(self, changes: Changes, before: list[Record | None]) -> None:
        for event in changes.events:
            self.tell("journal", event.text)
        self.safety.committed(changes, before)
        self.liveness.committed(changes, before)

    # -- truth ------------------------------------------------------------------------------------------------------

    def _started(self, engine: Engine, box: Box) -> None:
        self.counts.starts += 1
        self.tell("start", f"{box.ref.id} epoch {box.ref.epoch} on {engine.node} ({box.id})")
        self.safety.running.started(engine, box)

    def _stopping(self, engine: Engine, box: Box, step: ReplicaStep) -> None:
        self.tell(type(step).__name__.lower(), f"{box.ref.id} epoch {box.ref.epoch} on {engine.node} ({box.id})")
        self.safety.running.stopping(engine, box, step)

    def _ended(self, engine: Engine, box: Box) -> None:
        self.tell("ended", f"{box.ref.id} epoch {box.ref.epoch} on {engine.node} ({box.id}) {box.exit_code}")
        self.safety.running.ended(engine, box)

    def _begun(self, machine: Machine, step: Step) -> None:
        self.safety.begun(machine, step)
        self.liveness.begun(machine, step)

    @property
    def cluster(self) -> Cluster:
        """What the Center knows, or knew when it died."""
        center = self.center or self.last_center
        assert center is not None
        return center.cluster

    @property
    def wall(self) -> float:
        """Wall seconds of a clock that is right."""
        return WALL + self.clock.now
