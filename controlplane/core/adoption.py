"""After a restore from a backup, which raises the incarnation (DESIGN §3), the Center adopts what runs.

For ten minutes, or until a person confirms, it starts, stops and moves nothing: agents are told nothing and go on by
their journals, and tell what they hold (`claims`). `findings` sets it beside what the backup knows. Then, in one
decision, what they hold becomes what is desired. A node that comes back later is looked at by itself. Called by
`center`, `sessions` and `liveness`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from controlplane.core import assigning, claims, failover, observe, recovered, rollout, tasks
from controlplane.core.action import SendFull
from controlplane.core.claims import Copy
from controlplane.core.cluster import Meta
from controlplane.core.command import (
    Command,
    CreateApiToken,
    CreateTicket,
    EndAdoption,
    NoteBackup,
    NoteExec,
    OpenSession,
    Readmit,
    Register,
    RevokeApiToken,
    RevokeTicket,
)
from controlplane.core.deployment import Deployment
from controlplane.core.desired import full, leaving
from controlplane.core.draft import Draft
from controlplane.core.findings import EPOCHS_SKIPPED, Finding, findings
from controlplane.core.node import Node
from controlplane.core.project import HISTORY_MAX, Project
from controlplane.core.record import Refused
from controlplane.core.replica import Assignment, Replica
from protocol.messages import ContainerRef, ContainerReport, Hello

WINDOW_S = 600.0
"""So long after its start a restored Center starts, stops and moves nothing by itself."""

INCARNATION_MAX = 1_000_000
"""A higher one is not believed: each restore raises it by one."""

TASKS_SKIPPED = 1_000_000
DEPLOYMENTS_SKIPPED = 1000
EVENTS_SKIPPED = 10_000
"""Numbers that may have been given out since the backup was taken are not given out again: an agent would take a task
for one it has done, and a copy for one that has ended."""

RESTORED = "the Center was restored from a backup"
ADOPTING = "the Center was restored and adopts what runs: nothing is changed before rope adoption --confirm"
"""What pages say meanwhile."""

TOLD_MAX = 200
"""Lines of the journal on single replicas."""

_OBEYED = (
    CreateTicket,
    RevokeTicket,
    CreateApiToken,
    RevokeApiToken,
    Register,
    Readmit,
    OpenSession,
    NoteExec,
    NoteBackup,
    EndAdoption,
)
"""Commands that start, stop and move nothing."""


def begun(meta: Meta) -> Meta:
    """The cluster's row of a restored backup: a new incarnation, which begins by adopting at its Center's start."""
    return msgspec.structs.replace(
        meta,
        incarnation=meta.incarnation + 1,
        adopting=True,
        adopt_until=0.0,
        task_seq=meta.task_seq + TASKS_SKIPPED,
        deployment_seq=meta.deployment_seq + DEPLOYMENTS_SKIPPED,
        event_seq=meta.event_seq + EVENTS_SKIPPED,
        epoch_floor=meta.epoch_floor + EPOCHS_SKIPPED,
    )


def check(draft: Draft, command: Command) -> None:
    """Raise Refused for what would start, stop or move something before the end."""
    if draft.meta.adopting and not isinstance(command, _OBEYED):
        left_s = seconds_left(draft) if draft.meta.adopt_until else WINDOW_S
        raise Refused(
            "conflict",
            f"the Center was restored from a backup and adopts what runs: nothing is changed for {left_s:.0f} s more,"
            " or until somebody has looked at `rope adoption` and says `rope adoption --confirm`",
        )


def seconds_left(draft: Draft) -> float:
    """Until the end without a person's word; at most `WINDOW_S`, whatever the clock did."""
    return min(max(0.0, draft.meta.adopt_until - draft.now.wall), WINDOW_S)


def tick(draft: Draft) -> None:
    """Begin the time at the first tick of the restored Center, end it when it is over."""
    if not draft.meta.adopt_until:
        draft.meta = msgspec.structs.replace(draft.meta, adopt_until=draft.now.wall + WINDOW_S)
        draft.event(
            "alarm",
            f"the Center was restored from a backup (incarnation {draft.meta.incarnation}) and adopts what runs: "
            f"nothing is started, stopped or moved for {WINDOW_S:.0f} s, or until `rope adoption --confirm`",
        )
    elif draft.meta.adopt_until > draft.now.wall + WINDOW_S:  # the clock was set back
        draft.meta = msgspec.structs.replace(draft.meta, adopt_until=draft.now.wall + WINDOW_S)
    elif draft.now.wall >= draft.meta.adopt_until:
        _end(draft, "the time is over")


def end(draft: Draft, command: EndAdoption) -> None:
    """A person has seen the differences. Raises Refused when there is nothing to confirm."""
    if not draft.meta.adopting:
        raise Refused("conflict", "nothing is being adopted: the Center was not restored from a backup, or it is over")
    _end(draft, f"confirmed by {command.actor}")


