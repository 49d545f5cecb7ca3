"""The Center's decisions, composed: `handle(cluster, event, now) -> Outcome`. Pure; the one way the cluster changes.

Called by `controller/loop.py`, by the simulation and by unit tests. The caller commits `changes`, applies them, then
carries out `actions`; until then nothing is changed.
"""

from typing import Any

import msgspec

from controlplane.core import (
    access,
    adoption,
    backups,
    desired,
    drain,
    execs,
    failover_policy,
    images,
    intervention,
    liveness,
    nodes,
    planning,
    projects,
    rollout,
    sessions,
    tickets,
    upgrading,
)
from controlplane.core.action import Action
from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    Command,
    ConfirmDown,
    CreateApiToken,
    CreateTicket,
    Deploy,
    DrainNode,
    EndAdoption,
    FailOver,
    NoteBackup,
    NoteExec,
    OpenSession,
    PatchNode,
    PauseDeployment,
    Plan,
    PlanDrain,
    PromoteCanary,
    Readmit,
    Register,
    RemoveNode,
    RemoveProject,
    Restart,
    ResumeDeployment,
    ResumeNode,
    RevokeApiToken,
    RevokeTicket,
    Rollback,
    Scale,
    StartProject,
    StopProject,
    UpgradeNodes,
)
from controlplane.core.draft import Draft
from controlplane.core.fact import (
    Fact,
    ImagesRemoved,
    Listed,
    Reported,
    SessionClosed,
    StopAsked,
    Synced,
    TaskReported,
    Tick,
)
from controlplane.core.project import Project
from controlplane.core.record import Now

TICK_S = 0.25
"""How often silences are judged."""

_COMMANDS: dict[type[Command], Any] = {
    CreateTicket: tickets.create,
    CreateApiToken: access.create,
    RevokeApiToken: access.revoke,
    NoteExec: execs.note,
    NoteBackup: backups.note,
    EndAdoption: adoption.end,
    RevokeTicket: tickets.revoke,
    Register: nodes.register,
    Readmit: nodes.readmit,
    OpenSession: sessions.open_session,
    PatchNode: nodes.patch,
    DrainNode: nodes.start_drain,
    ResumeNode: nodes.resume,
    ConfirmDown: nodes.confirm_down,
    RemoveNode: nodes.remove,
    UpgradeNodes: upgrading.start,
    Deploy: projects.deploy,
    Scale: projects.scale,
    StopProject: projects.stop,
    StartProject: projects.start,
    Restart: projects.restart,
    Rollback: projects.rollback,
    RemoveProject: projects.remove,
    PauseDeployment: intervention.pause,
    ResumeDeployment: intervention.resume,
    CancelDeployment: intervention.cancel,
    PromoteCanary: intervention.promote,
    AbortRelease: intervention.abort,
    FailOver: failover_policy.fail_over,
}
_QUESTIONS: dict[type[Command], Any] = {Plan: planning.plan, PlanDrain: drain.plan}
"""Answered on a draft that is thrown away."""

_FACTS: dict[type[Fact], Any] = {
    SessionClosed: sessions.closed,
    Synced: sessions.synced,
    Reported: sessions.reported,
    Listed: sessions.listed,
    TaskReported: sessions.task_reported,
    StopAsked: sessions.stop_asked,
    ImagesRemoved: images.removed,
    Tick: liveness.tick,
}


class Outcome(msgspec.Struct, kw_only=True):
    """What to commit, what to do then, what to answer, and when to call again at the latest (monotonic seconds)."""

    changes: Changes
    actions: tuple[Action, ...] = ()
    reply: Any = None
    wake_at: float = 0.0


def handle(cluster: Cluster, event: Fact | Command, now: Now) -> Outcome:
    """Decide. Reads `cluster`, changes nothing. Raises Refused for a command that cannot be obeyed."""
    draft = Draft(cluster, now)
    if isinstance(event, Plan | PlanDrain):
        return Outcome(changes=Changes(), reply=_QUESTIONS[type(event)](draft, event), wake_at=now.mono + TICK_S)
    rule: Any
    if isinstance(event, Command):
        adoption.check(draft, event)
        projects.check_revision(draft, event)
        rule, draft.actor = _COMMANDS[type(event)], event.actor
    else:
        rule = _FACTS[type(event)]
    adopting = draft.meta.adopting
    reply = rule(draft, event)
    if not adopting:  # until its end nothing follows from anything, and by its end every node is told everything
        if not isinstance(event, Tick):
            _follow_up(draft)
        desired.send_deltas(draft)
    wake_at = now.mono if draft.unfinished else now.mono + TICK_S
    return Outcome(changes=draft.changes(), actions=tuple(draft.actions), reply=reply, wake_at=wake_at)


def _follow_up(draft: Draft) -> None:
    """What this decision touched may let a deployment go on, or free a place for what waits for one."""
    codes = {key.project for key in draft.touched}
    codes.update(task.project for task in draft.changed_tasks() if task.project)
    for code in sorted(codes):
        project = draft.get(Project, code)
        if project is not None and project.deployment:
            rollout.advance(draft, project.deployment)
    if draft.events and draft.base.unplaced:
        draft.volatile = msgspec.structs.replace(draft.volatile, retry_at=0.0)  # at the next tick, once for all changes
