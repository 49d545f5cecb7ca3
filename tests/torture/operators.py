"""People at work through the real API: they deploy, scale, restart, remove, drain, and note every answer they got.

One person per project, so that the last acknowledged word on it is known. What a person could not get an answer to is
asked again with the same key until there is one.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import NamedTuple

from tests.torture.api import Reply
from tests.torture.team import Team

WEB = """
services:
  web:
    image: web:1
    environment: {{VERSION: "{version}"}}
    ports: ["80"]
    deploy: {{replicas: {count}}}
  worker:
    image: web:2
    environment: {{VERSION: "{version}"}}
    deploy: {{replicas: 2}}
"""

EDGE = """
services:
  edge:
    image: web:1
    environment: {{VERSION: "{version}"}}
    ports: ["18080:80"]
    deploy: {{replicas: {count}}}
"""

STORE = """
services:
  db:
    image: db:1
    environment: {{VERSION: "{version}"}}
    volumes: ["data:/data"]
    deploy: {{replicas: {count}}}
volumes:
  data:
"""


class Kind(NamedTuple):
    """A project: its file, its service that is scaled, and how far."""

    code: str
    file: str
    service: str
    most: int


KINDS = (
    Kind("shop", WEB, "web", 6),
    Kind("blog", WEB, "web", 4),
    Kind("edge", EDGE, "edge", 2),
    Kind("vault", STORE, "db", 1),
)


class Acked(NamedTuple):
    """An answer that must hold: this deployment is of this project, and leads to this revision. 0: scales and restarts
    that wait take the revision that is current when it is their turn.
    """

    project: str
    deployment: int
    revision: int


class Person:
    """Whoever cares for one project."""

    def __init__(self, kind: Kind, team: Team, chance: random.Random) -> None:
        self.kind = kind
        self.acked: list[Acked] = []
        self.born = 0
        """Where in `acked` the project's present life begins: a removal forgets its revisions."""
        self.version = 0
        self.count = 0
        self.there = False
        """The project shall exist, by the last word that was acknowledged."""
        self._restart = 0
        self._team = team
        self._chance = chance

    def pause_s(self, most_s: float) -> float:
        """Until the next thing is done."""
        return self._chance.uniform(0.0, most_s)

    async def _restarted(self) -> bool:
        """The last restart is over. One takes 5 s per replica, and those that wait are all done, one after another."""
        reply = await self._team.api.ask("GET", f"/deployments/{self._restart}")
        return not reply.good or reply.body["state"] not in ("waiting", "running")

    async def act(self) -> None:
        """One thing."""
        if not self.there:
            await self.deploy()
            return
        match self._chance.choices(("deploy", "same", "scale", "restart", "remove"), (45, 5, 25, 18, 7))[0]:
            case "deploy":
                await self.deploy()
            case "same":
                await self._deploy(self.version, self.count)
            case "scale":
                count = self._chance.randint(0 if self.kind.most > 1 else 1, self.kind.most)
                reply = await self._ask("POST", "/scale", {"services": {self.kind.service: count}})
                if reply.good:
                    self.count = count
            case "restart" if await self._restarted():
                if (await self._ask("POST", "/restart", {})).good:
                    self._restart = self.acked[-1].deployment
            case "remove":
                await self.remove()
            case _:
                return

    async def deploy(self) -> None:
        """A new version."""
        await self._deploy(self.version + 1, self._chance.randint(1, self.kind.most))

    async def _deploy(self, version: int, count: int) -> None:
        compose = self.kind.file.format(version=version, count=count)
        reply = await self._ask("PUT", "", {"compose": compose})
        if reply.good:
            if not self.there:
                self.born = len(self.acked) - 1
            self.version, self.count, self.there = version, count, True

    async def remove(self) -> None:
        """Take it away, and wait until it is gone: its name is used again."""
        reply = await self._ask("DELETE", "")
        if reply.good or (reply.doubtful and reply.status == 404):
            self.there = False
            while (await self._ask("GET", "")).status != 404:  # noqa: ASYNC110  over HTTP there is nothing else to wait for
                await asyncio.sleep(0.5)

    async def _ask(self, method: str, path: str, body: object = None) -> Reply:
        code = self.kind.code
        reply = await self._team.api.ask(method, f"/projects/{code}{path}", body)
        if method == "GET":
            return reply
        told = reply.body if isinstance(reply.body, dict) else {}
        deployment = told.get("deployment") or {}
        if reply.good and deployment:
            self.acked.append(Acked(code, deployment["id"], told["revision"] if method == "PUT" else 0))
        what = f"deployment {deployment['id']}" if deployment else str(reply.body)[:160]
        self._team.story.tell("ask", f"{method} {code}{path} {_short(body)} -> {reply.status} {what}")
        assert reply.status < 500 and reply.status != 422, (method, path, reply)
        return reply


class NodeKeeper:
    """Whoever cares for the nodes: drains one now and then, and makes join tokens."""

    def __init__(self, team: Team, chance: random.Random) -> None:
        self.tokens: list[str] = []
        self.draining = ""
        self._team = team
        self._chance = chance

    def pause_s(self, most_s: float) -> float:
        """Until the next thing is done."""
        return self._chance.uniform(0.0, 2 * most_s)

    async def act(self) -> None:
        """One thing, and a token."""
        reply = await self._team.api.ask("POST", "/join-tokens", {"ttl_s": 86400})
        assert reply.good, reply
        self.tokens.append(reply.body["id"])
        if self.draining:
            await self.resume()
        elif self._chance.random() < 0.5:
            self.draining = self._chance.choice(self._team.names)
            reply = await self._team.api.ask("POST", f"/nodes/{self.draining}/drain")
            self._team.story.tell("ask", f"drain {self.draining} -> {reply.status}")
            assert reply.good, reply

    async def resume(self) -> None:
        """Nothing is drained any more."""
        if self.draining:
            reply = await self._team.api.ask("POST", f"/nodes/{self.draining}/resume")
            self._team.story.tell("ask", f"resume {self.draining} -> {reply.status}")
            assert reply.good, reply
            self.draining = ""


def people(team: Team, chance: random.Random) -> list[Person]:
    """One for each project."""
    return [Person(kind, team, random.Random(chance.random())) for kind in KINDS]


def wanted(persons: list[Person]) -> Iterator[tuple[str, str, int, int]]:
    """What shall run by the last acknowledged words: project, service, replicas, version."""
    for person in persons:
        if person.there:
            yield person.kind.code, person.kind.service, person.count, person.version
            if person.kind.file is WEB:
                yield person.kind.code, "worker", 2, person.version


def _short(body: object) -> str:
    if isinstance(body, dict) and "compose" in body:
        lines = [line.strip() for line in str(body["compose"]).splitlines()]
        return " ".join(line for line in lines if line.startswith(("environment", "deploy")))
    return "" if body is None else str(body)
