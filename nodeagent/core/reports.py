"""What the Center is told about each replica, and when it changed (DESIGN §1 states, §3.3).

Pure. `report_of` is the one place that turns facts into a replica state. `Reports` numbers the changes so that an older
report can never overtake a newer one, also across a restart of the agent.
"""

from collections.abc import Iterable

import msgspec

from nodeagent.core.container import Container, Usage
from nodeagent.core.replica import Assignment, exit_reason
from nodeagent.core.steps import Create, Remove, Restart, Start, Stop
from protocol.messages import ContainerBeat, ContainerRef, ContainerReport, Health, ReasonCode, ReplicaState

TAIL_LINES_MAX = 50
TAIL_BYTES_MAX = 24 * 1024
"""Encoded bytes of `log_tail`, so that a report fits a frame whatever the lines hold."""
REASON_MAX = 500


def report_of(item: Assignment, *, pulling: bool, waits_for: str = "") -> ContainerReport:
    """The report on one (replica, epoch), without number and uptime. `pulling`: its image is on its way. `waits_for`:
    why it may not start yet, for people.
    """
    state = _state(item, pulling=pulling)
    have, trials = item.have, item.trials
    health: Health = "none"
    code: ReasonCode = ""
    reason = waits_for if state in ("assigned", "starting") else ""
    gave_up = False
    if have is not None and have.status == "running":
        health = item.health
    if state == "running" and health == "starting":
        reason = item.ailment
    if state in ("failed", "stopped") or health == "unhealthy":
        code, reason = trials.code, trials.reason
        gave_up = trials.gave_up and (not trials.tail_due or have is None)
    if state == "stopped" and item.want is None and have is not None:
        code, reason = "", exit_reason(have)
    if have is not None and have.status == "paused":
        reason = "paused by hand"
    return ContainerReport(
        project=item.ref.project,
        service=item.ref.service,
        replica=item.ref.replica,
        epoch=item.ref.epoch,
        state=state,
        health=health,
        spec=have.spec if have else "",
        container_id=have.id if have else "",
        ports=(have.ports if have else ()) or (item.want.ports if item.want else ()),
        exit_code=have.exit_code if have and state in ("stopped", "failed") else None,
        restarts=trials.restarts,
        code=code,
        reason=reason[:REASON_MAX],
        gave_up=gave_up,
        log_tail=trials.tail if gave_up or (state == "failed" and trials.ended) else (),
    )


def _state(item: Assignment, *, pulling: bool) -> ReplicaState:
    match item.busy:
        case Create() | Start() | Restart():
            return "starting"
        case Stop():
            return "stopping" if item.want is None else "starting"  # wanted: it is only made anew
        case Remove() if item.want is None:
            return "stopped"
        case _:
            pass
    have, trials = item.have, item.trials
    if item.want is None:
        if not item.alive:
            return "stopped"
        return "stopping" if item.cleared else "running"
    if pulling and item.image_missing:
        return "pulling"
    if have is not None and have.status in ("running", "paused"):
        return "running"
    if trials.ended:
        waits = trials.tail_due and have is not None  # a job's last lines are told together with its end
        return "running" if waits else trials.ended
    if trials.gave_up or trials.reason:
        return "failed"
    if have is None:
        return "assigned"
    return _unstarted(have)


def _unstarted(have: Container) -> ReplicaState:
    match have.status:
        case "created" | "exited" | "restarting":
            return "starting"
        case "removing":
            return "assigned"  # somebody removes it by hand; `stopping` is for what nobody wants
        case _:
            return "failed"


def trimmed_tail(lines: Iterable[str]) -> tuple[str, ...]:
    """The newest lines that one report may carry: 50 lines, 500 characters each, 24 KiB when encoded."""
    kept = [line[:500] for line in lines][-TAIL_LINES_MAX:]
    while kept and len(msgspec.json.encode(kept)) > TAIL_BYTES_MAX:
        del kept[0]
    return tuple(kept)


class Reports:
    """The newest report on everything, numbered, and what the Center has not seen of it in this session."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        """The highest number given; grows for ever."""
        self._current: dict[ContainerRef, ContainerReport] = {}
        self._started: dict[ContainerRef, float] = {}
        self._unsent: dict[ContainerRef, None] = {}

    @property
    def dirty(self) -> bool:
        """True when the Center has not been told everything."""
        return bool(self._unsent)

    def update(self, ref: ContainerRef, report: ContainerReport | None, started_at: float = 0.0) -> None:
        """Take in a fresh report without number, or None when there is nothing left to report on. `started_at`: of its
        container, wall seconds: a new start is news, though the report is as before.
        """
        known = self._current.get(ref)
        if report is None:
            if known is not None:
                del self._current[ref]
                del self._started[ref]
                self._unsent[ref] = None
            return
        same = self._started.get(ref) == started_at
        if same and known is not None and msgspec.structs.replace(known, state_seq=0) == report:
            return
        self._started[ref] = started_at
        self.seq += 1
        self._current[ref] = msgspec.structs.replace(report, state_seq=self.seq)
        self._unsent[ref] = None

    def inventory(self) -> tuple[ContainerReport, ...]:
        """Everything; counts as told."""
        self._unsent.clear()
        return tuple(self._current.values())

    def changes(self) -> tuple[tuple[ContainerReport, ...], tuple[ContainerRef, ...]]:
        """(changed reports, refs that are no more) since the last time; counts as told."""
        changed = tuple(self._current[ref] for ref in self._unsent if ref in self._current)
        gone = tuple(ref for ref in self._unsent if ref not in self._current)
        self._unsent.clear()
        return changed, gone

    def current(self) -> tuple[ContainerReport, ...]:
        """The newest reports, without counting as told."""
        return tuple(self._current.values())

    def refs(self) -> tuple[ContainerRef, ...]:
        """What there are reports on."""
        return tuple(self._current)


def aged(report: ContainerReport, item: Assignment | None, wall: float) -> ContainerReport:
    """The report with its uptime as of now."""
    up_s = up_seconds(item, wall) if item is not None and report.state == "running" else 0.0
    return msgspec.structs.replace(report, up_s=up_s)


def up_seconds(item: Assignment, wall: float) -> float:
    """Seconds since its container was started; 0 when it does not run."""
    if item.have is None or item.have.status != "running" or item.have.started_at <= 0:
        return 0.0
    return round(max(0.0, wall - item.have.started_at), 1)


def beat_of(report: ContainerReport, up_s: float, used: Usage) -> ContainerBeat:
    """One line of a heartbeat."""
    return ContainerBeat(
        project_code=report.project,
        service=report.service,
        replica=report.replica,
        epoch=report.epoch,
        status=report.state,
        health=report.health,
        uptime=uptime_text(up_s) if report.state == "running" else "",
        cpu_usage=round(used.cpu_percent, 1),
        mem_mb=round(used.memory / 2**20, 1),
        net_in_kb=round(used.net_in / 1024, 1),
        net_out_kb=round(used.net_out / 1024, 1),
    )


def uptime_text(up_s: float) -> str:
    """`42s`, `3h25m`, `12d4h`: the two largest units."""
    seconds = int(up_s)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{seconds % 60}s" if minutes else f"{seconds}s"
