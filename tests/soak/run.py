"""One soak: a Center, many simulated agents, real hosts when root; faults while people work, then everything is well.

`soak` is called by `__main__` (as many minutes as asked) and by the test (one minute). Raises Failed with all that is
known. The Center is one process from beginning to end: its memory is what is measured.
"""

import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import images
from lab.command import LabError
from lab.hosts import Lab
from protocol.api import DeploymentView
from tests.docker.cluster.cluster import ENDED, Cluster, Node, wanted
from tests.docker.lab_fixtures import ROOT
from tests.soak.agents import Agents, Crew, agents
from tests.soak.figures import MIB, Figures, Sample, rss_slope
from tests.soak.people import IMAGES, KIND, REAL, SIMULATED, People, fault
from tests.torture.checks import UNDONE
from tests.torture.real import BUSY, Failed
from tests.torture.story import Story

HOSTS = 3 if os.geteuid() == 0 else 0
JOINED_S = 90.0
FAULT_MAX_S = 20.0
"""The longest that anything is away: longer than it takes to be offline."""
REAL_FAULTS_MAX = 2
"""Hosts that are away at a time: one is always there for what must be on a real one."""
CALM_S = 240.0
"""Within which all is well after the last fault."""
SETTLED_S = 4.0
STUCK_S = 180.0
"""A deployment that takes longer was stuck, though it has ended."""
SAMPLE_S = 1.0


class Loopback(Lab):
    """A lab without hosts, for those who are not root: the Center on this machine's own address."""

    @property
    def address(self) -> str:
        """Loopback."""
        return "127.0.0.1"


