"""The streams of one session: logs and exec for people, each a task that ends with its stream or with the session.

Orders come from `session`, output leaves by the bulk lane. Touches no desired state. Whatever goes wrong in a stream
ends that stream, with a sentence for the person who looks at it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

from nodeagent.bulk import Bulk
from nodeagent.core.container import DockerFault
from nodeagent.execs import Execs, Input
from nodeagent.logs import Logs
from nodeagent.shipping import Shipper
from protocol.messages import FromAgent, Streamed
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd

STREAMS_MAX = 512
"""Open streams of one session; each is a connection to Docker."""

log = logging.getLogger(__name__)


class _Running:
    def __init__(self, task: asyncio.Task[None], inbox: Input | None) -> None:
        self.task = task
        self.inbox = inbox


class Streams:
    """`logs`, `execs`: what streams are made of. `shipper` works while the session is open. `send`: puts a message on
    the session's control lane.
    """

    def __init__(
        self, bulk: Bulk, send: Callable[[FromAgent], None], *, logs: Logs, execs: Execs, shipper: Shipper
    ) -> None:
        self.bulk = bulk
        self._shipper = shipper
        self._logs = logs
        self._execs = execs
        self._send = send
        self._group: asyncio.TaskGroup | None = None
        self._open: dict[int, _Running] = {}
        self._bulk_frames = 0

    def take(self, message: Streamed) -> None:
        """A message about a stream; never waits. What is about a stream that is over is ignored."""
        match message:
            case OpenLogs() | OpenExec():
                self._begin(message)
            case StreamData():
                self._bulk_frames += 1
                if message.ack:
                    self._send(Ack(frames=self._bulk_frames))
                if (inbox := self._inbox(message.stream)) is not None:
                    inbox.put(message.data, eof=message.eof)
            case StreamCredit(stream=stream, credit=credit):
                self.bulk.grant(stream, credit)
            case Resize(stream=stream):
                if (inbox := self._inbox(stream)) is not None:
                    inbox.resize(message.cols, message.rows)
            case StreamEnd(stream=stream):
                self.bulk.drop(stream)
                if (running := self._open.pop(stream, None)) is not None:
                    running.task.cancel()
            case Ack(frames=frames):
                self.bulk.acked(frames)
            case _:
                assert_never(message)

    def welcomed(self) -> None:
        """The session is open with a Center that knows streams."""
        if self._group is not None:
            self._group.create_task(self._shipper.run(self.bulk), name="shipper")

    async def run(self) -> None:
        """Carry streams until cancelled; then all of them end."""
        try:
            async with asyncio.TaskGroup() as self._group:
                await asyncio.Event().wait()
        finally:
            self._group = None
            self.bulk.close()

    def _begin(self, order: OpenLogs | OpenExec) -> None:
        self.bulk.open(order.stream, order.credit)
        if len(self._open) >= STREAMS_MAX or self._group is None:
            self.bulk.finish(order.stream, f"{STREAMS_MAX} streams are open on this node")
            return
        stream = order.stream
        inbox = Input(lambda credit: self._send(StreamCredit(stream=stream, credit=credit)))
        work: Awaitable[tuple[str, int | None]]
        match order:
            case OpenLogs():
                work = self._logs.stream(order, lambda data: self.bulk.write(stream, data))
            case OpenExec():
                work = self._execs.stream(order, inbox, lambda data, channel: self.bulk.write(stream, data, channel))
            case _:
                assert_never(order)
        task = self._group.create_task(self._carry(stream, work), name=f"stream {stream}")
        self._open[stream] = _Running(task, inbox if isinstance(order, OpenExec) else None)

    async def _carry(self, stream: int, work: Awaitable[tuple[str, int | None]]) -> None:
        try:
            reason, code = await work
        except DockerFault as fault:
            reason, code = str(fault), None
        except Exception as error:
            log.exception("stream %d failed in an unforeseen way", stream)
            reason, code = f"a fault in the agent: {type(error).__name__}", None
        self._open.pop(stream, None)
        self.bulk.finish(stream, reason, code)

    def _inbox(self, stream: int) -> Input | None:
        running = self._open.get(stream)
        return running.inbox if running is not None else None
