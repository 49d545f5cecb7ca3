"""`python -m tests.torture.real --minutes 20 [--seed N]`: four hosts with real Docker Engines, tortured; needs root.

What `make torture-docker MINUTES=20` runs. Power losses, cut and dead lines, engines that restart, crash or hang,
agents and the Center killed, while people deploy, scale and restart. After each storm the engines themselves are
asked: every wanted replica runs once and answers, nothing else is there, what was acknowledged is known.
Exit code 0: all held.
"""

import argparse
import random
import secrets
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import images
from lab.command import LabError
from lab.hosts import Lab
from protocol.api import DeployAnswer, DeploymentView
from tests.docker.cluster.cluster import ENDED, Cluster, Node, checked, wanted, web
from tests.docker.lab_fixtures import HOSTS, ROOT
from tests.torture.checks import UNDONE
from tests.torture.story import Story

STORM_S = 45.0
CALM_S = 300.0
"""Within which all is well after a storm: the guard holds 120 s, a failed container waits up to 60 s, and two cores run
four engines.
"""

SETTLED_S = 4.0
"""For so long all must be well at a stretch."""

IMAGES = ("rope-demo/web:1", "rope-demo/web:2")
COUNT_MAX = 6

BUSY = " answered 429"
NOT_NOW = ("does not answer", " answered 503", BUSY)
"""What the Center says, or does not, when one asks again."""


class Failed(Exception):
    """It did not hold."""


