"""A command in a replica, for one subscription of `multiplex`: told to the journal first, then relayed both ways.

Output is bounded by the person's credit, input by the agent's. Contents are not looked into and not kept.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from controlplane.core.command import NoteExec
from controlplane.core.replica import Assignment, Replica, ref
from controlplane.web.answers import Rejected
from controlplane.web.door import Door, Stream
from controlplane.web.policy import Who
from protocol import live
from protocol.live import CREDIT_MAX, Credit, Data, Exec, Over, Source

COMMAND_MAX = 64
"""Words of a command."""
COMMAND_BYTES = 16 * 1024
AUDIT_MAX = 200
"""Characters of a command in its event."""
ASK_S = 10.0

Send = Callable[[live.FromCenter], Awaitable[None]]


class Execing:
    """One command of `who`. Also the reader of its stream."""

    def __init__(self, door: Door, asked: Exec, send: Send, who: Who) -> None:
        self._door = door
        self._asked = asked
        self._send = send
        self._who = who
        self._stream: Stream | None = None
        self._told_room = 0
        """Bytes of input that the person was told to be free to send."""
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._over: Over | None = None
        self._woken = asyncio.Event()

    async def run(self) -> Over:
        """Run it to its end. Raises Rejected, Refused: it was not run."""
        asked = self._asked
        _check(asked)
        replica, assignment = self._found()
        try:
            async with asyncio.timeout(ASK_S):
                await self._door.controller.ask(
                    NoteExec(
                        actor=self._who.name,
                        replica=str(replica.id),
                        node=assignment.node,
                        command=_shown(asked.command),
                    )
                )
        except TimeoutError as error:
            raise Rejected("timeout", "the Center is busy; nothing was run") from error
        self._stream = self._door.relay.exec(
            assignment.node,
            ref(replica.id, assignment.epoch),
            self,
            asked.command,
            tty=asked.tty,
            stdin=asked.stdin,
            size=(asked.cols, asked.rows),
            credit=asked.credit,
        )
        try:
            await self._send(
                Source(
                    id=asked.id,
                    source=1,
                    project=replica.id.project,
                    service=replica.id.service,
                    replica=replica.id.index,
                    epoch=assignment.epoch,
                    node=assignment.node,
                )
            )
            return await self._converse(self._stream)
        finally:
            if self._over is None:
                self._stream.close()

    def take(self, message: live.Input | live.Resize | live.Credit) -> None:
        """Input, another size, or credit. Raises Rejected for more than there is room for."""
        stream = self._stream
        if stream is None or self._over is not None:
            return
        match message:
            case live.Input():
                if len(message.data) > min(self._told_room, stream.input_room):
                    raise Rejected("too_large", "more input than the command takes")
                self._told_room -= len(message.data)
                stream.send(message.data, eof=message.eof)
            case live.Resize():
                stream.resize(message.cols, message.rows)
            case live.Credit():
                if not 0 < message.credit <= CREDIT_MAX:
                    raise Rejected("bad_request", f"credit is from 1 to {CREDIT_MAX}")
                stream.grant(message.credit)

    # -- Reader -----------------------------------------------------------------------------------------------------

    def data(self, data: bytes, channel: int) -> None:
        """See `Reader.data`."""
        self._waiting.append((channel, data))
        self._woken.set()

    def room(self) -> None:
        """See `Reader.room`."""
        self._woken.set()

    def ended(self, reason: str, code: int | None) -> None:
        """See `Reader.ended`."""
        self._over = Over(id=self._asked.id, error="failed" if reason else "", message=reason, code=code)
        self._woken.set()

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _converse(self, stream: Stream) -> Over:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                channel, data = self._waiting.popleft()
                await self._send(Data(id=self._asked.id, source=1, data=data, channel=channel))
            if (room := stream.input_room - self._told_room) > 0:
                self._told_room += room
                await self._send(Credit(id=self._asked.id, credit=room))
            if self._over is not None and not self._waiting:
                return self._over

    def _found(self) -> tuple[Replica, Assignment]:
        """The replica asked for, or the first that runs. Raises Rejected."""
        asked, cluster = self._asked, self._door.controller.cluster
        name = f"{asked.project}/{asked.service}" + (f"/{asked.replica}" if asked.replica else "")
        keys = [
            key
            for key in sorted(cluster.of_project.get(asked.project, ()))
            if key.service == asked.service and asked.replica in (0, key.index)
        ]
        if not keys:
            raise Rejected("not_found", f"there is no {name}")
        for key in keys:
            replica = cluster.replicas[key]
            for assignment in replica.assignments:
                if assignment.state == "running":
                    return replica, assignment
        raise Rejected("conflict", f"{name} does not run")


def _check(asked: Exec) -> None:
    words = asked.command
    if not words or len(words) > COMMAND_MAX or sum(len(w) for w in words) > COMMAND_BYTES or not words[0]:
        raise Rejected("bad_request", f"command: 1 to {COMMAND_MAX} words, {COMMAND_BYTES} bytes in all")
    if any("\0" in word for word in words):
        raise Rejected("bad_request", "command: no zero bytes")
    if not 0 < asked.credit <= CREDIT_MAX or not (0 < asked.cols <= 1000 and 0 < asked.rows <= 1000):
        raise Rejected("bad_request", "credit, cols or rows is out of range")


def _shown(command: tuple[str, ...]) -> str:
    text = " ".join(command)
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return printable if len(printable) <= AUDIT_MAX else printable[: AUDIT_MAX - 1] + "…"
