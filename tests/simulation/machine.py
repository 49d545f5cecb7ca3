"""A machine of the cluster: its power, clocks, disk, engine, line, and the agent process that lives on it."""

import random
from collections.abc import Callable

from nodeagent.core.events import Now
from nodeagent.core.steps import Step
from tests.simulation.agent import Agent, Disk
from tests.simulation.clock import WALL, Clock
from tests.simulation.engine import Engine, Watchers
from tests.simulation.network import Connection, End, Line
from tests.simulation.rope import Identity, Readings, Rope


class Machine:
    """`dial`: reaches the Center over this machine's line. `begun`: told of every step an agent begins."""

    def __init__(
        self,
        clock: Clock,
        identity: Identity,
        seed: str,
        watchers: Watchers,
        dial: Callable[["Machine", End], Connection | None],
        begun: Callable[["Machine", Step], None],
        ports: int,
    ) -> None:
        self.name = identity.node
        self.identity = identity
        self.true_identity = identity
        """Who it is, whoever it says it is."""
        self.clock = clock
        self.chance = random.Random(seed)
        self.line = Line(clock, self.chance)
        self.engine = Engine(self.name, clock, self.chance, watchers)
        self.engine.wall = lambda: self.now().wall
        self.disk = Disk()
        self.old_disks: list[Disk] = []
        self.agent: Agent | None = None
        self.rope: Rope | None = None
        self.powered = True
        self.registered = False
        self.removed = False
        self.rolled_back = False
        """Its agent knows less than it once did, until it was told anew in a calm."""
        self.disk_free_gb = 60.0
        self.wall_skew = 0.0
        self.well_since = 0.0
        """Since when nothing hinders it to obey: power, process, line and engine are as they should be."""
        self._boots = 1
        self._booted_at = clock.now
        self._dial = dial
        self._begun = begun
        self._ports = ports

    def now(self) -> Now:
        """Its own clocks."""
        return Now(self.clock.now - self._booted_at + 10.0, WALL + self.clock.now + self.wall_skew)

    # -- power and process ------------------------------------------------------------------------------------------

    def start_agent(self) -> None:
        """The agent process starts, unless it runs, or there is no power, or it was never taken in."""
        if not self.registered or not self.powered or self.agent is not None:
            return

        def ready() -> None:
            rope.connect()

        agent = Agent(
            self.clock,
            self.chance,
            self.engine,
            self.disk,
            boot_id=f"{self.name}-boot-{self._boots}",
            now=self.now,
            begun=lambda _, step: self._begun(self, step),
            ready=ready,
            send=lambda action: rope.send(action),
        )
        rope = Rope(agent, self.identity, self.chance, lambda end: self._dial(self, end), self.readings, self._ports)
        self.agent, self.rope = agent, rope

    def kill_agent(self) -> None:
        """SIGKILL: containers go on."""
        agent, rope = self.agent, self.rope
        self.agent = self.rope = None
        if agent is not None and rope is not None:
            rope.drop()
            agent.kill()

    def power_off(self) -> None:
        """Everything is gone at once, without a word."""
        if not self.powered:
            return
        self.powered = False
        agent, rope = self.agent, self.rope
        self.agent = self.rope = None
        if agent is not None and rope is not None:
            rope.vanish()
            agent.kill()
        self.engine.power_off()

    def power_on(self) -> None:
        """It boots: the engine first, then the agent."""
        if self.powered:
            return
        self.powered = True
        self._boots += 1
        self._booted_at = self.clock.now
        self.engine.power_on()
        boots = self._boots
        self.clock.after(self.chance.uniform(0.5, 4.0), self._booted, boots)

    def _booted(self, boots: int) -> None:
        if self.powered and self._boots == boots:
            self.start_agent()

    def roll_back_disk(self) -> None:
        """The agent comes back with what its disk held some time ago."""
        self.kill_agent()
        if self.old_disks:
            old = self.chance.choice(self.old_disks)
            self.disk.memory, self.disk.tasks = old.memory, dict(old.tasks)
            self.old_disks.clear()
            self.rolled_back = True

    def remember_disk(self) -> None:
        """Keep a copy, as a snapshot of the machine would."""
        copy = Disk()
        copy.memory, copy.tasks = self.disk.memory, dict(self.disk.tasks)
        self.old_disks = [*self.old_disks[-4:], copy]

    # -- state ------------------------------------------------------------------------------------------------------

    @property
    def well(self) -> bool:
        """Nothing hinders it."""
        agent = self.agent
        return (
            self.powered
            and agent is not None
            and not agent.process.stopped
            and not agent.lag_s
            and not self.line.cut
            and not self.line.has_hole
            and not self.engine.hung
            and self.engine.slow == 1.0
            and not self.disk.slow_s
        )

    def readings(self) -> Readings:
        """What its meters show."""
        return Readings(ports=self.engine.listening(), disk_free_gb=self.disk_free_gb)

    def reset_connection(self) -> None:
        """Its connection breaks, as when a middlebox forgets it."""
        if self.rope is not None:
            self.rope.reset()

    def heal(self) -> None:
        """Whatever is wrong with it is right again."""
        self.rolled_back = False
        self.line.delay_s, self.line.late_news, self.line.swallows = (0.001, 0.02), 0.0, 0
        if self.line.has_hole:
            self.line.has_hole = False
            self.reset_connection()
        self.line.set(up_cut=False, down_cut=False)
        self.disk.broken, self.disk.slow_s, self.disk_free_gb = False, 0.0, 60.0
        engine = self.engine
        engine.slow, engine.pulls_fail, engine.creates_fail = 1.0, 0, 0
        engine.foreign_ports.clear()
        if engine.hung:
            engine.recover()
        if not self.removed:
            self.power_on()
            self.start_agent()
        if self.agent is not None:
            self.agent.lag_s = 0.0
            if self.agent.process.stopped:
                self.agent.go_on()
