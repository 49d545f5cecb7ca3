"""What people do in a soak: they deploy, scale, restart, roll back and remove a few projects, and note every answer."""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from lab.command import LabError
from protocol.api import DeployAnswer
from tests.docker.cluster.api import Api
from tests.docker.cluster.cluster import checked, web
from tests.soak.agents import Agents
from tests.torture.real import NOT_NOW
from tests.torture.story import Story

KIND = "kind"
"""The label that tells nodes apart: `real` or `simulated`."""
IMAGES = ("rope-demo/web:1", "rope-demo/web:2")
UPDATE = {"parallelism": 6, "monitor": "1s"}
"""So that people need not wait: one at a time with the usual 5 s, thirty replicas take minutes."""
REFUSED = " answered 409"
"""What may not be done just now: nothing to roll back to, for one."""


class Work(NamedTuple):
    """A project: where its replicas may be ("" = anywhere), and how many there are at most."""

    code: str
    kind: str
    most: int


SIMULATED = (Work("api", "simulated", 30), Work("batch", "simulated", 20))
REAL = (Work("front", "real", 6), Work("vault", "real", 1), Work("roam", "", 12))


class People:
    """Everybody at work. `counts`: replicas that each project shall have. `acked`: every deployment there was."""

    def __init__(self, api: Api, works: tuple[Work, ...], story: Story, chance: random.Random) -> None:
        self.counts: dict[str, int] = {}
        self.gone_back: set[str] = set()
        """Projects that a rollback was asked for last: the Center tells how many their revision has."""
        self.acked: list[tuple[str, int]] = []
        self._api = api
        self._works = works
        self._story = story
        self._chance = chance

    def begin(self) -> None:
        """Every project is deployed."""
        for work in self._works:
            self._deploy(work)

    def operate(self) -> None:
        """One thing that people do."""
        work, chance = self._chance.choice(self._works), self._chance
        code = work.code
        verb = chance.choices(("deploy", "scale", "restart", "rollback", "remove"), (8, 6, 3, 2, 1))[0]
        if code not in self.counts or (verb == "scale" and work.most == 1):
            verb = "deploy"
        match verb:
            case "deploy":
                self._deploy(work)
            case "scale":
                count = chance.randint(1, work.most)
                body = {"services": {"web": count}}
                if self._ask(code, f"scale to {count}", lambda: self._api.operate(code, "scale", body)):
                    self.counts[code] = count
                    self.gone_back.discard(code)
            case "remove":
                if self._ask(code, verb, lambda: self._api.remove(code)):
                    del self.counts[code]
            case _:
                if self._ask(code, verb, lambda: self._api.operate(code, verb)) and verb == "rollback":
                    self.gone_back.add(code)

    def deploy_again(self, code: str) -> None:
        """What failed under the faults is deployed once more, as its operator would."""
        self._deploy(next(work for work in self._works if work.code == code))

    def _deploy(self, work: Work) -> None:
        count, image = self._chance.randint(1, work.most), self._chance.choice(IMAGES)
        more: dict[str, object] = {"environment": {"VERSION": str(self._chance.randrange(1 << 30))}}
        more["deploy"] = deploy = dict[str, object](update_config=UPDATE, rollback_config=UPDATE)
        if work.kind:
            deploy["placement"] = {"constraints": [f"node.labels.{KIND} == {work.kind}"]}
        top: dict[str, object] = {}
        if work.code == "vault":
            more["volumes"], top["volumes"] = ["data:/data"], {"data": {}}
        make = checked if work.code == "front" else web
        services = {"web": make(count, image, **more)}
        said = f"deploy {count} of {image}"
        if self._ask(work.code, said, lambda: self._api.deploy(work.code, services, **top)[1]):
            self.counts[work.code] = count
            self.gone_back.discard(work.code)

    def _ask(self, code: str, what: str, call: Callable[[], DeployAnswer]) -> bool:
        """Ask until there is an answer; True when it was acknowledged. Raises LabError on one that must not be."""
        while True:
            try:
                answer = call()
            except LabError as error:
                if REFUSED in str(error):
                    self._story.tell("refused", f"{code}: {what}: {error}")
                    return False
                if not any(text in str(error) for text in NOT_NOW):
                    raise
                time.sleep(0.3)
                continue
            break
        number = answer.deployment.id if answer.deployment else 0
        if number:
            self.acked.append((code, number))
        self._story.tell(what.partition(" ")[0], f"{code}: {what} -> deployment {number}")
        return True


def fault(agents: Agents, story: Story, chance: random.Random, most_s: float) -> None:
    """One thing that goes wrong at a simulated node: its agent, its line or a container."""
    node, seconds = chance.choice(agents.names), chance.uniform(0.5, most_s)
    do = chance.choices(("restart", "cut", "exit"), (3, 3, 2))[0]
    story.tell(f"sim-{do}", f"{node} {seconds:.0f} s")
    agents.order(do, node, seconds, chance.randrange(1000))
