"""A node's card and a project's row, as plain structs made of the API's views. Pure; words of states come from views.

Kept up to date by `board.py`, drawn by the partials `_node` and `_project`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from controlplane.web.trend import Lines
from protocol.api import NodeTask, NodeView, PortView, ProjectView, ReplicaView

CARD_CELLS = 60
ROW_CELLS = 30
"""Replicas that are drawn; where there are more, those that are not well come first and the others are counted."""
ADDRESSES_SHOWN = 2
KEYS_KEPT = 16384

_HEARD = frozenset({"online", "suspect"})
"""States in which the latest figures still say something."""

_SILENT = frozenset({"suspect", "unknown"})
"""States of nodes whose replicas are still taken to run."""

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


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One replica on the map or in a row."""

    name: str
    shape: Shape
    state: str
    health: str
    node: str = ""
    reason: str = ""
    outgoing: bool = False


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A node. `key`: its id in the page. Percentages 0-100, None = not known. `seen`: wall seconds of its last frame,
    when it is not online.
    """

    key: str
    name: str
    state: str
    flags: tuple[str, ...]
    note: str
    cells: tuple[Cell, ...]
    more: int
    cpu: float | None
    lines: Lines
    cpu_reserved: float | None
    memory: float | None
    memory_text: str
    memory_reserved: float | None
    disk: float | None
    seen: float | None
    interrupted: int
    """Replicas that ran there when it was last heard, when it is not online."""
    engine_ok: bool
    held: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A project. `key`: its id in the page."""

    key: str
    code: str
    state: str
    message: str
    revision: int
    running: int
    wanted: int
    unplaced: int
    """Replicas that no node takes now."""
    cells: tuple[Cell, ...]
    more_cells: int
    addresses: tuple[tuple[str, str], ...]
    """(link or "", text)."""
    more_addresses: int


def _flags(view: NodeView) -> tuple[str, ...]:
    """What stands beside a node's state."""
    said = {"upgrading": view.upgrading, "draining": view.draining, "unschedulable": bool(view.unschedulable)}
    return tuple(flag for flag, on in said.items() if on)


@lru_cache(KEYS_KEPT)
def key_of(kind: str, name: str) -> str:
    """An id for the page that needs no escape in a selector; different names get different ids."""
    return f"{kind}-" + name.replace("_", "__").replace(".", "_d")


def in_order(names: Iterable[str]) -> list[str]:
    """`node-2` before `node-10`."""
    return sorted(names, key=lambda n: [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in _runs(n)])


def _runs(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)


def card(view: NodeView, lines: Lines, seen: float | None) -> Card:
    """A node's card. `lines`: of its charts; `seen`: when it was last heard, wall seconds."""
    has, heard = view.resources, view.state in _HEARD
    total, free = has.mem_total_mb, has.mem_free_mb if heard else None
    tasks = sorted(view.tasks, key=lambda t: (t.project_code, t.service, t.replica, t.epoch))
    return Card(
        key=key_of("node", view.name),
        name=view.name,
        state=view.state,
        flags=_flags(view),
        note=view.unschedulable or "",
        cells=_drawn([_task_cell(t) for t in tasks], CARD_CELLS),
        more=max(0, len(tasks) - CARD_CELLS),
        cpu=_whole(has.cpu_usage) if heard else None,
        lines=lines,
        cpu_reserved=_share(has.cpus_reserved, has.cpus),
        memory=_share(total - free, total) if free is not None else None,
        memory_text=f"{_gib(total - free)} / {_gib(total)}" if free is not None and total else "",
        memory_reserved=_share(has.mem_reserved_mb, total),
        disk=_disk_used(view) if heard else None,
        seen=None if view.state == "online" else seen,
        interrupted=view.were_running + sum(t.status == "running" for t in view.tasks if view.state in _SILENT),
        engine_ok=view.engine_ok,
        held=view.held,
    )


def row(view: ProjectView) -> Row:
    """A project's row."""
    ports = [(r, p) for r in view.replicas for p in r.ports if r.announced]
    return Row(
        key=key_of("project", view.code),
        code=view.code,
        state=view.state,
        message=view.message,
        revision=view.revision,
        running=sum(s.running for s in view.services),
        wanted=sum(s.wanted for s in view.services),
        unplaced=sum(r.state == "pending" and bool(r.reason) for r in view.replicas),
        cells=_drawn([_replica_cell(r) for r in view.replicas], ROW_CELLS),
        more_cells=max(0, len(view.replicas) - ROW_CELLS),
        addresses=tuple((_link(p), p.address) for _, p in ports[:ADDRESSES_SHOWN]),
        more_addresses=max(0, len(ports) - ADDRESSES_SHOWN),
    )


def _drawn(cells: list[Cell], most: int) -> tuple[Cell, ...]:
    return tuple(cells if len(cells) <= most else sorted(cells, key=lambda c: c.shape == "up")[:most])


def _task_cell(task: NodeTask) -> Cell:
    return Cell(
        name=f"{task.project_code}/{task.service}/{task.replica}",
        shape=_shape(task.status, task.health),
        state=task.status,
        health=task.health,
        outgoing=task.outgoing,
    )


def _replica_cell(replica: ReplicaView) -> Cell:
    return Cell(
        name=f"{replica.service}/{replica.replica}",
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
