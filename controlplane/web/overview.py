"""What the overview shows, as plain structs made of the API's views. Pure; decides no state, the words come from views.

Rendered by `sheet.py` with the partials of the same names; kept up to date by `board.py`.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from protocol.api import DeploymentView, EventView, NodeTask, NodeView, PortView, ProjectView, ReplicaView, StepView

NODES_SHOWN = 200
PROJECTS_SHOWN = 200
CELLS_SHOWN = 120
ADDRESSES_SHOWN = 2
STEPS_SHOWN = 6
DISK_FULL = 0.85
"""Used share of a disk from which it is called to attention; below 10 % free the core refuses new work by itself."""

Shape = str
"""How a replica is drawn: `up half bad lost want off leaving`, each another outline."""

_SHAPES: Mapping[str, Shape] = {
    "pending": "want",
    "assigned": "half",
    "pulling": "half",
    "starting": "half",
    "stopping": "leaving",
    "stopped": "off",
    "failed": "bad",
    "interrupted": "lost",
}
_RUNNING: Mapping[str, Shape] = {"none": "up", "healthy": "up", "starting": "half", "unhealthy": "bad"}

TONES: Mapping[str, str] = {
    "online": "ok", "suspect": "wa", "offline": "ba", "unknown": "id", "draining": "wa", "unschedulable": "wa",
    "running": "ok", "deploying": "pr", "degraded": "wa", "interrupted": "ba", "failed": "ba", "stopped": "id",
    "succeeded": "ok", "waiting": "id", "paused": "wa", "rolled_back": "wa", "cancelled": "id", "superseded": "id",
}  # fmt: skip
"""Word of a state -> colour of its pill: ok, wa(rning), ba(d), pr(ogress), id(le)."""

_EVENT_TONES: Mapping[str, str] = {
    "alarm": "ba", "node.offline": "ba", "replica.interrupted": "ba", "replica.given_up": "ba",
    "deployment.failed": "ba", "replica.stays": "wa", "node.suspect": "wa", "node.unknown": "wa",
    "node.disconnected": "wa", "node.draining": "wa", "replica.pending": "wa", "replica.moving": "wa",
    "replica.failed": "ba", "replica.unhealthy": "ba", "replica.restarted": "wa", "replica.healthy": "ok",
    "node.unschedulable": "wa", "node.removed": "wa", "node.schedulable": "ok", "deployment.cancelled": "wa",
    "replica.port_remapped": "wa", "replica.port_taken": "wa", "deployment.started": "pr", "replica.placed": "pr",
    "deployment.succeeded": "ok", "node.online": "ok", "alarm.over": "ok", "node.connected": "ok",
}  # fmt: skip
"""Kind of an event -> colour of its mark; all others are idle."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is shown. `key`: its id in the page."""

    key: str


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One replica on the map or in a row."""

    name: str
    shape: Shape
    state: str
    health: str
    node: str = ""
    reason: str = ""
    outgoing: bool = False


class Card(Shown, frozen=True, kw_only=True):
    """A node. Percentages 0-100, None = not known. `seen`: wall seconds of its last frame, when it is not online."""

    name: str
    state: str
    flags: tuple[str, ...]
    note: str
    cells: tuple[Cell, ...]
    more: int
    cpu: float | None
    cpu_lines: tuple[str, ...]
    cpu_reserved: float | None
    memory: float | None
    memory_text: str
    memory_reserved: float | None
    disk: float | None
    seen: float | None
    interrupted: int
    engine_ok: bool
    held: bool


class Row(Shown, frozen=True, kw_only=True):
    """A project."""

    code: str
    state: str
    message: str
    revision: int
    running: int
    wanted: int
    cells: tuple[Cell, ...]
    more_cells: int
    addresses: tuple[tuple[str, str], ...]
    """(link or "", text)."""
    more_addresses: int


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """A step. `took_s`: so far, None before it began. `bytes_*`: of a pull, 0 = nothing is known."""

    kind: str
    what: str
    state: str
    reason: str
    took_s: float | None
    bytes_done: int = 0
    bytes_total: int = 0


class Work(Shown, frozen=True, kw_only=True):
    """A deployment that is under way, or the last ones that ended."""

    id: int
    project: str
    kind: str
    state: str
    revision: int
    reason: str
    actor: str
    steps: tuple[StepLine, ...]
    behind: tuple[StepLine, ...]
    """Steps that are done, told on request."""
    ahead: int
    done: int
    count: int
    at: str


class Line(Shown, frozen=True, kw_only=True):
    """An event."""

    seq: int
    at: str
    tone: str
    text: str


class Trouble(Shown, frozen=True, kw_only=True):
    """Something that is wrong. `kind`: center, node, project. `state`: the word on the pill."""

    kind: str
    subject: str
    state: str
    tone: str
    text: str = ""
    seen: float | None = None
    interrupted: int = 0
    held: bool = False
    disk: float | None = None
    """Used share in percent, when that is the trouble."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers at the heads of the sections."""

    nodes: int
    online: int
    projects: int
    well: int
    replicas: int
    up: int


