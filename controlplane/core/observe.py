"""What agents report, written into replicas: states, health, ends. Level-triggered; older reports change nothing."""

import msgspec

from controlplane.core import assigning, healing, jobs, tasks
from controlplane.core.draft import Draft, where
from controlplane.core.node import Node
from controlplane.core.project import Project
from controlplane.core.replica import REPORTABLE, Assignment, Replica, moved, ref
from protocol.messages import ContainerRef, ContainerReport

_TASK_STATE = {
    "assigned": "accepted",
    "pulling": "running",
    "starting": "running",
    "running": "done",
    "stopped": "done",
}

TAIL_LINES = 50
TAIL_LINE = 500
WORDS_LAST = 3
"""Last lines of a container kept with an event, characters of each (`ContainerReport.log_tail`), and how many of them
are in the reason of a job that failed."""

_CLOCK_SLACK_S = 2.0
"""A start told this much later than the known one is another start, not a late frame."""


def apply_reports(draft: Draft, node: str, reports: tuple[ContainerReport, ...]) -> None:
    """Changes that an agent saw. Reports of unknown replicas, other nodes or other epochs are ignored."""
    for report in reports:
        replica = draft.replica(report.id)
        if replica is None:
            continue
        for slot in ("wanted", "outgoing"):
            assignment: Assignment | None = getattr(replica, slot)
            if assignment is not None and (assignment.epoch, assignment.node) == (report.epoch, node):
                _apply(draft, replica, slot, assignment, report)


def apply_gone(draft: Draft, node: str, refs: tuple[ContainerRef, ...]) -> None:
    """Containers that are no more. An outgoing assignment ends by it; a wanted one is healed by its agent."""
    assigning.confirm_gone(draft, node, frozenset(refs))
    for gone in refs:
        replica = draft.replica(gone.id)
        if replica is not None:
            _finish_outgoing(draft, node, replica, gone.epoch)


def apply_inventory(draft: Draft, node: str, reports: tuple[ContainerReport, ...], engine_ok: bool) -> None:
    """Everything a node has. What it does not name is not there, unless its engine did not answer."""
    apply_reports(draft, node, reports)
    if not engine_ok:
        return
    alive = frozenset(ref(r.id, r.epoch) for r in reports)
    assigning.confirm_rests(draft, node, alive)
    for replica in draft.replicas_on(node):
        outgoing, wanted = replica.outgoing, replica.wanted
        if wanted is not None and wanted.node == node and ref(replica.id, wanted.epoch) not in alive:
            _put_slot(draft, replica.id, "wanted", _missing(wanted, draft.now.wall))
        if outgoing is not None and outgoing.node == node and ref(replica.id, outgoing.epoch) not in alive:
            current = draft.replica(replica.id)
            if current is not None:
                _finish_outgoing(draft, node, current, outgoing.epoch)


def _apply(draft: Draft, replica: Replica, slot: str, old: Assignment, report: ContainerReport) -> None:
    if report.state_seq < old.state_seq or old.ending or report.state not in REPORTABLE:
        return  # late, or its end is waited for: only `gone` counts; or nonsense
    new = _updated(old, report, draft.now.wall)
    if msgspec.structs.replace(old, state_seq=new.state_seq) == new:
        return  # nothing changed: no disk write
    if report.log_tail:
        lines = tuple(line[:TAIL_LINE] for line in report.log_tail[-TAIL_LINES:])
        report = msgspec.structs.replace(report, log_tail=lines)
    _put_slot(draft, replica.id, slot, new)
    _tell(draft, replica, old, new, report)
    if new.task and (state := _TASK_STATE.get(new.state)):
        tasks.advance(draft, new.task, state)  # type: ignore[arg-type]  # values are task states
    current = draft.replica(replica.id)
    if slot == "wanted" and new.state == "running" and current is not None and current.failed:
        draft.put(msgspec.structs.replace(current, failed=False))  # somebody mended it by hand
    if new.gave_up and new.task:
        tasks.advance(draft, new.task, "failed", new.reason)
    if slot == "wanted":
        healing.react(draft, replica.id, report)


def _missing(wanted: Assignment, wall: float) -> Assignment:
    """Its node is back without a container of it: the agent will make one."""
    if wanted.state == "assigned" or jobs.completed(wanted):
        return wanted  # a completed job needs no container
    return msgspec.structs.replace(
        moved(wanted, "assigned", wall, "no container of it on its node"), health="none", running_since=0.0
    )


