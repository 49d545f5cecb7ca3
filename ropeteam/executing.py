"""Carries one command between this terminal and a replica: input, output, size, exit code.

Output is acknowledged when it was written, so a reader that stops here stops the command. With a terminal all is passed
on as it is; without one, what goes to this terminal is made harmless, what goes to a pipe or file is not touched.
"""

import asyncio
import codecs
import os
import shutil
import signal
import sys
import threading
from contextlib import nullcontext, suppress
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from protocol import live
from ropeteam.client import Client
from ropeteam.dialing import FRAME_MAX, decode, encode, fault_of, headers, refused, url
from ropeteam.fault import Unreachable
from ropeteam.keyboard import unbuffered
from ropeteam.output import coloured, note
from ropeteam.plain import plain
from ropeteam.target import Target

NOT_RUN = 125
"""Exit code when the command could not be run, or its end is not known."""
READ_BYTES = 8 * 1024
CHUNKS_MAX = 16
"""Pieces of input that wait here; then no more is read."""


class Order(NamedTuple):
    """What to run. `stdin`: it reads our input. `tty`: it has a terminal."""

    where: Target
    command: tuple[str, ...]
    tty: bool
    stdin: bool


async def run(center: Client, order: Order) -> int:
    """Run it; gives its exit code, or `NOT_RUN` with a line on stderr. Raises Fault before anything was run."""
    try:
        socket = await connect(
            url(center),
            additional_headers=headers(center),
            subprotocols=[Subprotocol(live.LIVE)],
            compression=None,
            max_size=FRAME_MAX,
            proxy=None,
        )
    except InvalidStatus as error:
        raise refused(center, error) from error
    except (OSError, InvalidHandshake) as error:
        raise Unreachable(f"cannot reach the Center at {center.url}: {error}") from error
    with unbuffered(signals=False) if order.tty and order.stdin else nullcontext():
        try:
            return await _Conversation(socket, order).hold()
        except ConnectionClosed:
            note("lost the Center; how the command ended is not known")
            return NOT_RUN
        finally:
            with suppress(ConnectionClosed):
                await socket.close()


class _Conversation:
    def __init__(self, socket: ClientConnection, order: Order) -> None:
        self._socket = socket
        self._order = order
        self._room = 0
        self._room_came = asyncio.Event()
        self._outs = {1: _Out(sys.stdout.fileno(), raw=order.tty), 2: _Out(sys.stderr.fileno(), raw=order.tty)}

    async def hold(self) -> int:
        """Until the command ends."""
        cols, rows = shutil.get_terminal_size()
        order = self._order
        await self._socket.send(
            encode(
                live.Exec(
                    id=1,
                    project=order.where.project,
                    service=order.where.service,
                    replica=order.where.replica,
                    command=order.command,
                    tty=order.tty,
                    stdin=order.stdin,
                    cols=cols,
                    rows=rows,
                )
            )
        )
        loop = asyncio.get_running_loop()
        resized = asyncio.Event()
        if order.tty:
            loop.add_signal_handler(signal.SIGWINCH, resized.set)
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(self._resize(resized))]
            if order.stdin:
                others.append(tasks.create_task(self._feed()))
            over = await self._listen()
            for other in others:
                other.cancel()
        if over is None:
            note("lost the Center; how the command ended is not known")
            return NOT_RUN
        if over.error in ("not_found", "unauthorized", "forbidden"):
            raise fault_of(over)
        if over.error or over.code is None:
            note(f"rope: {over.message or 'how the command ended is not known'}")
            return NOT_RUN
        return over.code

    async def _listen(self) -> live.Over | None:
        try:
            while True:
                match decode(await self._socket.recv()):
                    case live.Data() as data:
                        self._outs.get(data.channel, self._outs[1]).write(data.data)
                        await self._socket.send(encode(live.Credit(id=1, credit=len(data.data))))
                    case live.Credit(credit=credit):
                        self._room += credit
                        self._room_came.set()
                    case live.Over() as over:
                        return over
                    case _:
                        pass
        except ConnectionClosed:
            return None

    async def _feed(self) -> None:
        """What is typed or piped in, within the room that the command has."""
        typed: asyncio.Queue[bytes] = asyncio.Queue()
        loop, places = asyncio.get_running_loop(), threading.Semaphore(CHUNKS_MAX)

        def read() -> None:  # a thread: a file or terminal cannot be waited for in the loop everywhere
            while True:
                places.acquire()
                try:
                    data = os.read(sys.stdin.fileno(), READ_BYTES)
                except OSError:
                    data = b""
                try:
                    loop.call_soon_threadsafe(typed.put_nowait, data)
                except RuntimeError:  # the command ended meanwhile
                    return
                if not data:
                    return

        threading.Thread(target=read, daemon=True).start()
        with suppress(ConnectionClosed):
            while data := await typed.get():
                places.release()
                while data:
                    while not self._room:
                        self._room_came.clear()
                        await self._room_came.wait()
                    part, data = data[: self._room], data[self._room :]
                    self._room -= len(part)
                    await self._socket.send(encode(live.Input(id=1, data=part)))
            await self._socket.send(encode(live.Input(id=1, eof=True)))

    async def _resize(self, resized: asyncio.Event) -> None:
        while True:
            await resized.wait()
            resized.clear()
            cols, rows = shutil.get_terminal_size()
            with suppress(ConnectionClosed):
                await self._socket.send(encode(live.Resize(id=1, cols=cols, rows=rows)))


class _Out:
    """One of our outputs. `raw`: the command's terminal is ours."""

    def __init__(self, fd: int, *, raw: bool) -> None:
        self._fd = fd
        self._clean = not raw and os.isatty(fd)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def write(self, data: bytes) -> None:
        """All of it, before anything else happens: that is what holds the command up."""
        if self._clean:
            data = self._harmless(self._decoder.decode(data)).encode()
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return

    def _harmless(self, text: str) -> str:
        lines = (self._rest + text).split("\n")
        # An escape may have come by half: what begins one waits for more, unless it is long.
        last, escape = lines[-1], lines[-1].rfind("\x1b")
        self._rest = last[escape:] if escape >= 0 and len(last) - escape < 64 else ""
        lines[-1] = last[: len(last) - len(self._rest)]
        return "\n".join(plain(line, colours=coloured(True)) for line in lines)
