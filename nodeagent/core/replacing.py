"""How one agent's container takes the place of another's: from what is seen, the next deed. Pure.

The old container stops before the new one starts, and the other way round on the way back: never both at once. The
outcome is on disk before what cannot be undone, so whoever goes on after a crash goes the same way. Called by
`nodeagent.replacing`, which looks and does.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

ONLINE_S = 60.0
"""How long the new agent has to open a session with the Center."""

RESTARTS_MAX = 2
"""An agent that has ended although Docker started it again so often need not be waited for."""

FORMER = "-former"
NEXT = "-next"
HELPER = "-replacing"
"""What follows the agent's name in those of the other two containers, and of the one that replaces it."""

Verdict = Literal["", "done", "failed"]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two containers. `status` as Docker says it; `restarts`: how often Docker started it again."""

    id: str
    name: str
    status: str
    restarts: int = 0
    exit_code: int = 0

    @property
    def alive(self) -> bool:
        """Its process runs, or Docker will start it again."""
        return self.status in ("running", "restarting", "paused", "removing")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The two containers (None = gone), and what is known. `online`: the new agent opened a session. `waited_s`: since
    it was started. `verdict`: what was decided, as it is on disk.
    """

    name: str
    old: Look | None
    new: Look | None
    online: bool = False
    waited_s: float = 0.0
    verdict: Verdict = ""


class Boxes(Protocol):
    """Containers of agents on one engine. Every call raises only DockerFault. `ref`: an id or a name.

    `nodeagent.docker.agents` does it with Docker, `tests/fakes/agents.py` in memory; both keep
    `tests/contract/agents_contract.py`.
    """

    async def inspect(self, ref: str) -> dict[str, Any] | None:
        """All that Docker says of a container; None when it is not there."""

    async def look(self, ref: str) -> Look | None:
        """What counts of it; None when it is not there."""

    async def image(self, ref: str) -> dict[str, Any]:
        """All that Docker says of an image. Raises `image_missing`."""

    async def make(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]) -> str:
        """Make a container that is on these networks as well; gives its id. One of that name that does not run makes
        room; raises `name_taken` for one that does.
        """

    async def start(self, ref: str) -> None:
        """Start it; done when it runs."""

    async def stop(self, ref: str) -> None:
        """Stop it, so that Docker does not start it again; done when it does not run."""

    async def name(self, ref: str, name: str) -> None:
        """Give it this name."""

    async def remove(self, ref: str) -> None:
        """Remove one that does not run; its volumes stay. Done when it is not there."""

    async def last_words(self, ref: str) -> str:
        """The last lines it wrote, as one; "" when there are none or they cannot be read."""

    async def close(self) -> None:
        """Close every connection."""


class StopIt(msgspec.Struct, frozen=True, kw_only=True):
    """Stop a container; Docker does not start it again."""

    id: str


class StartIt(msgspec.Struct, frozen=True, kw_only=True):
    """Start a container."""

    id: str


class NameIt(msgspec.Struct, frozen=True, kw_only=True):
    """Give a container this name."""

    id: str
    name: str


class RemoveIt(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a container that does not run; its volumes stay."""

    id: str


class Decide(msgspec.Struct, frozen=True, kw_only=True):
    """Put the verdict on disk."""

    verdict: Verdict
    reason: str = ""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Look again in a moment."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing left to do."""


Deed = StopIt | StartIt | NameIt | RemoveIt | Decide | Wait | End


def next_deed(seen: Seen) -> Deed:
    """What to do now. Done again and again until `End`, it ends with exactly one agent that runs."""
    match seen.verdict:
        case "done":
            return RemoveIt(id=seen.old.id) if seen.old is not None and not seen.old.alive else End()
        case "failed":
            return _back(seen)
        case "":
            return _forth(seen)


def _forth(seen: Seen) -> Deed:
    old, new = seen.old, seen.new
    if new is None:
        return Decide(verdict="failed", reason="the new agent's container is gone")
    if old is not None and old.alive:
        return StopIt(id=old.id)
    if old is not None and old.name == seen.name:
        return NameIt(id=old.id, name=seen.name + FORMER)
    if new.name != seen.name:
        return NameIt(id=new.id, name=seen.name)
    if new.status == "created":
        return StartIt(id=new.id)
    if seen.online and new.status == "running":
        return Decide(verdict="done")
    if old is None:
        return Wait() if seen.waited_s < ONLINE_S else End()  # there is no way back
    if new.status in ("exited", "dead") or (new.restarts >= RESTARTS_MAX and new.status != "running"):
        return Decide(verdict="failed", reason=f"the new agent ended with code {new.exit_code}")
    if seen.waited_s >= ONLINE_S:
        return Decide(
            verdict="failed", reason=f"the new agent opened no session with the Center within {ONLINE_S:.0f} s"
        )
    return Wait()


def _back(seen: Seen) -> Deed:
    old, new = seen.old, seen.new
    if old is None:
        return End()  # it was removed by somebody: the new one, however it is, is all there is
    if new is not None:
        return StopIt(id=new.id) if new.alive else RemoveIt(id=new.id)
    if old.name != seen.name:
        return NameIt(id=old.id, name=seen.name)
    return End() if old.alive else StartIt(id=old.id)
