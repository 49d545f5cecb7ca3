"""Holds the rope: connects to the Center, keeps one session at a time, connects again for ever (DESIGN §3.7).

Never stops a container and never waits for Docker. What is said on a session comes from the core through `send`.
Started by `app`.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from nodeagent.addresses import session_url
from nodeagent.core.events import Event, Send
from nodeagent.docker.text import clean
from nodeagent.identity import Identity
from nodeagent.pauses import Patience, full_jitter_s, retry_after_s, wished_s
from nodeagent.session import SILENCE_S, Ended, Session, StreamsMaker
from protocol.codec import FRAME_MAX
from protocol.messages import SUBPROTOCOL, Goodbye, Heartbeat, Hello

CONNECT_S = 10.0
CLOSE_S = 2.0
LEAVE_S = 2.0
REMOVED_PAUSE_S = 60.0
"""Between two questions of a removed node whether it is still removed."""
SAY_AGAIN_S = 300.0
"""Between two lines in the log with the same reason for having no session."""
GOING_AWAY = 1001
USER_TIMEOUT_MS = 15_000
"""Unacknowledged bytes break the connection after so long: a dead line is noticed while we write. Not before the Center
calls us offline: on a line that comes back the old connection goes on sooner than a new one opens.
"""
TCP_RTO_MAX_MS = 44
"""Of linux/tcp.h since Linux 6.15; Python 3.11 has no name for it."""
RETRY_MS = 1_000
"""At least so often unacknowledged bytes are sent again: by default the pauses double, 6.4 s and 12.8 s among them."""

log = logging.getLogger(__name__)


class Link:
    """`center`: the address to reach. `hello`, `heartbeat`, `post`, `streams` as for `Session`."""

    def __init__(
        self,
        center: str,
        identity: Identity,
        *,
        hello: Callable[[str], Hello],
        heartbeat: Callable[[int], Heartbeat],
        post: Callable[[Event], Awaitable[None]],
        streams: StreamsMaker,
        pause_s: Callable[[int], float] = full_jitter_s,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._url = session_url(center, identity.session_path)
        self._identity = identity
        self._hello = hello
        self._heartbeat = heartbeat
        self._post = post
        self._streams = streams
        self._patience = Patience(pause_s)
        self._said = ("", -SAY_AGAIN_S)
        """The last reason that was logged, and when."""
        self._silence_s = silence_s
        self._session: Session | None = None
        self._number = 0
        self._leaving = asyncio.Event()
        self._left = asyncio.Event()
        self._left.set()

    def send(self, action: Send) -> None:
        """Put a message on the control lane of its session, if that is still the current one."""
        if self._session is not None and self._session.number == action.session:
            self._session.outbox.put(action.message)

    async def run(self) -> None:
        """Hold the rope until `leave`."""
        while not self._leaving.is_set():
            began = _now()
            ended = await self._once()
            wait_s = self._wait_s(ended, _now() - began if ended.welcomed else 0.0)
            if not self._leaving.is_set():
                self._say(ended, wait_s)
            try:
                async with asyncio.timeout(wait_s):
                    await self._leaving.wait()
            except TimeoutError:
                continue

    async def leave(self, reason: str = "restart") -> None:
        """Say goodbye and close, within 2 s; containers are left alone."""
        self._leaving.set()
        if self._session is not None:
            self._session.outbox.put(Goodbye(reason=reason))
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._left.wait()
        except TimeoutError:
            log.warning("the Center did not take our goodbye in time")

    def _wait_s(self, ended: Ended, held_s: float) -> float:
        own_s = self._patience.after(held_s=held_s, wish_s=ended.come_back_s)
        return wished_s(REMOVED_PAUSE_S) if ended.removed else own_s

    def _say(self, ended: Ended, wait_s: float) -> None:
        """A Center that is away for a night is a line now and then, not one for each try."""
        reason, said_at = self._said
        if ended.reason != reason or ended.welcomed or _now() >= said_at + SAY_AGAIN_S:
            self._said = (ended.reason, _now())
            log.warning("no session with the Center: %s; again in %.1f s", clean(ended.reason), wait_s)

    async def _once(self) -> Ended:
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await connect(
                    self._url,
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    compression=None,
                    ping_interval=None,
                    close_timeout=CLOSE_S,
                    max_size=FRAME_MAX,
                    proxy=None,
                    user_agent_header=None,
                )
        except InvalidStatus as error:
            header = error.response.headers.get("Retry-After")
            return Ended(reason=f"HTTP {error.response.status_code}", come_back_s=retry_after_s(header))
        except (OSError, WebSocketException, TimeoutError) as error:
            return Ended(reason=str(error) or "no answer in time")
        transport_socket = connection.transport.get_extra_info("socket")
        if transport_socket is not None:
            _be_quick(transport_socket)
        self._number += 1
        session = Session(
            connection,
            self._number,
            self._identity,
            hello=self._hello,
            heartbeat=self._heartbeat,
            post=self._post,
            streams=self._streams,
            silence_s=self._silence_s,
        )
        self._session = session
        self._left.clear()
        try:
            async with asyncio.TaskGroup() as group:
                farewell = group.create_task(self._farewell(session, connection.close), name="farewell")
                # In a task of its own: one whose group failed stays half cancelled before Python 3.11.5, and its
                # next timeout would end the link.
                ended = await group.create_task(session.hold(), name="session")
                farewell.cancel()
        finally:
            self._session = None
            await connection.close(GOING_AWAY)
            self._left.set()
        return ended

    async def _farewell(self, session: Session, close: Callable[[int], Awaitable[None]]) -> None:
        """When the agent stops: everything that waits leaves, the goodbye last, then the socket closes."""
        await self._leaving.wait()
        await session.outbox.drained()
        await close(GOING_AWAY)


def _be_quick(transport: socket.socket) -> None:
    """Notice a dead line, and that it is alive again, in time."""
    with suppress(OSError):  # closed again already: the session finds out by itself
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    with suppress(OSError):  # an older kernel
        transport.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RETRY_MS)


def _now() -> float:
    return asyncio.get_running_loop().time()