def key_of(kind: str, name: str) -> str:
    """An id for the page that needs no escape in a selector; different names get different ids."""
    return f"{kind}-" + name.replace("_", "__").replace(".", "_d")


def in_order(names: Iterable[str]) -> list[str]:
    """`node-2` before `node-10`."""
    return sorted(names, key=lambda n: [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in _runs(n)])


def _runs(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)


def card(view: NodeView, lines: tuple[str, ...], seen: float | None) -> Card:
    """A node's card. `lines`: of the CPU chart; `seen`: when it was last heard, wall seconds."""
    has, known = view.resources, view.state == "online"
    total, free = has.mem_total_mb, has.mem_free_mb
    tasks = sorted(view.tasks, key=lambda t: (t.project_code, t.service, t.replica, t.epoch))
    return Card(
        key=key_of("node", view.name),
        name=view.name,
        state=view.state,
        flags=tuple(f for f, on in (("draining", view.draining), ("unschedulable", view.unschedulable)) if on),
        note=view.unschedulable or "",
        cells=tuple(_task_cell(t) for t in tasks[:CELLS_SHOWN]),
        more=max(0, len(tasks) - CELLS_SHOWN),
        cpu=_whole(has.cpu_usage),
        cpu_lines=lines,
        cpu_reserved=_share(has.cpus_reserved, has.cpus),
        memory=_share(total - free, total) if free is not None else None,
        memory_text=f"{_gib(total - free)} / {_gib(total)}" if free is not None and total else "",
        memory_reserved=_share(has.mem_reserved_mb, total),
        disk=_disk_used(view),
        seen=None if known else seen,
        interrupted=sum(t.status == "interrupted" for t in view.tasks),
        engine_ok=view.engine_ok,
        held=view.held,
    )


def row(view: ProjectView) -> Row:
    """A project's row."""
    ports = [(r, p) for r in view.replicas for p in r.ports if r.state == "running"]
    return Row(
        key=key_of("project", view.code),
        code=view.code,
        state=view.state,
        message=view.message,
        revision=view.revision,
        running=sum(s.running for s in view.services),
        wanted=sum(s.wanted for s in view.services),
        cells=tuple(_replica_cell(view.code, r) for r in view.replicas[:CELLS_SHOWN]),
        more_cells=max(0, len(view.replicas) - CELLS_SHOWN),
        addresses=tuple((_link(p), p.address) for _, p in ports[:ADDRESSES_SHOWN]),
        more_addresses=max(0, len(ports) - ADDRESSES_SHOWN),
    )


def work(view: DeploymentView, steps: Sequence[StepLine]) -> Work:
    """A deployment with its steps: the last done, those that run and the next; the others are folded or counted."""
    done = sum(s.state in ("done", "skipped") for s in steps)
    first = next((i for i, s in enumerate(steps) if s.state not in ("done", "skipped")), len(steps))
    start = max(0, min(first - 1, len(steps) - STEPS_SHOWN))
    shown = steps[start : start + STEPS_SHOWN]
    return Work(
        key=f"deployment-{view.id}",
        id=view.id,
        project=view.project,
        kind=view.kind,
        state=view.state,
        revision=view.revision,
        reason=view.reason,
        actor=view.actor,
        steps=tuple(shown),
        behind=tuple(steps[:start]),
        ahead=len(steps) - start - len(shown),
        done=done,
        count=len(steps),
        at=view.ended_at or view.started_at or view.created_at,
    )


