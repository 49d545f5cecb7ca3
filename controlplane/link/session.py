"""One open session of one agent: its epoch, its outbox, where its desired state stands. Kept in the hub's table.

Knows how desired state becomes numbered frames; does not read the socket (`endpoint.py`) or know other sessions.
"""

import asyncio
import logging
from collections.abc import Iterator

from controlplane.core.action import SendDelta, SendFull
from controlplane.link.outbox import Outbox, OutboxFull
from controlplane.link.wire import Closed
from protocol.codec import FRAME_MAX, encode, pages
from protocol.messages import PROTOCOL, Desired, DesiredDelta, FromCenter, Leaving
from protocol.spec import DesiredReplica

CHOKED = 1013
"""Close code of a session whose outbox was full."""

_log = logging.getLogger(__name__)


class Session:
    """The rope to one agent while it holds."""

    def __init__(
        self, node: str, agent_id: str, epoch: int, outbox: Outbox | None = None, *, protocol: int = PROTOCOL
    ) -> None:
        self.node = node
        self.agent_id = agent_id
        self.epoch = epoch
        self.protocol = protocol
        """What the agent speaks."""
        self.outbox = outbox or Outbox()
        self.clean = False
        """It is known why it ends: the agent said goodbye, or was told to go."""
        self.telling = False
        """What it said waits for a place in the controller's inbox, so not all that the agent sends may be read."""
        self._seq = 0
        self._has_full = False
        self._full_wanted = ""
        self._closed: Closed | None = None
        self._woken = asyncio.Event()

    @property
    def has_full(self) -> bool:
        """The full desired state was queued, so deltas and orders may follow."""
        return self._has_full

    def send(self, message: FromCenter) -> None:
        """Queue a control message; ends the session when the agent does not read."""
        self._queue(encode(message))

    def send_full(self, full: SendFull) -> None:
        """Queue everything, under the next sequence number."""
        self._seq += 1
        self._has_full = True
        try:
            self.outbox.put_pages(_full_frames(full, self._seq))
        except OutboxFull:
            self._choke()

    def send_delta(self, delta: SendDelta) -> None:
        """Queue a change, if the full state went before; one too long for a frame asks for the full state instead."""
        if not self._has_full:
            return
        frame = encode(
            DesiredDelta(
                after=self._seq,
                incarnation=delta.incarnation,
                revision=delta.revision,
                replicas=delta.replicas,
                drop=delta.drop,
            )
        )
        if len(frame) > FRAME_MAX:
            self.want_full("the change is longer than a frame")
            return
        self._seq += 1
        self._queue(frame)

    def want_full(self, reason: str) -> None:
        """What was sent does not hold any more: nothing goes out before the next full state."""
        self._has_full = False
        self._full_wanted = reason
        self._woken.set()

    def end(self, code: int, reason: str, *, clean: bool = False, by_peer: bool = False) -> None:
        """Close it now; what waits is lost. The first reason stays."""
        if self._closed is None:
            self._closed = Closed(code, reason, by_peer=by_peer)
            self.clean = self.clean or clean
            self._woken.set()

    @property
    def closed(self) -> Closed | None:
        """Why it was ended; None while it holds."""
        return self._closed

    def wanted(self) -> str:
        """Why the full state is asked for, told once; "" when it is not."""
        reason, self._full_wanted = self._full_wanted, ""
        return reason

    def wake(self) -> None:
        """There is work for whoever waits in `news`."""
        self._woken.set()

    async def news(self) -> None:
        """Wait until the session was ended, the full state is asked for, or somebody called `wake`."""
        await self._woken.wait()
        self._woken.clear()

    def _queue(self, frame: bytes) -> None:
        try:
            self.outbox.put(frame)
        except OutboxFull:
            self._choke()

    def _choke(self) -> None:
        self.end(CHOKED, "the agent does not read what it is sent")


def _full_frames(full: SendFull, seq: int) -> Iterator[bytes]:
    for number, (items, last) in enumerate(pages((*_fitting(full), *full.leaving))):
        yield encode(
            Desired(
                seq=seq,
                incarnation=full.incarnation,
                revision=full.revision,
                page=number,
                last=last,
                replicas=tuple(item for item in items if isinstance(item, DesiredReplica)),
                leaving=tuple(item for item in items if isinstance(item, Leaving)),
            )
        )


def _fitting(full: SendFull) -> Iterator[DesiredReplica]:
    """Without those that no frame can hold: one such would end this node's every session."""
    for replica in full.replicas:
        size = len(encode(Desired(seq=1 << 53, incarnation=1 << 53, revision=1 << 53, replicas=(replica,))))
        if size > FRAME_MAX:
            _log.error("%s does not fit in a frame (%d bytes); %s does not get it", replica.id, size, full.node)
        else:
            yield replica
