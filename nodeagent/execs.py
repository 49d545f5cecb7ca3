"""Commands that people run in containers: input in, output out, the exit code at the end. Off with `--no-exec`.

One command is one stream. Input is taken within the credit that was given. Called by `streams`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nodeagent.copies import Copies
from nodeagent.core.container import Docker, DockerFault, Exec
from protocol.streams import OpenExec

EXECS_MAX = 32
"""Commands at one time on this node."""
INPUT_BYTES = 32 * 1024
"""Bytes of input that may wait for a command that does not read."""
CLOSE_S = 5.0

Write = Callable[[bytes, int], Awaitable[None]]


class Input:
    """What a person gives a command to read, in order with the sizes of the terminal. `grant`: gives credit."""

    def __init__(self, grant: Callable[[int], None]) -> None:
        self.grant = grant
        self._waiting: deque[bytes | tuple[int, int] | None] = deque()
        self._size = 0
        self._came = asyncio.Event()
        self._ended = False

    def put(self, data: bytes, *, eof: bool) -> None:
        """Bytes, and perhaps the end. Those beyond the credit are dropped: the Center does not send them."""
        if data and not self._ended and self._size + len(data) <= INPUT_BYTES:
            self._waiting.append(data)
            self._size += len(data)
        if eof and not self._ended:
            self._ended = True
            self._waiting.append(None)
        self._came.set()

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size; of several in a row the last one counts."""
        if self._waiting and isinstance(self._waiting[-1], tuple):
            self._waiting.pop()
        self._waiting.append((cols, rows))
        self._came.set()

    async def get(self) -> bytes | tuple[int, int] | None:
        """The next bytes or size, None at the end."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        found = self._waiting.popleft()
        if isinstance(found, bytes):
            self._size -= len(found)
        return found


class Execs:
    """`allowed`: False with `--no-exec`."""

    def __init__(self, docker: Docker, copies: Copies, *, allowed: bool) -> None:
        self._docker = docker
        self._copies = copies
        self._allowed = allowed
        self._count = 0

    async def stream(self, order: OpenExec, inbox: Input, write: Write) -> tuple[str, int | None]:
        """Run it to its end; gives (why it could not be run or "", exit code). Raises DockerFault."""
        if not self._allowed:
            return "exec is off on this node: its agent was started with --no-exec", None
        container = self._copies.container(order.target)
        if container is None or container.status != "running":
            return "its container does not run", None
        if self._count >= EXECS_MAX:
            return f"{EXECS_MAX} commands run on this node already", None
        self._count += 1
        try:
            running = await self._docker.exec(
                container.id,
                order.command,
                tty=order.tty,
                stdin=order.stdin,
                cols=_sane(order.cols),
                rows=_sane(order.rows),
            )
            try:
                return "", await self._converse(running, inbox, write)
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await running.close()
        finally:
            self._count -= 1

    async def _converse(self, running: Exec, inbox: Input, write: Write) -> int | None:
        inbox.grant(INPUT_BYTES)
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(running, inbox))
            while (piece := await running.read()) is not None:
                await write(piece[1], piece[0])
            feeding.cancel()
        return await running.exit_code()


async def _feed(running: Exec, inbox: Input) -> None:
    while (given := await inbox.get()) is not None:
        match given:
            case bytes():
                await running.write(given)
                inbox.grant(len(given))
            case (cols, rows):
                with suppress(DockerFault):  # it may end just now
                    await running.resize(_sane(cols), _sane(rows))
    await running.end_input()
    while (given := await inbox.get()) is not None:
        if isinstance(given, tuple):
            with suppress(DockerFault):
                await running.resize(_sane(given[0]), _sane(given[1]))


def _sane(size: int) -> int:
    return min(max(size, 1), 1000)