# -- what agents say --------------------------------------------------------------------------------------------------


def recalls(meta: Meta, hello: Hello) -> bool:
    """True when the agent shall tell what it was told to run: by a Center of which this one is a restored backup."""
    return meta.adopting or 0 < hello.incarnation < meta.incarnation


def outrank(draft: Draft, hello: Hello) -> None:
    """A Center that adopts speaks with more authority than any agent has obeyed, also after several restores."""
    if draft.meta.incarnation <= hello.incarnation < INCARNATION_MAX:
        draft.meta = msgspec.structs.replace(draft.meta, incarnation=hello.incarnation + 1)


def greet(draft: Draft, command: OpenSession, node: str) -> None:
    """The inventory of a session that was just opened, while the Center adopts."""
    _claim(draft, node, claims.made(command.held, command.containers, engine_ok=command.engine_ok))


def listed(draft: Draft, node: str, containers: tuple[ContainerReport, ...], *, engine_ok: bool) -> None:
    """Everything on a node, again."""
    known = draft.volatile.claims.get(node, claims.Claim())
    _claim(draft, node, claims.made(known.held, containers, engine_ok=engine_ok))


def reported(draft: Draft, node: str, containers: tuple[ContainerReport, ...], gone: tuple[ContainerRef, ...]) -> None:
    """Changes on a node."""
    known = draft.volatile.claims.get(node)
    if known is not None:
        _claim(draft, node, claims.changed(known, containers, gone))


def _claim(draft: Draft, node: str, claim: claims.Claim) -> None:
    told = {**draft.volatile.claims, node: claim}
    draft.volatile = msgspec.structs.replace(draft.volatile, claims=told)


def come_late(draft: Draft, command: OpenSession, node: Node) -> None:
    """The first session of a node since a restore whose adoption is over: what nobody else runs is adopted."""
    if not 0 < command.hello.incarnation < draft.meta.incarnation or node.incarnation >= draft.meta.incarnation:
        return
    claim = claims.made(command.held, command.containers, engine_ok=command.engine_ok)
    _let_go(draft, {node.name: claim})
    for one in findings(draft, {node.name: claim}):
        if one.action == "adopt" and _is_missed(draft, one):
            _adopt(draft, (one,))


def _is_missed(draft: Draft, one: Finding) -> bool:
    replica, want = draft.replica(one.id), one.copies[0].want
    if replica is not None:
        return replica.wanted is None and not replica.ending
    revision = draft.get(Project, one.id.project)
    known = draft.spec(one.id, revision.revision) if revision is not None else None
    have = sum(r.id.service == one.id.service and not r.ending for r in draft.replicas_of(one.id.project))
    return revision is None or have < (known.replicas if known is not None else want.spec.replicas)


# -- the end ----------------------------------------------------------------------------------------------------------


def _end(draft: Draft, why: str) -> None:
    """What agents hold becomes what is desired, in one decision; then they are told."""
    told = draft.volatile.claims
    found = findings(draft, told)
    draft.meta = msgspec.structs.replace(draft.meta, adopting=False, adopt_until=0.0)
    counts = Counter(one.action for one in found)
    draft.event(
        "alarm.over",
        f"adoption ended, {why}: {counts['keep']} kept, {counts['adopt']} adopted, {counts['start']} missing, "
        f"{counts['stop']} surplus",
    )
    for task in draft.open_tasks():
        tasks.advance(draft, task.id, "failed", RESTORED)
    _skip_epochs(draft)
    _let_go(draft, told)
    _adopt(draft, found)
    for name, claim in sorted(told.items()):
        observe.apply_inventory(draft, name, tuple(claim.containers.values()), claim.engine_ok)
    draft.volatile = msgspec.structs.replace(draft.volatile, claims={}, retry_at=0.0)
    _supersede(draft)
    for node in sorted(draft.all(Node), key=lambda node: node.name):
        if node.lost:
            failover.abandon(draft, node)
    for name in sorted(told):
        _tell(draft, draft.node(name))


def _supersede(draft: Draft) -> None:
    """What was under way when the backup was taken has long gone on, or not: nobody knows. It is asked for anew."""
    for deployment in draft.open_deployments():
        project = draft.get(Project, deployment.project)
        if project is not None and project.queue:
            draft.put(msgspec.structs.replace(project, queue=()))
        current = draft.get(Deployment, deployment.id)
        if current is not None:
            rollout.finish(draft, current, "superseded", RESTORED)


def _skip_epochs(draft: Draft) -> None:
    for replica in list(draft.all(Replica)):
        draft.put(msgspec.structs.replace(replica, epoch=replica.epoch + EPOCHS_SKIPPED))


