"""What the agent says on a session: inventory, changes, heartbeat lines (DESIGN §3.3).

Pure: puts `Send` actions into the list it is given. Keeps the session's sequence number and the pause between two
bursts of changes; what a replica's state is, is for `reports`.
"""

from collections.abc import Mapping

import msgspec

from nodeagent.core.container import Usage
from nodeagent.core.events import Action, Now, Send
from nodeagent.core.replica import FOREVER, Assignment
from nodeagent.core.reports import Reports, aged, beat_of, report_of, up_seconds
from protocol.codec import pages
from protocol.messages import ContainerBeat, ContainerRef, ContainerReport, FromAgent, Inventory, Observed
from protocol.spec import DesiredReplica

COALESCE_S = 0.05
"""Changes within so many seconds of the last burst share a frame."""
BEAT_BYTES_MAX = 40 * 1024
"""Encoded bytes of container lines in a heartbeat."""

UNKNOWN = Usage(cpu_percent=0.0, memory=0)
"""A container whose figures are not known is said to use nothing."""

Items = Mapping[ContainerRef, Assignment]


class Voice:
    """The agent's side of the conversation. `items` and `reports` are the node's own, read here."""

    def __init__(self, items: Items, reports: Reports) -> None:
        self.session: int | None = None
        """The session that is being opened or is open."""
        self.open = False
        """The Center has said Welcome: anything may be sent."""
        self._items = items
        self._reports = reports
        self._seq = 0
        self._owed = False
        """The engine did not answer since the last inventory of this session: another is due when it does."""
        self._spoke_at = -FOREVER

    def greet(
        self,
        session: int,
        out: list[Action],
        wall: float,
        *,
        engine_ok: bool,
        held: tuple[DesiredReplica, ...] = (),
    ) -> None:
        """A session is authenticated: send what there is. Nothing else goes out before `welcomed`. `held`: what was
        desired last, for a Center that asks for it.
        """
        self.session, self.open, self._seq = session, False, 0
        for page, _ in pages(held) if held else ():
            out.append(Send(session=session, message=Inventory(containers=(), held=tuple(page), last=False)))
        self.inventory(out, wall, engine_ok=engine_ok)

    def welcomed(self) -> None:
        """The session is open."""
        self.open = True

    def hang_up(self, session: int) -> bool:
        """The session is over; False when it was not the current one."""
        if session != self.session:
            return False
        self.session, self.open = None, False
        return True

    def tell(self, out: list[Action], message: FromAgent) -> None:
        """Send now if a session is open; otherwise the next session begins with everything anyway."""
        if self.session is not None and self.open:
            out.append(Send(session=self.session, message=message))

    def inventory(self, out: list[Action], wall: float, *, engine_ok: bool) -> None:
        """Send everything, in pages. An engine that does not answer makes it empty; it follows when it answers."""
        if self.session is None:
            return
        self._owed = not engine_ok
        if not engine_ok:
            out.append(Send(session=self.session, message=Inventory(containers=(), engine_ok=False)))
            return
        for page, last in pages(self._aged(self._reports.inventory(), wall)):
            out.append(Send(session=self.session, message=Inventory(containers=tuple(page), last=last)))

    def speak(
        self, out: list[Action], pulling: set[str], waits: Mapping[ContainerRef, str], now: Now, *, engine_ok: bool
    ) -> float:
        """Bring the reports up to date and send what changed; answers when to speak again (monotonic seconds)."""
        for ref, item in self._items.items():
            under_way = item.want is not None and item.want.image in pulling
            report = report_of(item, pulling=under_way, waits_for=waits.get(ref, ""))
            self._reports.update(ref, report, item.have.started_at if item.have is not None else 0.0)
        for ref in self._reports.refs():
            if ref not in self._items:
                self._reports.update(ref, None)
        if not engine_ok:
            self._owed = True  # the Center may have moved what ran here, or called it interrupted
        elif self.open and self._owed:
            self.inventory(out, now.wall, engine_ok=True)
        if not (self.open and engine_ok and self._reports.dirty):
            return FOREVER
        if now.mono < self._spoke_at + COALESCE_S:
            return self._spoke_at + COALESCE_S
        self._spoke_at = now.mono
        changed, gone = self._reports.changes()
        for page, last in pages(self._aged(changed, now.wall)):
            self._observed(out, containers=tuple(page), gone=() if not last else gone[:_GONE_MAX])
        for start in range(_GONE_MAX, len(gone), _GONE_MAX):
            self._observed(out, containers=(), gone=gone[start : start + _GONE_MAX])
        return FOREVER

    def beats(self, usage: Mapping[str, Usage], wall: float) -> tuple[ContainerBeat, ...]:
        """The heartbeat's lines, as many as fit. `usage`: container id -> what it uses, as measured last."""
        lines: list[ContainerBeat] = []
        size = 0
        for report in self._reports.current():
            item = self._items.get(_ref(report))
            used = usage.get(report.container_id, UNKNOWN)
            line = beat_of(report, up_seconds(item, wall) if item is not None else 0.0, used)
            size += len(msgspec.json.encode(line)) + 1
            if size > BEAT_BYTES_MAX:
                break
            lines.append(line)
        return tuple(lines)

    def _observed(
        self, out: list[Action], containers: tuple[ContainerReport, ...], gone: tuple[ContainerRef, ...]
    ) -> None:
        self._seq += 1
        self.tell(out, Observed(seq=self._seq, containers=containers, gone=gone))

    def _aged(self, reports: tuple[ContainerReport, ...], wall: float) -> tuple[ContainerReport, ...]:
        return tuple(aged(report, self._items.get(_ref(report)), wall) for report in reports)


_GONE_MAX = 100
"""Refs in one frame: with 48 KiB of reports before them they still fit."""


def _ref(report: ContainerReport) -> ContainerRef:
    return ContainerRef(project=report.project, service=report.service, replica=report.replica, epoch=report.epoch)