def step_line(view: StepView, took_s: float | None, bytes_done: int, bytes_total: int) -> StepLine:
    """A step; its name is a kind and what it acts on, e.g. `replace web/1`."""
    kind, _, what = view.name.partition(" ")
    return StepLine(
        kind=kind,
        what=what,
        state=view.state,
        reason=view.reason,
        took_s=took_s,
        bytes_done=bytes_done,
        bytes_total=bytes_total,
    )


def line(view: EventView) -> Line:
    """An event."""
    return Line(
        key=f"event-{view.seq}", seq=view.seq, at=view.at, tone=_EVENT_TONES.get(view.kind, "id"), text=view.text
    )


def troubles(faults: Iterable[str], cards: Iterable[Card], rows: Iterable[Row]) -> tuple[Trouble, ...]:
    """What is wrong: the Center itself, then nodes, then projects, each with the worst first."""
    center = [
        Trouble(key=f"trouble-center-{i}", kind="center", subject="Center", state="failed", tone="ba", text=text)
        for i, text in enumerate(faults)
    ]
    nodes = [t for c in cards if (t := _node_trouble(c)) is not None]
    projects = [
        Trouble(
            key=f"trouble-{r.key}", kind="project", subject=r.code, state=r.state, tone=TONES[r.state], text=r.message
        )
        for r in rows
        if r.state in ("degraded", "interrupted", "failed")
    ]
    return (*center, *sorted(nodes, key=_badness), *sorted(projects, key=_badness))


def _badness(trouble: Trouble) -> int:
    return ("ba", "wa", "id").index(trouble.tone)


def _node_trouble(node: Card) -> Trouble | None:
    """`draining` alone is somebody's wish, not trouble."""
    made = Trouble(
        key=f"trouble-{node.key}",
        kind="node",
        subject=node.name,
        state=node.state,
        tone=TONES[node.state],
        text=node.note,
        seen=node.seen,
        interrupted=node.interrupted,
        held=node.held,
    )
    if node.state != "online":
        return made
    if node.note:
        return msgspec.structs.replace(made, state="unschedulable", tone="ba" if not node.engine_ok else "wa")
    if not node.engine_ok:
        return msgspec.structs.replace(made, tone="wa", text="Docker does not answer")
    if node.disk is not None and node.disk >= DISK_FULL * 100:
        return msgspec.structs.replace(made, tone="wa", disk=node.disk)
    return None


def totals(cards: Sequence[Card], rows: Sequence[Row]) -> Totals:
    """The numbers at the heads of the sections."""
    return Totals(
        nodes=len(cards),
        online=sum(c.state == "online" for c in cards),
        projects=len(rows),
        well=sum(r.state == "running" for r in rows),
        replicas=sum(r.wanted for r in rows),
        up=sum(r.running for r in rows),
    )


def _task_cell(task: NodeTask) -> Cell:
    return Cell(
        name=f"{task.project_code}/{task.service}/{task.replica}",
        shape=_shape(task.status, task.health),
        state=task.status,
        health=task.health,
        outgoing=task.outgoing,
    )


def _replica_cell(code: str, replica: ReplicaView) -> Cell:
    return Cell(
        name=f"{code}/{replica.service}/{replica.replica}",
        shape=_shape(replica.state, replica.health),
        state=replica.state,
        health=replica.health,
        node=replica.node or "",
        reason=replica.reason,
    )


def _shape(state: str, health: str) -> Shape:
    return _RUNNING[health] if state == "running" else _SHAPES[state]


def _link(port: PortView) -> str:
    if port.protocol != "tcp":
        return ""
    return f"{'https' if port.container in (443, 8443) else 'http'}://{port.address}"


def _disk_used(view: NodeView) -> float | None:
    free, total = view.resources.disk_free_gb, view.resources.disk_total_gb
    return _share(total - free, total) if free is not None else None


def _share(part: float, whole: float) -> float | None:
    """In percent, not below 0; may be more than 100 when more is promised than there is."""
    return _whole(part / whole * 100) if whole > 0 else None


def _whole(percent: float | None) -> float | None:
    """Rounded; what an agent says may be anything."""
    return None if percent is None or not math.isfinite(percent) else float(round(min(max(percent, 0.0), 999.0)))


def _gib(mib: float) -> str:
    return f"{max(mib, 0.0) / 1024:.1f}"