def _let_go(draft: Draft, told: Mapping[str, claims.Claim]) -> None:
    """A copy that waited for another one when the backup was taken, and that its agent was told to run since."""
    for node, claim in told.items():
        for want in claim.held:
            replica = draft.replica(want.id)
            wanted = replica.wanted if replica is not None else None
            if replica is None or wanted is None or not wanted.hold:
                continue
            if (wanted.node, wanted.epoch) == (node, want.epoch):
                free = msgspec.structs.replace(wanted, hold=False, awaits=False)
                draft.put(msgspec.structs.replace(replica, wanted=free))


def _adopt(draft: Draft, found: Iterable[Finding]) -> None:
    found = tuple(found)
    recovered.take_revisions(draft, found)
    for count, one in enumerate(one for one in found if one.action not in ("keep", "wait")):
        if count < TOLD_MAX:
            _say(draft, one)
        match one.action:
            case "adopt":
                _take(draft, one)
            case "start" if one.revision:
                _start_anew(draft, one)
            case "forget":
                replica = draft.replica(one.id)
                assert replica is not None
                _withdraw(draft, replica, ())
                draft.drop(replica)
            case _:
                pass  # desired state says so by itself


def _say(draft: Draft, one: Finding) -> None:
    knows, holds = one.backup or "nothing", one.found or "nothing"
    match one.action:
        case "adopt":
            kind, text = "adopted", f"{one.id} adopted: {one.found}; the backup knows {knows}"
        case "start":
            kind, text = "missing", f"{one.id} is missing and is started: the backup knows {knows}; agents hold {holds}"
        case "forget":
            kind, text = (
                "forgotten",
                f"{one.id} forgotten, the newest revision wants it no more: the backup knows {knows}",
            )
        case _:
            kind, text = "surplus", f"{one.id} is stopped, a newer copy was adopted or none is wanted: {one.found}"
    draft.event(f"replica.{kind}", text, project=one.id.project, replica=str(one.id), node=one.node)


def _take(draft: Draft, one: Finding) -> None:
    wanted, *rest = one.copies
    old = draft.replica(one.id)
    if old is not None:
        _withdraw(draft, old, one.copies)
    number = wanted.want.revision
    epoch = max(wanted.want.epoch, *(c.want.epoch for c in rest)) if rest else wanted.want.epoch
    made = Replica(
        id=one.id,
        revision=number,
        epoch=max(epoch + EPOCHS_SKIPPED, old.epoch if old is not None else 0),
        wanted=_assignment(draft, wanted),
        outgoing=_assignment(draft, rest[0]) if rest else None,
        remap=True,  # its ports may be others than the file says, since a failover that nobody remembers
        since=draft.now.wall,
        moves=old.moves if old is not None else 0,
        moved_at=old.moved_at if old is not None else 0.0,
    )
    draft.put(made)
    _note_place(draft, wanted)


def _assignment(draft: Draft, copy: Copy) -> Assignment:
    want = copy.want
    return Assignment(node=copy.node, epoch=want.epoch, revision=want.revision, ports=want.ports, since=draft.now.wall)


def _withdraw(draft: Draft, replica: Replica, kept: tuple[Copy, ...]) -> None:
    """What the backup knows of it and nobody holds: the ports rest until its container is confirmed gone."""
    for assignment in replica.assignments:
        if not any((copy.node, copy.want.epoch) == (assignment.node, assignment.epoch) for copy in kept):
            assigning.withdraw(draft, replica.id, assignment, "another copy was adopted after a restore")


def _start_anew(draft: Draft, one: Finding) -> None:
    old = draft.replica(one.id)
    if old is None:
        draft.put(Replica(id=one.id, revision=one.revision, epoch=draft.meta.epoch_floor, since=draft.now.wall))
        return
    _withdraw(draft, old, ())
    bare = msgspec.structs.replace(old, revision=one.revision, wanted=None, outgoing=None, since=draft.now.wall)
    draft.put(bare)


def _note_place(draft: Draft, copy: Copy) -> None:
    """As a placement does: who ran the project last, and where volume data is."""
    project = draft.project(copy.want.project)
    history = (copy.node, *(name for name in project.history if name != copy.node))[:HISTORY_MAX]
    nodes = project.data_nodes
    if copy.want.spec.local_data:
        nodes = {**nodes, f"{copy.want.service}/{copy.want.replica}": copy.node}
    draft.put(msgspec.structs.replace(project, history=history, data_nodes=nodes))


def _tell(draft: Draft, node: Node) -> None:
    draft.put(msgspec.structs.replace(node, incarnation=draft.meta.incarnation))
    draft.act(
        SendFull(
            node=node.name,
            session_epoch=node.session_epoch,
            incarnation=draft.meta.incarnation,
            revision=draft.next_id("revision"),
            replicas=full(draft, node.name),
            leaving=leaving(draft, node.name),
        )
    )
