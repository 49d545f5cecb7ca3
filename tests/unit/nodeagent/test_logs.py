"""The last lines of what is given up."""

import asyncio

from nodeagent.core.events import Event, TailRead
from nodeagent.core.steps import ReadTail
from nodeagent.logs import Tails
from tests.fakes.docker import FakeDocker
from tests.fakes.engine import FakeEngine
from tests.unit.nodeagent.core.made import IMAGE, a_ref, a_want


async def test_lines_are_read_and_a_lost_container_has_none() -> None:
    engine = FakeEngine()
    engine.images[IMAGE] = IMAGE.partition("@")[2]
    docker = FakeDocker(engine)
    container_id = await docker.create(a_want(), {"default": "n"})
    engine.held[container_id].log.extend(f"line {n}" for n in range(80))
    posted: list[Event] = []

    async def post(event: Event) -> None:
        posted.append(event)

    async with asyncio.TaskGroup() as group:
        tails = Tails(docker, group, post)
        tails.begin(ReadTail(ref=a_ref(1), container_id=container_id))
        tails.begin(ReadTail(ref=a_ref(2), container_id="gone"))
    read = {event.ref.replica: event.lines for event in posted if isinstance(event, TailRead)}
    assert read[1] == tuple(f"line {n}" for n in range(30, 80)) and read[2] == ()
