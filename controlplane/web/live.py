"""`WebSocket /live?view=&of=&lang=`: a page's own socket. A snapshot, then a frame for each change, at most 4 a second.

One task keeps the board and draws each view once per language for everybody; each socket has a writer that asks its
sheet what is new since the version it sent last. A slow browser waits with one frame under way; what comes meanwhile is
merged: its next frame is a snapshot. Nothing is asked over this socket.
"""

import asyncio
from collections.abc import Callable, Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect

from controlplane.web.board import Board
from controlplane.web.door import Door, Subscription
from controlplane.web.sheet import Pieces, Sheet
from controlplane.web.views import ABOUT

PAUSE_S = 0.25
"""From frame to frame."""
REST = 0.1
"""With so much to draw that it takes longer, others get at least this share of that time between two frames."""
SHARE = 4
"""A view is drawn again after so many times of what it took last: one page with thousands of things does not slow down
all others. But never later than this."""
LATE_S = 2.0
FRESH_S = 1.0
"""A sheet that is kept and was drawn so lately is as good as new for the first paint; the socket brings the rest."""
SWEEP_S = 1.0
"""How often heartbeats and what changes by time are looked at …"""
SWEEP_PARTS = 4
SWEEP_IDLE_S = 4.0
"""… and with no page open: only so that the charts of the last minutes miss no heartbeat."""
SWEEP_CHUNK = 500
"""Nodes looked at before others get their turn."""
IDLE_S = 300.0
"""With no page open the board only notes what changed; it is worked off so often, and for the next first paint."""
CHUNK = 50
"""Structs made before others get their turn …"""
DRAWN = 20
"""… and entries of lists drawn."""
BEAT_S = 5.0
"""A socket with nothing to tell says so: the page greys when it hears nothing for longer (`app.js`)."""
SEND_S = 10.0
"""A frame that is not taken within so many seconds ends the socket; the browser comes back."""
SOCKETS_MAX = 512

OVER = 1008
"""The session is over: the page goes to sign in. htmx does not reconnect after it."""
LATER = 1013

BEAT = "{}"

OF_MAX = 200
"""Characters of what a view is about: a filter of events names a project and a node."""

View = Callable[[Board, str], Pieces]

Key = tuple[str, str, str]
"""View, what it is about ("" = everything), language."""