class Watch:
    """Samples of the Center, taken in a thread of its own while the context is open."""

    def __init__(self, pid: int, data: Path) -> None:
        self.samples: list[Sample] = []
        self._statm = Path("/proc") / str(pid) / "statm"
        self._data = data
        self._over = threading.Event()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Look once a second. Raises OSError at the end when the Center went away."""
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self._look)
            try:
                yield
            finally:
                self._over.set()
                looking.result()

    def _look(self) -> None:
        begun = time.monotonic()
        while not self._over.wait(SAMPLE_S):
            rss = int(self._statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            sizes = {path.name: path.stat().st_size for path in self._data.glob("*.db*")}
            logs = sum(size for name, size in sizes.items() if name.endswith("-wal"))
            self.samples.append(Sample(time.monotonic() - begun, rss, sum(sizes.values()) - logs, logs))


class Soak:
    """One run on one cluster."""

    def __init__(self, cluster: Cluster, crew: Agents, seed: int, story: Story) -> None:
        self._cluster = cluster
        self._agents = crew
        self._story = story
        self._chance = random.Random(seed)
        works = SIMULATED + (REAL if cluster.nodes else ())
        self.people = People(cluster.api, works, story, random.Random(self._chance.random()))
        self._busy: set[str] = set()

    def join(self) -> None:
        """Wait until every simulated node is online, and tell the real ones apart."""
        for node in self._cluster.nodes:
            self._cluster.api.patch_node(node.name, labels={KIND: "real"})
        took_s = self._cluster.wait_online(*self._agents.names, limit_s=JOINED_S)
        self._story.tell("joined", f"{len(self._agents.names)} simulated nodes in {took_s:.0f} s")

    def work(self, seconds: float) -> None:
        """People work and things break for so long."""
        self.people.begin()
        until, running = time.monotonic() + seconds, list[Future[None]]()
        with ThreadPoolExecutor(REAL_FAULTS_MAX) as pool:
            while time.monotonic() < until:
                time.sleep(self._chance.uniform(0.2, 1.8))
                kind = self._chance.choices(("people", "simulated", "real"), (5, 3, 2))[0]
                match kind:
                    case "people":
                        self.people.operate()
                    case "simulated":
                        fault(self._agents, self._story, self._chance, FAULT_MAX_S)
                    case _ if self._cluster.nodes:
                        self._real_fault(pool, running)
        for future in running:
            future.result()

    def _real_fault(self, pool: ThreadPoolExecutor, running: list[Future[None]]) -> None:
        node, seconds = self._chance.choice(self._cluster.nodes), self._chance.uniform(0.5, FAULT_MAX_S)
        do = self._chance.choice((self._cut, self._dead_line, self._agent))
        if node.name in self._busy or len(self._busy) >= REAL_FAULTS_MAX:
            return
        self._busy.add(node.name)
        running.append(pool.submit(do, node, seconds))

    def _cut(self, node: Node, seconds: float) -> None:
        self._story.tell("cut", f"{node.name} for {seconds:.0f} s")
        node.host.cut()
        time.sleep(seconds)
        node.host.mend()
        self._busy.discard(node.name)

    def _dead_line(self, node: Node, seconds: float) -> None:
        self._story.tell("dead-line", f"{node.name} for {seconds:.0f} s")
        node.host.lose_packets()
        time.sleep(seconds)
        node.host.mend()
        self._busy.discard(node.name)

    def _agent(self, node: Node, seconds: float) -> None:
        self._story.tell("agent", f"{node.name} killed, back after {seconds / 2:.0f} s")
        node.agent.kill()
        time.sleep(seconds / 2)
        node.start_agent()
        self._busy.discard(node.name)

    # -- the end ------------------------------------------------------------------------------------------------------

    def calm(self) -> float:
        """Wait until all is well for a while; gives the seconds. Raises Failed."""
        begun = well_since = time.monotonic()
        again = False
        while time.monotonic() - well_since < SETTLED_S:
            found = self._unsettled()
            if found:
                well_since = time.monotonic()
            if well_since - begun > CALM_S:
                lines = "\n".join(found[:30])
                raise Failed(f"not as wanted after {CALM_S:.0f} s\n{lines}\n{self.told()}")
            if found and not again and time.monotonic() - begun > FAULT_MAX_S:
                again = self._deploy_failed_again()
            time.sleep(0.5)
        return well_since - begun

    def _deploy_failed_again(self) -> bool:
        for code in list(self.people.counts):
            newest = next(number for c, number in reversed(self.people.acked) if c == code)
            ended = self._deployment(newest)
            if ended.state in UNDONE:
                self._story.tell("failed", f"{code}: {ended.reason}")
                self.people.deploy_again(code)
        return True

    def _unsettled(self) -> list[str]:
        api, counts, found = self._cluster.api, self.people.counts, list[str]()
        try:
            found += [
                f"{n.name} is {n.state} {n.unschedulable or ''}"
                for n in api.nodes().values()
                if n.state != "online" or n.unschedulable
            ]
            projects = {project.code: project for project in api.projects()}
            found += [f"{code} is there" for code in projects if code not in counts]
            counts.update(
                {code: wanted(projects[code]) for code in self.people.gone_back & counts.keys() & projects.keys()}
            )
            for code, count in counts.items():
                project = projects.get(code)
                if project is None:
                    found.append(f"{code} is not there")
                elif project.state != "running" or project.deployment or wanted(project) != count:
                    found.append(f"{code} is {project.state} ({wanted(project)} of {count}): {project.message}")
                elif code == "front" and not self._cluster.answering(code):
                    found.append(f"{code} does not answer everywhere")
            found += self._running()
        except (LabError, OSError) as error:
            found.append(str(error)[:300])
        return found

    def _running(self) -> list[str]:
        """What the engines themselves say, those in memory and the real ones."""
        seen = Counter(self._agents.order("state").running)
        seen += Counter(str(s.replica) for s in self._cluster.containers() if s.running)
        found = [f"{name} runs {number} times" for name, number in seen.items() if number > 1]
        there = Counter(name.partition("/")[0] for name in seen)
        if there != Counter(self.people.counts):
            found.append(f"running: {dict(there)}, wanted: {self.people.counts}")
        return found

    # -- figures ------------------------------------------------------------------------------------------------------

    def figures(self, minutes: float, samples: list[Sample]) -> Figures:
        """What came out."""
        views = [self._deployment(number) for _, number in self.people.acked]
        took = {v.id: _seconds(v) for v in views if v.ended_at}
        stuck = [f"deployment {v.id} of {v.project} is {v.state}: {v.reason}" for v in views if v.state not in ENDED]
        stuck += [f"deployment {number} took {s:.0f} s" for number, s in took.items() if s > STUCK_S]
        rss = [sample.rss / MIB for sample in samples]
        return Figures(
            minutes=minutes,
            rss_first=rss[0],
            rss_last=rss[-1],
            rss_most=max(rss),
            slope=rss_slope(samples),
            database=max(s.database for s in samples) / MIB,
            log_most=max(s.log for s in samples) / MIB,
            events=self._cluster.api.last_event(),
            deployments=len(views),
            stuck=tuple(stuck),
            slowest_s=max(took.values(), default=0.0),
        )

    def _deployment(self, number: int) -> DeploymentView:
        while True:
            try:
                return self._cluster.api.deployment(number)
            except LabError as error:
                if BUSY not in str(error):
                    raise
                time.sleep(0.3)

    def broken(self, data: Path) -> list[str]:
        """What must never be: a fault in a log, a broken database."""
        logs = [self._cluster.lab.folder / "center.log"]
        logs += [node.host.folder / "agent.log" for node in self._cluster.nodes]
        found = []
        for log in logs:
            text = log.read_text(errors="replace")
            if "Traceback (most recent call last)" in text:
                found.append(f"{log.name}: {text[text.index('Traceback') :][:2000]}")
        database = sqlite3.connect(f"file:{data / 'center.db'}?mode=ro", uri=True)
        try:
            found += [row[0] for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        finally:
            database.close()
        return found

    def told(self) -> str:
        """The story and the Center, for a failure's message."""
        return f"--- the story\n{self._story.tail()}\n--- the Center\n{self._cluster.told()}"


