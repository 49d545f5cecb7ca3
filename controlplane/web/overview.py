"""The head of the overview: what is wrong, and the totals. Made of cards and rows; decides no state.

Used by `views.py`, drawn by `_attention`, `_map_head`, `_projects_head`.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from controlplane.web.card import Card, Row
from controlplane.web.work import Work

NODES_SHOWN = 200
PROJECTS_SHOWN = 200
DISK_FULL = 0.85
"""Used share of a disk from which it is called to attention; below 10 % free the core refuses new work by itself."""

TONES: Mapping[str, str] = {
    "online": "ok", "suspect": "wa", "offline": "ba", "unknown": "id", "draining": "wa", "unschedulable": "wa",
    "upgrading": "pr",
    "running": "ok", "deploying": "pr", "degraded": "wa", "interrupted": "ba", "failed": "ba", "stopped": "id",
    "succeeded": "ok", "waiting": "id", "paused": "wa", "rolled_back": "wa", "cancelled": "id", "superseded": "id",
    "pending": "wa", "assigned": "pr", "pulling": "pr", "starting": "pr", "stopping": "id",
}  # fmt: skip
"""Word of a state -> colour of its pill: ok, wa(rning), ba(d), pr(ogress), id(le)."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong. `kind`: center, node, project, deployment. `state`: the word on the pill."""

    key: str
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
    deployment: int = 0
    """The one that went wrong; people may say that they have seen it."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers at the heads of the sections."""

    nodes: int
    online: int
    projects: int
    well: int
    replicas: int
    up: int


def troubles(
    faults: Iterable[str], cards: Iterable[Card], rows: Sequence[Row], setbacks: Iterable[Work] = ()
) -> tuple[Trouble, ...]:
    """What is wrong: the Center itself, then nodes, then projects, each with the worst first; then what was deployed
    last and went wrong (`setbacks`), where the project's state does not say it already.
    """
    center = [
        Trouble(key=f"trouble-center-{i}", kind="center", subject="Center", state="failed", tone="ba", text=text)
        for i, text in enumerate(faults)
    ]
    nodes = [t for c in cards if (t := _node_trouble(c)) is not None]
    projects = [t for r in rows if (t := _project_trouble(r)) is not None]
    told = {t.subject for t in projects}
    releases = [_setback(w) for w in setbacks if w.project not in told]
    return (*center, *sorted(nodes, key=_badness), *sorted(projects, key=_badness), *releases)


def _project_trouble(project: Row) -> Trouble | None:
    """A deployment is no trouble, unless it waits for a place that no node has."""
    waits = project.state == "deploying" and project.unplaced > 0
    if not waits and project.state not in ("degraded", "interrupted", "failed"):
        return None
    state = "pending" if waits else project.state
    return Trouble(
        key=f"trouble-{project.key}",
        kind="project",
        subject=project.code,
        state=state,
        tone=TONES[state],
        text=project.message,
    )


def _setback(release: Work) -> Trouble:
    return Trouble(
        key=f"trouble-{release.key}",
        kind="deployment",
        subject=release.project,
        state=release.state,
        tone=TONES[release.state],
        text=release.reason,
        deployment=release.id,
    )


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
