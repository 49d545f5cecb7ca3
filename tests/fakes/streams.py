"""The streams of a session on an engine in memory, for tests of what carries them."""

from collections.abc import Callable
from pathlib import Path

from nodeagent.bulk import Bulk
from nodeagent.copies import Copies
from nodeagent.core.container import Container
from nodeagent.core.replica import Assignment
from nodeagent.execs import Execs
from nodeagent.logs import Logs
from nodeagent.ring import Ring
from nodeagent.shipping import Shipper
from nodeagent.streams import Streams
from protocol.messages import FromAgent
from tests.fakes.docker import FakeDocker

NOWHERE = Path("/nonexistent/ring")


def assignments(docker: FakeDocker) -> tuple[Assignment, ...]:
    """The engine's containers as the agent's core would know them."""
    return tuple(Assignment(ref=held.container.ref, have=held.container) for held in docker.engine.held.values())


def containers(docker: FakeDocker) -> tuple[Container, ...]:
    """The engine's containers."""
    return tuple(held.container for held in docker.engine.held.values())


def streams_of(
    docker: FakeDocker, ring: Path = NOWHERE, *, allowed: bool = True
) -> Callable[[Bulk, Callable[[FromAgent], None]], Streams]:
    """What a session makes its streams with."""
    kept, copies = Ring(ring), Copies(lambda: assignments(docker))

    def make(bulk: Bulk, send: Callable[[FromAgent], None]) -> Streams:
        return Streams(
            bulk,
            send,
            logs=Logs(docker, kept, copies),
            execs=Execs(docker, copies, allowed=allowed),
            shipper=Shipper(docker, kept, lambda: containers(docker)),
        )

    return make
