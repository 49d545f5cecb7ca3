"""A command in a container, on a connection of its own that Docker hands over after the request's head (a hijack).

Knows the wire of exec only: create, start, resize, inspect. Made by `local`; read and written by the agent's streams.
"""

import asyncio
from contextlib import suppress

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.connection import Connection, Hijacked, decode
from nodeagent.docker.log_frames import Unframed

READ_BYTES = 16 * 1024
ANSWER_S = 30.0
"""Deadline for making and starting a command."""
RESIZE_TRIES = 20
RESIZE_AGAIN_S = 0.05
"""A command that was just started has no terminal yet; Docker 20.10 has no other way to tell its first size."""
ENDED_TRIES = 40
DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-@"
"""Docker's default swallows Ctrl-P, which shells need; these nobody types."""


class _Id(msgspec.Struct, frozen=True, rename="pascal"):
    id: str


class _State(msgspec.Struct, frozen=True, rename="pascal"):
    running: bool = False
    exit_code: int | None = None


class LocalExec:
    """One started command: see `nodeagent.core.container.Exec`."""

    def __init__(self, connection: Connection, exec_id: str, socket: Hijacked, *, tty: bool) -> None:
        self._connection = connection
        self._id = exec_id
        self._socket = socket
        self._unframed = None if tty else Unframed()
        self._found: list[tuple[int, bytes]] = []

    @classmethod
    async def start(
        cls,
        connection: Connection,
        path: str,
        command: tuple[str, ...],
        *,
        tty: bool,
        stdin: bool,
        cols: int,
        rows: int,
    ) -> "LocalExec":
        """Make and start it. `path`: where execs of the container are made. Raises DockerFault."""
        body = {
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": list(command),
            "DetachKeys": DETACH_KEYS,
        }
        made = decode(_Id, await connection.call("POST", path, body=body, deadline_s=ANSWER_S))
        socket = await connection.hijack(f"exec/{made.id}/start", {"Detach": False, "Tty": tty}, deadline_s=ANSWER_S)
        started = cls(connection, made.id, socket, tty=tty)
        if tty:
            await started._first_size(cols, rows)
        return started

    async def read(self) -> tuple[int, bytes] | None:
        """See `Exec.read`."""
        while not self._found:
            try:
                data = await self._socket.reader.read(READ_BYTES)
            except OSError:
                return None
            if not data:
                return None
            self._found = [(1, data)] if self._unframed is None else [f for f in self._unframed.feed(data) if f[1]]
        return self._found.pop(0)

    async def write(self, data: bytes) -> None:
        """See `Exec.write`."""
        with suppress(OSError):  # it ended; `read` tells
            self._socket.writer.write(data)
            await self._socket.writer.drain()

    async def end_input(self) -> None:
        """See `Exec.end_input`."""
        with suppress(OSError):
            self._socket.writer.write_eof()

    async def resize(self, cols: int, rows: int) -> None:
        """See `Exec.resize`."""
        await self._connection.call("POST", f"exec/{self._id}/resize", params={"w": str(cols), "h": str(rows)})

    async def exit_code(self) -> int | None:
        """See `Exec.exit_code`. Docker may close the output a moment before it knows."""
        for _ in range(ENDED_TRIES):
            state = await self._connection.read(_State, f"exec/{self._id}/json")
            if not state.running:
                return state.exit_code
            await asyncio.sleep(RESIZE_AGAIN_S)
        return None

    async def close(self) -> None:
        """See `Exec.close`."""
        await self._socket.close()

    async def _first_size(self, cols: int, rows: int) -> None:
        for _ in range(RESIZE_TRIES):
            try:
                await self.resize(cols, rows)
            except DockerFault:
                await asyncio.sleep(RESIZE_AGAIN_S)
            else:
                return
