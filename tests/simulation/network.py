"""The network: one line per machine to the Center, and connections that behave as TCP does.

Frames of one connection arrive in order or not at all. A cut holds them back; 10 s without an acknowledgement break the
connection at the side that sent (TCP_USER_TIMEOUT of both ends). The other side learns of a break when the news gets
through: at once, late, or never. Knows frames as bytes only.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.simulation.clock import Clock, Process

USER_TIMEOUT_S = 10.0
DELTA = b'{"type":"desireddelta"'
NEWS_LATE_S = 30.0
"""The most by which the news of a close may be late."""


class Line:
    """The path between a machine and the Center. `up_cut`, `down_cut`: nothing passes towards, from the Center."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self.clock = clock
        self.chance = chance
        self._random = chance.random
        self.up_cut = False
        self.down_cut = False
        self.delay_s = (0.001, 0.02)
        self.late_news = 0.0
        """Probability that the news of a close is held up on its way."""
        self.swallows = 0
        """So many changes of desired state are lost on their way to the agent, while the connection lives on."""
        self.has_hole = False
        """It may have swallowed something, and nobody has found out yet."""
        self.open: set[Connection] = set()

    @property
    def cut(self) -> bool:
        """True when acknowledgements do not pass, whichever way is cut."""
        return self.up_cut or self.down_cut

    def set(self, *, up_cut: bool, down_cut: bool) -> None:
        """Cut or mend; what was held back is sent again."""
        self.up_cut, self.down_cut = up_cut, down_cut
        for connection in sorted(self.open, key=lambda c: c.number):
            connection.line_changed()

    def some_delay(self) -> float:
        """Seconds a frame takes."""
        low, high = self.delay_s
        return low + (high - low) * self._random()


class End:
    """One side of a connection. Its process takes frames and, once, the news that it is over."""

    def __init__(self, process: Process, on_frame: Callable[[bytes], None], on_close: Callable[[], None]) -> None:
        self.process = process
        self.on_frame = on_frame
        self.on_close = on_close
        self.open = True
        self.held: list[bytes | None] = []
        """Sent by this end and held back by a cut; None is the news of its close."""
        self.last_arrival = 0.0
        self.unacked_since: float | None = None
        self.expired = False
        """The kernel gave the connection up; its process hears of it when it runs."""


class Connection:
    """`agent` and `center` are its ends. Numbered for order."""

    def __init__(self, line: Line, number: int, arrived: Callable[["Connection"], None]) -> None:
        self.line = line
        self.number = number
        self.agent: End | None = None
        self.center: End | None = None
        self.caller: Any = None
        """What the Center made of it."""
        self._arrived = arrived
        """Told of every frame that reaches the Center's machine, even when its process does not look."""
        line.open.add(self)

    def send(self, sender: End, frame: bytes) -> None:
        """Send a frame from one end to the other."""
        if sender.open:
            self._transmit(sender, frame)

    def close(self, sender: End, *, abort: bool = False) -> None:
        """This end is over. What it sent is still on its way, unless it aborts; the other end gets the news."""
        if not sender.open:
            return
        sender.open = False
        if abort:
            sender.held.clear()
        self._transmit(sender, None)

    def vanish(self, end: End) -> None:
        """The machine of this end lost its power: no news of it, ever."""
        end.open = False
        end.held.clear()
        end.process = Process(self.line.clock)
        end.process.up = False

    def line_changed(self) -> None:
        """The line was cut or mended."""
        for end in (self.agent, self.center):
            if end is None:
                continue
            if not self.line.cut:
                end.unacked_since = None
            if end.held and not self._blocked(end):
                frames, end.held = end.held, []
                pause_s = self.line.chance.uniform(0.02, 3.0)  # the next retransmission
                for frame in frames:
                    self._arrive_later(end, frame, pause_s)
        self._forget_if_over()

    def _transmit(self, sender: End, frame: bytes | None) -> None:
        line = self.line
        if line.swallows and frame is not None and frame.startswith(DELTA):
            line.swallows -= 1
            return
        cut = line.up_cut or line.down_cut
        if (cut or not self._peer(sender).process.up) and frame is not None and sender.unacked_since is None:
            sender.unacked_since = line.clock.now
            line.clock.after(USER_TIMEOUT_S, self._expire, sender, sender.unacked_since)
        if cut and self._blocked(sender):
            sender.held.append(frame)
        else:
            self._arrive_later(sender, frame, 0.0)

    def _arrive_later(self, sender: End, frame: bytes | None, pause_s: float) -> None:
        line = self.line
        if frame is None and line.late_news and line.chance.random() < line.late_news:
            pause_s += line.chance.uniform(0.0, NEWS_LATE_S)
        when = line.clock.now + pause_s + line.some_delay()
        if when < sender.last_arrival:
            when = sender.last_arrival
        sender.last_arrival = when
        line.clock.at(when, self._arrive, sender, frame)

    def _arrive(self, sender: End, frame: bytes | None) -> None:
        receiver = self._peer(sender)
        if receiver.expired:
            return
        if frame is not None and receiver is self.center and receiver.open:
            self._arrived(self)
        receiver.process.do(self._take, receiver, frame)

    def _take(self, receiver: End, frame: bytes | None) -> None:
        if not receiver.open:
            return
        if frame is None:
            receiver.open = False
            receiver.on_close()
            self._forget_if_over()
        else:
            receiver.on_frame(frame)

    def _expire(self, sender: End, since: float) -> None:
        if sender.open and sender.process.up and sender.unacked_since == since:
            sender.expired = True
            sender.process.do(self._timed_out, sender)

    def _timed_out(self, sender: End) -> None:
        if sender.open:
            self.close(sender, abort=True)
            sender.on_close()

    def _blocked(self, sender: End) -> bool:
        return self.line.up_cut if sender is self.agent else self.line.down_cut

    def _peer(self, end: End) -> End:
        peer = self.center if end is self.agent else self.agent
        assert peer is not None
        return peer

    def _forget_if_over(self) -> None:
        ends = (self.agent, self.center)
        if all(end is None or (not end.open and not end.held) for end in ends):
            self.line.open.discard(self)
