"""An agent process with nothing to do, on an engine in memory that has the image a project asks for.

Run by `agent` as `python -m benchmarks.idle_agent DATA CENTER TOKEN`; prints the image's id.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from nodeagent.app import Agent
from nodeagent.settings import Settings
from protocol.handshake import JoinToken
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine


async def _live(arguments: Sequence[str]) -> None:
    data, center, token = arguments
    engine = FakeEngine()
    print(engine.add_image("web:1"), flush=True)
    settings = Settings(
        data=Path(data), center=center, join=JoinToken.parse(token), name="node-1", docker="tcp://in-memory"
    )
    await Agent(settings, lambda cluster, node: FakeDocker(engine, cluster=cluster, node=node)).live()


if __name__ == "__main__":
    # the same loop as `python -m nodeagent`
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(sys.argv[1:]))