def _updated(old: Assignment, report: ContainerReport, wall: float) -> Assignment:
    restarted = report.restarts != old.restarts or report.container_id != old.container_id
    running_since = 0.0
    if report.state == "running":
        started = wall - report.up_s
        fresh = restarted or not old.running_since or (report.up_s > 0 and started > old.running_since + _CLOCK_SLACK_S)
        running_since = started if fresh else old.running_since
    return msgspec.structs.replace(
        moved(old, report.state, wall, _reason(report)),
        health=report.health,
        code=report.code,
        state_seq=report.state_seq,
        container_id=report.container_id[:64],
        restarts=report.restarts,
        exit_code=_exit_code(old, report),
        gave_up=report.gave_up,
        running_since=running_since,
    )


def _reason(report: ContainerReport) -> str:
    """What the agent says; of a job that failed also its last words, which say more than its exit code."""
    if report.state != "failed" or report.gave_up or not report.log_tail:
        return report.reason[:500]
    return f"{report.reason[:200]}: {' | '.join(line.strip() for line in report.log_tail[-WORDS_LAST:])}"[:500]


def _exit_code(old: Assignment, report: ContainerReport) -> int | None:
    """As told; of a job whose container is gone since it ended, as it was told before."""
    if report.exit_code is None and (report.state, old.state) == ("stopped", "stopped"):
        return old.exit_code
    return report.exit_code


def _tell(draft: Draft, replica: Replica, old: Assignment, new: Assignment, report: ContainerReport) -> None:
    place = where(new, draft.get(Node, new.node))
    lines: list[tuple[str, str]] = []
    if new.state != old.state:
        match new.state:
            case "running":
                lines.append(("replica.running", f"{replica.id} running {place}"))
            case "failed":
                lines.append(
                    ("replica.failed", f"{replica.id} failed on {new.node}: {new.reason or 'no reason given'}")
                )
            case "stopped":
                lines.append(("replica.stopped", f"{replica.id} ended on {new.node} with exit code {new.exit_code}"))
            case _:
                pass
    elif new.restarts > old.restarts:
        lines.append(("replica.restarted", f"{replica.id} restarted on {new.node}: {new.reason or 'it had ended'}"))
    if new.health != old.health and new.health in ("healthy", "unhealthy"):
        detail = f": {new.reason}" if new.health == "unhealthy" and new.reason else ""
        lines.append((f"replica.{new.health}", f"{replica.id} {new.health} {place}{detail}"))
    if new.gave_up and not old.gave_up:
        lines.append(("alarm", f"{replica.id} is given up on {new.node}: {new.reason or 'no reason given'}"))
    cause = 0 if lines and _begins_story(draft, replica, old) else replica.cause
    for kind, text in lines:
        seq = draft.event(
            kind,
            text,
            cause=cause,
            project=replica.id.project,
            replica=str(replica.id),
            node=new.node,
            data={"log_tail": list(report.log_tail)} if report.log_tail else {},
        )
        cause = cause or seq
    current = draft.replica(replica.id)
    if current is not None and cause != current.cause:
        draft.put(msgspec.structs.replace(current, cause=cause))


def _begins_story(draft: Draft, replica: Replica, old: Assignment) -> bool:
    """True for trouble that comes out of the blue: it ran well, and no deployment is at work on its project."""
    project = draft.get(Project, replica.id.project)
    return old.state == "running" and old.health != "starting" and project is not None and not project.deployment


def _finish_outgoing(draft: Draft, node: str, replica: Replica, epoch: int) -> None:
    outgoing = replica.outgoing
    if outgoing is None or (outgoing.node, outgoing.epoch) != (node, epoch) or not outgoing.ending:
        return
    assigning.gone(draft, replica.id, outgoing)
    release(draft, replica)


def release(draft: Draft, replica: Replica) -> None:
    """The outgoing assignment is no more: what waited for its end may start; a replica that was ending is forgotten."""
    if replica.ending and replica.wanted is None:
        draft.drop(replica)
        return
    wanted = replica.wanted
    if wanted is not None and wanted.hold and not wanted.awaits:
        wanted = msgspec.structs.replace(wanted, hold=False)
    draft.put(msgspec.structs.replace(replica, outgoing=None, wanted=wanted))


def _put_slot(draft: Draft, key: object, slot: str, assignment: Assignment) -> None:
    current = draft.get(Replica, key)
    assert current is not None
    if slot == "wanted":
        draft.put(msgspec.structs.replace(current, wanted=assignment))
    else:
        draft.put(msgspec.structs.replace(current, outgoing=assignment))