class _Reader:
    """One open page."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()


class Live:
    """All open pages. `draws`: language -> how it draws; `views`: name -> what is in it."""

    def __init__(
        self, door: Door, draws: Mapping[str, Callable[[str, object], str]], views: Mapping[str, View]
    ) -> None:
        self._door = door
        self._draws = draws
        self._views = views
        self._board = Board(door)
        self._sheets: dict[Key, Sheet] = {}
        self._drawn_at: dict[Key, float] = {}
        self._due_at: dict[Key, float] = {}
        self._drawn_for: dict[Key, int | None] = {}
        self._readers: dict[Key, set[_Reader]] = {}
        self._woken = asyncio.Event()

    @property
    def open(self) -> int:
        """Open sockets."""
        return sum(len(readers) for readers in self._readers.values())

    @property
    def sheets(self) -> int:
        """Views that are kept drawn."""
        return len(self._sheets)

    def knows(self, view: str, of: str, language: str) -> bool:
        """True when there is such a view and language, and `of` may be what it is about."""
        return view in self._views and language in self._draws and len(of) <= OF_MAX and bool(of) == (view in ABOUT)

    async def sheet(self, view: str, of: str, language: str) -> Sheet:
        """The view as it is now, or was `FRESH_S` ago at most when others have it open. For the first paint."""
        key = (view, of, language)
        if self._readers.get(key) and self._is_fresh(key):
            return self._sheets[key]
        await self._board.load()
        await self._look()
        if self._board.behind:  # that was the rest of a round that had begun before what this reader did
            await self._look()
        await self._refresh(key)
        found = self._sheets[key]
        self._forget(key)
        return found

    def dismiss(self, deployment: int) -> None:
        """Take it off the list of what went wrong, on every open page."""
        self._board.dismiss(deployment)
        self._woken.set()

    async def run(self) -> None:
        """Keep the board and the sheets that are looked at. Until cancelled."""
        with self._door.feed.subscribe() as subscription:
            self._board.skipped()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._collect(subscription))
                await self._keep()

    async def serve(self, socket: WebSocket, key: Key, signed_in: Callable[[], bool]) -> None:
        """Serve one browser until it leaves, is too slow or its session is over. The origin was checked."""
        await socket.accept()
        if not signed_in():
            await socket.close(OVER)
            return
        if self.open >= SOCKETS_MAX:
            await socket.close(LATER)
            return
        reader = _Reader()
        readers = self._readers.setdefault(key, set())
        readers.add(reader)
        self._woken.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(socket, key, reader, signed_in))
                while (await socket.receive())["type"] != "websocket.disconnect":
                    pass  # nothing is asked over this socket; what comes is ignored
                writer.cancel()
        except* (WebSocketDisconnect, TimeoutError):
            pass  # the browser is gone or too slow; it comes back by itself
        finally:
            readers.discard(reader)
            self._forget(key)

    def _forget(self, key: Key) -> None:
        """Sheets about one thing are many; one that nobody looks at is dropped."""
        if key[1] and not self._readers.get(key):
            for table in (self._readers, self._sheets, self._drawn_at, self._due_at, self._drawn_for):
                table.pop(key, None)

    async def _collect(self, subscription: Subscription) -> None:
        while True:
            changes = await subscription.next()
            if changes is None:
                self._board.skipped()
            else:
                self._board.put(changes)
            self._woken.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        sweep_at, look_at = 0.0, clock() + IDLE_S  # a start has better things to do than to draw what nobody looks at
        while True:
            began = clock()
            if began >= sweep_at:
                await self._sweep()
                sweep_at = clock() + (SWEEP_S / SWEEP_PARTS if self.open else SWEEP_IDLE_S)
            if self.open or clock() >= look_at:
                await self._board.load()
                await self._look()
                look_at = clock() + IDLE_S
            for key in [k for k, readers in self._readers.items() if readers]:
                if clock() >= self._due_at.get(key, 0.0):
                    await self._refresh(key)
            took_s = clock() - began
            await asyncio.sleep(max(PAUSE_S - took_s, took_s * REST))
            try:
                async with asyncio.timeout_at(sweep_at):
                    await self._woken.wait()
                self._woken.clear()
            except TimeoutError:
                pass

    async def _sweep(self) -> None:
        if self.open:  # a part at a time: what all nodes have to tell would be one long frame each second
            part = -(-len(self._door.controller.cluster.nodes) // SWEEP_PARTS)
            self._board.sweep(self._door.now(), max(1, part))
            return
        more = True
        while more:
            more = self._board.sweep(self._door.now(), SWEEP_CHUNK)
            await asyncio.sleep(0)

    async def _look(self) -> None:
        more = True
        while more:
            more = self._board.look(self._door.now(), CHUNK)
            await asyncio.sleep(0)

    async def _refresh(self, key: Key) -> None:
        view, of, language = key
        sheet = self._sheets.get(key)
        if sheet is None:
            sheet = self._sheets[key] = Sheet(self._draws[language])
        clock, cost_s = asyncio.get_running_loop().time, 0.0
        touched = self._board.touched(view, of)
        if touched is not None and self._drawn_for.get(key) == touched and self._is_fresh(key):
            return
        pieces = self._views[view](self._board, of)
        more = True
        while more:
            began = clock()
            more = sheet.prepare(pieces, DRAWN)
            if not more and sheet.update(pieces):
                for reader in self._readers.get(key, ()):
                    reader.woken.set()
            cost_s += clock() - began
            await asyncio.sleep(0)
        self._drawn_at[key], self._drawn_for[key] = clock(), touched
        self._due_at[key] = clock() + min(cost_s * SHARE - PAUSE_S, LATE_S)

    def _is_fresh(self, key: Key) -> bool:
        return asyncio.get_running_loop().time() - self._drawn_at.get(key, -FRESH_S) < FRESH_S

    async def _write(self, socket: WebSocket, key: Key, reader: _Reader, signed_in: Callable[[], bool]) -> None:
        clock = asyncio.get_running_loop().time
        sheet, shown, beat_at = await self.sheet(*key), -1, clock() + BEAT_S
        while signed_in():
            frame = sheet.since(shown)
            shown = sheet.version
            if frame or clock() >= beat_at:
                async with asyncio.timeout(SEND_S):
                    await socket.send_text(frame or BEAT)
                beat_at = clock() + BEAT_S
                await asyncio.sleep(PAUSE_S / 2)  # views are drawn each PAUSE_S; who waited that long would miss one
            try:
                async with asyncio.timeout(SWEEP_S):
                    await reader.woken.wait()
                reader.woken.clear()
            except TimeoutError:
                pass
        await socket.close(OVER)