class Torture:
    """One run on one cluster."""

    def __init__(self, cluster: Cluster, seed: int, story: Story) -> None:
        self.cluster = cluster
        self.story = story
        self._chance = random.Random(seed)
        self._stormy = False
        self._acked: list[tuple[str, int, int]] = []
        self._counts: dict[str, int] = {}
        self._busy: set[str] = set()

    # -- people -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The projects, before anything is wrong."""
        for code in ("front", "checks", "vault"):
            self._deploy(code)
        self.calm("the beginning")

    def _deploy(self, code: str) -> None:
        count = 1 if code == "vault" else self._chance.randint(1, COUNT_MAX)
        image, version = self._chance.choice(IMAGES), str(self._chance.randrange(1 << 30))
        make = checked if code == "checks" else web
        more: dict[str, object] = {"environment": {"VERSION": version}}
        top: dict[str, object] = {}
        if code == "vault":
            more["volumes"], top["volumes"] = ["data:/data"], {"data": {}}
        services = {"web": make(count, image, **more)}
        self._ask(code, f"deploy {count} of {image}", lambda: self.cluster.api.deploy(code, services, **top)[1])
        self._counts[code] = count

    def _operate(self) -> None:
        """One thing that people do."""
        code = self._chance.choice(("front", "checks", "vault"))
        match self._chance.choices(("deploy", "scale", "restart"), (5, 3, 1))[0]:
            case "deploy":
                self._deploy(code)
            case "scale" if code != "vault":
                count = self._chance.randint(1, COUNT_MAX)
                body = {"services": {"web": count}}
                self._ask(code, f"scale to {count}", lambda: self.cluster.api.operate(code, "scale", body))
                self._counts[code] = count
            case _:
                self._ask(code, "restart", lambda: self.cluster.api.operate(code, "restart"))

    def _ask(self, code: str, what: str, call: Callable[[], DeployAnswer]) -> None:
        """Ask until there is an answer, and remember it."""
        while True:
            try:
                answer = call()
            except LabError as error:
                if not any(text in str(error) for text in NOT_NOW):
                    raise
                time.sleep(0.3)
                continue
            break
        number = answer.deployment.id if answer.deployment else 0
        if number:
            self._acked.append((code, number, answer.revision if what.startswith("deploy") else 0))
        self.story.tell("ask", f"{code}: {what} -> deployment {number}, revision {answer.revision}")

    # -- storms -------------------------------------------------------------------------------------------------------

    def storm(self) -> None:
        """Faults side by side while people work."""
        self._stormy = True
        self.story.tell("storm", f"for {STORM_S:.0f} s")
        until, running = time.monotonic() + STORM_S, list[Future[None]]()
        with ThreadPoolExecutor(8) as pool:
            while time.monotonic() < until:
                running.append(pool.submit(self._fault))
                time.sleep(self._chance.uniform(1.0, 6.0))
                self._operate()
        for future in running:
            future.result()
        self._restore()
        self._stormy = False

    def _fault(self) -> None:
        node, seconds = self._chance.choice(self.cluster.nodes), self._chance.uniform(1.0, 35.0)
        kinds = (self._power, self._cut, self._dead_line, self._engine, self._hang, self._agent, self._pause)
        if self._chance.random() < 0.2:
            self._center()
            return
        if node.name in self._busy or len(self._busy) > 2:
            return
        self._busy.add(node.name)
        try:
            self._chance.choice(kinds)(node, seconds)
        finally:
            self._busy.discard(node.name)

    def _power(self, node: Node, seconds: float) -> None:
        self.story.tell("power", f"{node.name} is without power for {seconds:.0f} s")
        node.host.power_off()
        time.sleep(seconds)
        node.host.power_on()
        node.start_agent()

    def _cut(self, node: Node, seconds: float) -> None:
        self.story.tell("cut", f"{node.name} for {seconds:.0f} s")
        node.host.cut()
        time.sleep(seconds)
        node.host.mend()

    def _dead_line(self, node: Node, seconds: float) -> None:
        self.story.tell("dead-line", f"{node.name} for {seconds:.0f} s")
        node.host.lose_packets()
        time.sleep(seconds)
        node.host.mend()

    def _engine(self, node: Node, seconds: float) -> None:
        crash = self._chance.random() < 0.5
        self.story.tell("engine", f"of {node.name} {'crashes' if crash else 'is restarted'}")
        if crash:
            node.host.kill_engine()
            time.sleep(min(seconds, 10.0))
        else:
            node.host.stop_engine()
        node.host.start_engine()

    def _hang(self, node: Node, seconds: float) -> None:
        self.story.tell("hang", f"engine of {node.name} for {seconds:.0f} s")
        node.host.pause_engine()
        time.sleep(seconds)
        node.host.resume_engine()

    def _agent(self, node: Node, seconds: float) -> None:
        number = self._chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        self.story.tell("agent", f"{node.name} {number.name}, back after {seconds / 4:.0f} s")
        node.agent.send_signal(number)
        node.agent.wait(10)
        time.sleep(seconds / 4)
        node.start_agent()

    def _pause(self, node: Node, seconds: float) -> None:
        self.story.tell("pause", f"agent of {node.name} for {seconds:.0f} s")
        node.agent.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        node.agent.send_signal(signal.SIGCONT)

    def _center(self) -> None:
        if "center" in self._busy:
            return
        self._busy.add("center")
        try:
            self.story.tell("center", "killed")
            self.cluster.kill_center()
            time.sleep(self._chance.uniform(0.0, 5.0))
            self.cluster.start_center()
        finally:
            self._busy.discard("center")

    def _restore(self) -> None:
        """Whatever a fault left."""
        for node in self.cluster.nodes:
            if not node.agent_runs:
                node.start_agent()

    # -- calms --------------------------------------------------------------------------------------------------------

    def calm(self, after: str) -> float:
        """Wait until all is well, and check what time does not mend. Gives the seconds. Raises Failed."""
        begun = well_since = time.monotonic()
        mended = False
        while time.monotonic() - well_since < SETTLED_S:
            found = self._unsettled()
            if found:
                well_since = time.monotonic()
            if well_since - begun > CALM_S:
                raise Failed(self._told(f"{after}: not as wanted after {CALM_S:.0f} s", found))
            if found and not mended and time.monotonic() - begun > 20:
                mended = self._deploy_failed_again()
            time.sleep(0.5)
        if found := self._broken():
            raise Failed(self._told(after, found))
        self.story.tell("calm", f"all is well {well_since - begun:.0f} s after {after}")
        return well_since - begun

    def _deploy_failed_again(self) -> bool:
        """What failed under the faults is its operator's to deploy again; the answer to each is known."""
        failed = False
        with suppress(LabError):
            for code in self._counts:
                asked = [(n, revision) for c, n, revision in self._acked if c == code]
                numbers = {asked[-1][0], next(n for n, revision in reversed(asked) if revision)}
                failed_ones = [d for d in map(self.cluster.api.deployment, numbers) if d.state in UNDONE]
                if failed_ones:
                    self.story.tell("failed", f"{code}: {failed_ones[0].reason}")
                    self._deploy(code)
                    failed = True
        return failed

    def _unsettled(self) -> list[str]:
        api, found = self.cluster.api, list[str]()
        try:
            found += [
                f"{n.name} is {n.state} {n.unschedulable or ''}"
                for n in api.nodes().values()
                if n.state != "online" or n.unschedulable
            ]
            for code, count in self._counts.items():
                project = api.project(code)
                if project.state != "running" or project.deployment or wanted(project) != count:
                    found.append(f"{code} is {project.state} ({wanted(project)} of {count}): {project.message}")
                elif not self.cluster.answering(code):
                    found.append(f"{code} does not answer everywhere")
            found += self._engines(count=sum(self._counts.values()))
        except (LabError, OSError) as error:
            found.append(str(error)[:300])
        return found

    def _engines(self, count: int) -> list[str]:
        seen = self.cluster.containers()
        found = [f"{s.replica}@{s.epoch} on {s.node} does not run" for s in seen if not s.running]
        running = Counter(str(s.replica) for s in seen if s.running)
        found += [f"{name} runs {number} times" for name, number in running.items() if number > 1]
        if len(running) != count:
            found.append(f"{len(running)} replicas run, {count} shall")
        return found

    def _broken(self) -> list[str]:
        found = []
        for code, number, revision in self._acked:
            view = self._deployment(number)
            if view.project != code or revision not in (0, view.revision) or view.state not in ENDED:
                found.append(f"acknowledged deployment {number} of {code} to {revision} is now {view}")
        folder = self.cluster.lab.folder
        for log in (folder / "center.log", *(node.host.folder / "agent.log" for node in self.cluster.nodes)):
            text = log.read_text(errors="replace") if log.exists() else ""
            if "Traceback (most recent call last)" in text:
                found.append(f"{log.name}: {text[text.index('Traceback') :][:2000]}")
        database = sqlite3.connect(f"file:{folder / 'center' / 'center.db'}?mode=ro", uri=True)
        try:
            found += [row[0] for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        finally:
            database.close()
        return found

    def _deployment(self, number: int) -> DeploymentView:
        """One deployment, asked again when we asked too fast."""
        while True:
            try:
                return self.cluster.api.deployment(number)
            except LabError as error:
                if BUSY not in str(error):
                    raise
                time.sleep(0.3)

    def _told(self, what: str, found: list[str]) -> str:
        lines = "\n".join(f"  {line}" for line in found[:30])
        return f"{what}\n{lines}\n--- the story\n{self.story.tail()}\n--- the Center\n{self.cluster.told()}"

    @property
    def acked(self) -> int:
        """Deployments acknowledged so far."""
        return len(self._acked)


def run(seed: int, minutes: float, story: Story) -> str:
    """Storms and calms for so many minutes; says how it went. Raises Failed."""
    with Lab.claim(ROOT, HOSTS) as lab:
        lab.load_image(images.save(images.all_images(), lab.folder / "images.tar"))
        cluster = Cluster(lab)
        try:
            cluster.up()
            torture, calms, begun = Torture(cluster, seed, story), list[float](), time.monotonic()
            torture.begin()
            while time.monotonic() - begun < 60 * minutes:
                torture.storm()
                calms.append(torture.calm(f"storm {len(calms) + 1}"))
        finally:
            cluster.down()
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(story.counts.items()))
    took = ", ".join(f"{s:.0f}" for s in calms)
    return f"{len(calms)} storms, all well again after {took} s; {torture.acked} deployments acknowledged\n{counts}"


def main() -> int:
    """Run; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.real")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    given = parser.parse_args()
    print(f"seed {given.seed}: {given.minutes:g} minutes, {HOSTS} hosts with real Docker Engines", flush=True)
    with TemporaryDirectory() as folder:
        story = Story(Path(folder) / "story.txt")
        try:
            told = run(given.seed, given.minutes, story)
        except Failed as failed:
            print(f"seed {given.seed} FAILED after {story.seconds:.0f} s: {failed}")
            return 1
        finally:
            story.close()
        print(f"seed {given.seed}: all held for {story.seconds:.0f} s: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
