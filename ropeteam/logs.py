"""`rope logs`: asks for logs, merges what comes, prints it; connects again when the line breaks and goes on.

A node that is away is one line on stderr. What was printed is acknowledged to the Center, so a terminal that is stopped
stops the containers' log readers, and nothing is lost or piled up.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection

from protocol import live
from protocol.loglines import NS
from ropeteam.client import Client
from ropeteam.dialing import decode, dial_live, encode, fault_of
from ropeteam.fault import Fault
from ropeteam.merging import Copy, Entry, Merge, Newest
from ropeteam.output import note
from ropeteam.stream import lost

SETTLE_S = 0.4
"""So long without a line ends the beginning of what is followed: until then it is sorted, and cut to `lines`."""
SETTLE_MAX_S = 3.0
HOLD_S = 0.2
"""A live line waits so long for an older one of another node."""
GRANT_BYTES = 16 * 1024
"""Credit is given back in pieces of so many bytes."""
WAITING_MAX = 5000
"""Lines of one source that wait for older ones of others; it gets no more credit then."""
SKEW_NS = 5 * NS
"""A line that is not older than this when it is followed may be new: clocks differ. It is shown in any case."""
OVERLAP_NS = 10 * NS
ALL = -1


class Asked(NamedTuple):
    """What to show. `lines`: newest of each replica, -1 = all. `fits`: which lines."""

    project: str
    service: str
    replica: int
    node: str
    lines: int
    since_ns: int
    follow: bool
    fits: Callable[[Entry], bool]
    filtered: bool


def read(center: Client, asked: Asked, show: Callable[[Iterable[Entry]], None]) -> None:
    """Show what was asked for, for ever when followed. Raises Fault."""
    reading = _Reading(asked, show)
    tries = 0
    while True:
        try:
            with dial_live(center) as socket:
                if tries:
                    note("connected again", dim=True)
                tries = 0
                reading.run(socket)
                return
        except (OSError, ConnectionClosed, InvalidHandshake):
            reading.broke()
            tries = lost(tries)


def read_once(center: Client, asked: Asked, show: Callable[[Iterable[Entry]], None]) -> None:
    """As `read`, to the end, but a line that breaks or cannot be opened is a Fault."""
    try:
        with dial_live(center) as socket:
            _Reading(asked, show).run(socket)
    except (OSError, ConnectionClosed, InvalidHandshake) as error:
        raise Fault(f"no socket to the Center: {error}") from error


class _Reading:
    def __init__(self, asked: Asked, show: Callable[[Iterable[Entry]], None]) -> None:
        self._asked = asked
        self._show = show
        self._merge = Merge()
        self._began_ns = time.time_ns()
        fresh_ns = self._began_ns - SKEW_NS if asked.follow else 1 << 63
        self._newest: Newest | None = Newest(asked.lines, fresh_ns)
        """Holds the beginning until it is known to be complete; None once that was shown."""
        self._held: list[Entry] = []
        self._owed: dict[int, int] = {}
        self._said: set[str] = set()

    def run(self, socket: ClientConnection) -> None:
        """Until the end, or for ever."""
        socket.send(encode(self._request()))
        if self._asked.follow:
            self._follow(socket)
        else:
            self._to_the_end(socket)

    def broke(self) -> None:
        """The line broke: what waits is shown, and asked for again from there."""
        self._flush()
        self._owed.clear()

    def _request(self) -> live.Logs:
        asked, newest_ns = self._asked, self._merge.newest_ns()
        lines = ALL if asked.filtered or self._newest is None else asked.lines
        since_ns = max(asked.since_ns, newest_ns - OVERLAP_NS) if self._newest is None and newest_ns else asked.since_ns
        if self._newest is None and not newest_ns:
            since_ns = max(asked.since_ns, self._began_ns - OVERLAP_NS)
        return live.Logs(
            id=1,
            project=asked.project,
            service=asked.service,
            replica=asked.replica,
            node=asked.node,
            lines=lines,
            since_ns=since_ns,
            follow=asked.follow,
        )

    def _to_the_end(self, socket: ClientConnection) -> None:
        for text in socket:
            over = self._take(decode(text), socket)
            if self._asked.lines == ALL:
                self._show(e for e in self._merge.certain() if self._asked.fits(e))
            elif self._newest is not None:
                self._newest.add(e for e in self._merge.certain() if self._asked.fits(e))
            self._grant(socket)
            if over:
                self._flush()
                return
        raise ConnectionResetError("the Center closed the socket")

    def _follow(self, socket: ClientConnection) -> None:
        began = heard = shown = time.monotonic()
        while True:
            try:
                text = socket.recv(timeout=HOLD_S / 2)
            except TimeoutError:
                text = None
            now = time.monotonic()
            if text is not None:
                frame = decode(text)
                if self._take(frame, socket):
                    self._flush()
                    return
                heard = now if isinstance(frame, live.Data | live.Source) else heard
            if self._newest is not None:
                if now - heard < SETTLE_S and now - began < SETTLE_MAX_S:
                    self._newest.add(e for e in self._merge.everything() if self._asked.fits(e))
                    self._grant(socket)
                    continue
                self._flush()
            elif now - shown >= HOLD_S:
                shown = now
                self._show_held()
                self._grant(socket)

    def _take(self, frame: live.FromCenter, socket: ClientConnection) -> bool:
        """Take a frame in; True when it was the last. Raises Fault."""
        match frame:
            case live.Source():
                copy = Copy(frame.project, frame.service, frame.replica, frame.epoch, frame.node)
                self._merge.begin(frame.source, copy)
                self._say(frame.note)
            case live.Data():
                self._merge.feed(frame.source, frame.data)
                self._owed[frame.source] = self._owed.get(frame.source, 0) + len(frame.data)
            case live.SourceOver():
                self._merge.end(frame.source)
                self._owed.pop(frame.source, None)
                if frame.again and frame.reason:
                    self._say(f"{frame.reason}: its logs go on when it is back")
                elif frame.reason and "no lines" not in frame.reason:
                    self._say(frame.reason)
            case live.Over():
                if frame.error:
                    raise fault_of(frame)
                return True
            case _:
                pass
        return False

    def _say(self, text: str) -> None:
        """Each remark once: a node with many replicas is away in one line."""
        if text and text not in self._said:
            self._said.add(text)
            note(text, dim=True)

    def _show_held(self) -> None:
        """Show what was held, and newer lines that came since and are older than the last of them; hold the rest."""
        came = [e for e in self._merge.everything() if self._asked.fits(e)]
        if not self._held:
            self._held = came
            return
        until_ns = self._held[-1].line.at_ns
        both = sorted(self._held + came, key=lambda entry: entry.line.at_ns)
        self._show(e for e in both if e.line.at_ns <= until_ns)
        self._held = [e for e in both if e.line.at_ns > until_ns]

    def _flush(self) -> None:
        waiting = self._held + [e for e in self._merge.everything() if self._asked.fits(e)]
        waiting.sort(key=lambda entry: entry.line.at_ns)
        self._held = []
        if self._newest is not None:
            self._newest.add(waiting)
            waiting, self._newest = self._newest.take(), None
        if waiting:
            self._show(waiting)

    def _grant(self, socket: ClientConnection) -> None:
        for source, size in self._owed.items():
            if size >= GRANT_BYTES and self._merge.waiting(source) < WAITING_MAX:
                self._owed[source] = 0
                with suppress(ConnectionClosed):  # `recv` tells
                    socket.send(encode(live.Credit(id=1, source=source, credit=size)))
