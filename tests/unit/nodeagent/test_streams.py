"""The streams of a session: logs and exec on an engine in memory, each ends alone, all end with the session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nodeagent.bulk import Bulk
from nodeagent.ring import Ring
from nodeagent.streams import Streams
from protocol.loglines import parse
from protocol.messages import ContainerRef, FromAgent
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd, Tail
from tests.contract.bench import want
from tests.fakes.docker import FakeDocker
from tests.fakes.streams import streams_of

REF = ContainerRef(project="shop", service="web", replica=1, epoch=1)
WAIT_S = 5.0


class Bench:
    """A session's streams, with all that they send."""

    def __init__(self, docker: FakeDocker, folder: Path, *, allowed: bool) -> None:
        self.docker = docker
        self.said: list[FromAgent] = []
        self.bulk = Bulk(lambda: None)
        self.streams: Streams = streams_of(docker, folder, allowed=allowed)(self.bulk, self.said.append)
        self.container_id = ""

    async def run_container(self) -> None:
        image = self.docker.engine.add_image("busybox:1")
        self.container_id = await self.docker.create(want(image), {})
        await self.docker.start(self.container_id)

    async def frames(self, stream: int) -> tuple[bytes, StreamEnd]:
        """What a stream sends to its end, as if the line were fast."""
        found, count = b"", 0
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = self.bulk.take()
                match frame:
                    case StreamData() if frame.stream == stream:
                        found += frame.data
                        count += 1
                        self.bulk.acked(count)
                    case StreamEnd() if frame.stream == stream:
                        return found, frame
                    case None:
                        await asyncio.sleep(0.005)

    async def data(self, count: int) -> bytes:
        """So many bytes, whatever the stream."""
        found = b""
        async with asyncio.timeout(WAIT_S):
            while len(found) < count:
                frame = self.bulk.take()
                found += frame.data if isinstance(frame, StreamData) else b""
                await asyncio.sleep(0)
        return found


@asynccontextmanager
async def bench(tmp_path: Path, *, allowed: bool = True) -> AsyncIterator[Bench]:
    made = Bench(FakeDocker(), tmp_path, allowed=allowed)
    await made.run_container()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.streams.run())
        await asyncio.sleep(0)
        yield made
        running.cancel()


async def test_logs_are_streamed_with_an_end(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.docker.engine.write(it.container_id, "one", "two")
        it.streams.take(OpenLogs(stream=4, target=REF, lines=1, credit=1000))
        data, end = await it.frames(4)
        assert [parse(line).text for line in data.splitlines()] == [b"two"]
        assert end == StreamEnd(stream=4)


async def test_followed_logs_go_on_over_a_restart_and_end_with_the_removal(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        engine = it.docker.engine
        it.streams.take(OpenLogs(stream=1, target=REF, follow=True, credit=1000))
        engine.write(it.container_id, "before")
        await it.data(1)
        engine.exit(it.container_id, 1)
        await it.docker.start(it.container_id)
        engine.write(it.container_id, "after")
        assert b" after\n" in await it.data(1)
        await it.docker.remove(it.container_id)
        assert (await it.frames(1))[1].reason == ""


async def test_lines_of_a_removed_container_come_from_the_ring(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        gone = ContainerRef(project="shop", service="web", replica=1, epoch=7)
        Ring(tmp_path).keep(gone, b"o2026-11-22T20:47:54.000000001Z kept\n")
        it.streams.take(OpenLogs(stream=1, target=gone, credit=1000))
        data, end = await it.frames(1)
        assert (parse(data[:-1]).text, end.reason) == (b"kept", "")
        nothing = ContainerRef(project="shop", service="web", replica=1, epoch=8)
        it.streams.take(OpenLogs(stream=2, target=nothing, credit=1000))
        assert "no lines" in (await it.frames(2))[1].reason


async def test_a_command_gets_input_within_credit_and_its_code_comes_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.streams.take(OpenExec(stream=1, target=REF, command=("cat",), stdin=True, credit=1000))
        await until(lambda: bool(it.said))
        assert isinstance(granted := it.said[0], StreamCredit) and granted.stream == 1 and granted.credit >= 1024
        it.streams.take(StreamData(stream=1, data=b"hello", channel=0, ack=True))
        assert it.said[1] == Ack(frames=1)
        assert await it.data(5) == b"hello"
        assert it.said[2] == StreamCredit(stream=1, credit=5), "what was read may be sent again"
        it.streams.take(Resize(stream=1, cols=100, rows=20))
        it.streams.take(StreamData(stream=1, channel=0, eof=True))
        assert (await it.frames(1))[1] == StreamEnd(stream=1, code=0)
        assert it.docker.engine.execs[0].closed


async def test_exec_may_be_off_and_needs_a_container(tmp_path: Path) -> None:
    async with bench(tmp_path, allowed=False) as it:
        it.streams.take(OpenExec(stream=1, target=REF, command=("cat",)))
        end = (await it.frames(1))[1]
        assert "--no-exec" in end.reason and end.code is None
        assert it.docker.engine.execs == []
    async with bench(tmp_path) as it:
        it.docker.engine.exit(it.container_id, 0)
        it.streams.take(OpenExec(stream=1, target=REF, command=("cat",)))
        assert "does not run" in (await it.frames(1))[1].reason


async def test_a_stream_that_is_ended_lets_go_of_its_command(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.streams.take(OpenExec(stream=1, target=REF, command=("sleep", "100"), credit=10))
        await until(lambda: bool(it.docker.engine.execs))
        it.streams.take(StreamEnd(stream=1))
        await until(lambda: it.docker.engine.execs[0].closed)
        it.streams.take(StreamCredit(stream=1, credit=10))  # late words about it are passed over
        assert it.bulk.take() is None


async def test_one_stream_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.docker.engine.write(it.container_id, "one")
        it.docker.engine.fail_next("read_logs", "error", "broken")
        it.streams.take(OpenLogs(stream=1, target=REF, credit=1000))
        assert (await it.frames(1))[1].reason == "broken"
        it.streams.take(OpenLogs(stream=2, target=REF, credit=1000))
        assert (await it.frames(2))[1].reason == ""


async def test_last_lines_are_shipped_once_and_again_after_a_break(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.docker.engine.write(it.container_id, "one")
        it.docker.engine.exit(it.container_id, 3)
        it.streams.welcomed()
        tail = await tail_of(it.bulk)
        assert tail.ended and tail.target == REF
        assert [parse(line).text for line in tail.lines.splitlines()] == [b"one"]
        assert it.bulk.take() is None


async def until(done: Callable[[], bool]) -> None:
    """Wait for it; the engine in memory has no events for tests."""
    async with asyncio.timeout(WAIT_S):
        while not done():  # noqa: ASYNC110 the streams have no event for it
            await asyncio.sleep(0)


async def tail_of(bulk: Bulk) -> Tail:
    async with asyncio.timeout(WAIT_S):
        while not isinstance(frame := bulk.take(), Tail):  # noqa: ASYNC110 the lane wakes its writer only
            await asyncio.sleep(0.005)
    return frame
