"""What waits to be sent to one agent, in two lanes (DESIGN §3.7). Filled without waiting; emptied by one taker.

Control lane: never dropped, so full means that the agent does not read: the session ends and a new one starts from the
full state. Bulk lane (logs, exec): sent only when the control lane is empty; full means that the caller must wait.
"""

from collections import deque
from collections.abc import Callable, Iterator

CONTROL_MAX = 1024
"""Messages in the control lane. A full state counts as one: its pages are made when they are sent."""

CONTROL_BYTES = 1024 * 1024

BULK_BYTES = 256 * 1024


class OutboxFull(Exception):
    """The control lane is full: the agent does not read."""


class Outbox:
    """Frames on their way out."""

    def __init__(
        self, control_max: int = CONTROL_MAX, control_bytes: int = CONTROL_BYTES, bulk_bytes: int = BULK_BYTES
    ) -> None:
        self._control: deque[bytes | Iterator[bytes]] = deque()
        self._control_max = control_max
        self._control_bytes = control_bytes
        self._control_size = 0
        self._bulk: deque[bytes] = deque()
        self._bulk_bytes = bulk_bytes
        self._bulk_size = 0
        self._finished = False
        self.wake: Callable[[], None] = _nobody
        """Called after each change: there is something to take, or the end."""

    def put(self, frame: bytes) -> None:
        """Queue a control frame. Raises OutboxFull."""
        if len(self._control) >= self._control_max or self._control_size + len(frame) > self._control_bytes:
            raise OutboxFull
        self._control.append(frame)
        self._control_size += len(frame)
        self.wake()

    def put_pages(self, frames: Iterator[bytes]) -> None:
        """Queue a long message whose frames are made one by one as they are sent. Raises OutboxFull."""
        if len(self._control) >= self._control_max:
            raise OutboxFull
        self._control.append(frames)
        self.wake()

    def offer_bulk(self, frame: bytes) -> bool:
        """Queue a bulk frame; False when there is no room for it now."""
        if self._bulk_size + len(frame) > self._bulk_bytes:
            return False
        self._bulk.append(frame)
        self._bulk_size += len(frame)
        self.wake()
        return True

    def finish(self) -> None:
        """Nothing more comes: `ended` once all control frames are taken; bulk is dropped."""
        self._finished = True
        self.wake()

    @property
    def ended(self) -> bool:
        """Finished, and all is taken."""
        return self._finished and not self._control

    @property
    def waiting(self) -> int:
        """Control messages that wait."""
        return len(self._control)

    def take(self) -> bytes | None:
        """The next frame to send; None when nothing waits."""
        while self._control:
            head = self._control[0]
            if isinstance(head, bytes):
                self._control.popleft()
                self._control_size -= len(head)
                return head
            frame = next(head, None)
            if frame is not None:
                return frame
            self._control.popleft()
        if self._bulk and not self._finished:
            frame = self._bulk.popleft()
            self._bulk_size -= len(frame)
            return frame
        return None


def _nobody() -> None:
    """Nobody takes yet."""
