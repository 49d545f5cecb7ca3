"""A deployment with its steps and a line of the journal, as the pages show them. Pure.

Kept up to date by `board.py`, drawn by the partials `_deployments` and `_events`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from protocol.api import Candidate, DeploymentView, EventView, StepView

STEPS_SHOWN = 6

_EVENT_TONES: Mapping[str, str] = {
    "alarm": "ba", "node.offline": "ba", "replica.interrupted": "ba", "replica.given_up": "ba",
    "deployment.failed": "ba", "replica.stays": "wa", "node.suspect": "wa", "node.unknown": "wa",
    "node.disconnected": "wa", "node.draining": "wa", "replica.pending": "wa", "replica.moving": "wa",
    "replica.failed": "ba", "replica.unhealthy": "ba", "replica.restarted": "wa", "replica.healthy": "ok",
    "node.unschedulable": "wa", "node.removed": "wa", "node.schedulable": "ok", "deployment.cancelled": "wa",
    "replica.port_remapped": "wa", "replica.port_taken": "wa", "deployment.started": "pr", "replica.placed": "pr",
    "deployment.rolled_back": "wa", "deployment.going_back": "wa", "deployment.paused": "wa", "node.drain_late": "wa",
    "deployment.resumed": "pr", "deployment.promoted": "ok", "replica.returned": "ok", "node.drained": "ok",
    "node.upgrading": "pr", "node.upgraded": "ok", "node.upgrade_failed": "ba", "upgrade.succeeded": "ok",
    "upgrade.failed": "ba", "upgrade.started": "pr",
    "deployment.succeeded": "ok", "node.online": "ok", "alarm.over": "ok", "node.connected": "ok",
}  # fmt: skip
"""Kind of an event -> colour of its mark; all others are idle."""


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """A step. `took_s`: so far, None before it began. `bytes_*`: of a pull, 0 = nothing is known. `health`, `restarts`:
    of the copy that a running step waits for; "" and 0 = nothing to say.
    """

    kind: str
    what: str
    state: str
    reason: str
    took_s: float | None
    bytes_done: int = 0
    bytes_total: int = 0
    health: str = ""
    restarts: int = 0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that is under way, or the last ones that ended."""

    key: str
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
    from_revision: int = 0
    warnings: tuple[str, ...] = ()
    canary: bool = False
    """It has canaries that a person may promote."""
    whole: bool = False
    """Its steps are told also when all went well: this is its own page."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An event."""

    key: str
    seq: int
    at: str
    tone: str
    text: str
    kind: str = ""
    actor: str = ""
    candidates: tuple[Candidate, ...] = ()
    """Of a choice of a node: the best with their scores, then those refused with the reason."""
    cause: int = 0
    project: str = ""
    node: str = ""
    deployment: int = 0


def work(view: DeploymentView, steps: Sequence[StepLine], most: int = STEPS_SHOWN) -> Work:
    """A deployment with up to `most` steps: the last done, those that run and the next; the others are folded or
    counted.
    """
    done = sum(s.state in ("done", "skipped") for s in steps)
    first = next((i for i, s in enumerate(steps) if s.state not in ("done", "skipped")), len(steps))
    start = max(0, min(first - 1, len(steps) - most))
    shown = steps[start : start + most]
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
        from_revision=view.from_revision,
        warnings=view.warnings,
        canary=any(s.kind == "canary" for s in steps),
        whole=most > STEPS_SHOWN,
    )


def step_line(
    view: StepView, took_s: float | None, bytes_done: int, bytes_total: int, health: str = "", restarts: int = 0
) -> StepLine:
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
        health=health,
        restarts=restarts,
    )


def line(view: EventView) -> Line:
    """An event."""
    return Line(
        key=f"event-{view.seq}",
        seq=view.seq,
        at=view.at,
        tone=_EVENT_TONES.get(view.kind, "id"),
        text=view.text,
        kind=view.kind,
        actor=view.actor,
        candidates=msgspec.convert(view.data.get("candidates", ()), tuple[Candidate, ...]),
        cause=view.cause,
        project=view.project,
        node=view.node,
        deployment=view.deployment,
    )