def soak(seed: int, minutes: float, count: int, hosts: int, story: Story) -> tuple[Figures, str]:
    """A run of so many minutes with `count` simulated agents and `hosts` real ones (0: no root is needed); its figures,
    and a line for people. Raises Failed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="soak-")))
        lab, found = _lab(stack, folder, hosts)
        cluster = Cluster(lab)
        stack.callback(cluster.down)
        cluster.up()
        names = [f"sim-{number:02d}" for number in range(1, count + 1)]
        crew = Crew(
            folder=str(folder / "agents"),
            center=cluster.url,
            tokens={name: cluster.api.join_token(name) for name in names},
            images=found,
            labels={KIND: "simulated"},
        )
        run = Soak(cluster, stack.enter_context(agents(crew)), seed, story)
        run.join()
        data = lab.folder / "center"
        watch = Watch(cluster.center_pid, data)
        with watch.on():
            run.work(60 * minutes)
            calm_s = run.calm()
        figures = run.figures(minutes, watch.samples)
        faults = figures.faults() + run.broken(data)
        if faults:
            raise Failed(f"{figures}\n" + "\n".join(faults) + "\n" + run.told())
    counts = ", ".join(f"{kind} {number}" for kind, number in sorted(story.counts.items()))
    nodes = f"{count + len(lab.hosts)} nodes ({len(lab.hosts)} real)"
    return figures, f"{minutes:g} min, {nodes}; {figures}; all well {calm_s:.0f} s after the last fault; {counts}"


def _lab(stack: ExitStack, folder: Path, hosts: int) -> tuple[Lab, dict[str, str]]:
    """The hosts, and the ids of the images: the same on engines in memory, so that projects may roam."""
    if not hosts:
        (folder / "lab").mkdir()
        return Loopback(folder / "lab"), {name: f"sha256:{n:064x}" for n, name in enumerate(IMAGES, 1)}
    lab = stack.enter_context(Lab.claim(ROOT, hosts))
    lab.load_image(images.save(images.all_images(), lab.folder / "images.tar"))
    return lab, {name: lab.hosts[0].engine.image_id(name) for name in IMAGES}


def _seconds(view: DeploymentView) -> float:
    assert view.ended_at is not None
    return (datetime.fromisoformat(view.ended_at) - datetime.fromisoformat(view.created_at)).total_seconds()
