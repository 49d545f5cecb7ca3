"""After a restore: what the backup knows beside what agents hold, replica by replica, and what shall follow from it.

Pure; decides, changes nothing. `adoption` shows it, and carries it out when a person says so or the time is over.

| action | when                                                                                                 |
|--------|------------------------------------------------------------------------------------------------------|
| keep   | the backup knows the copy, and its node has it                                                       |
| adopt  | a node holds a copy with an epoch above all that the backup knows: the newest one is the wanted one  |
| wait   | the node of the copy is not back                                                                     |
| start  | the node is back without it, and the newest revision wants it                                        |
| forget | the node is back without it, and the newest revision wants it no more                                |
| stop   | a container runs that is none of these: an older copy, or one whose revision differs from a known one |
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from controlplane.core import jobs
from controlplane.core.claims import Claim, Copy, copies, ref_of
from controlplane.core.draft import Draft
from controlplane.core.project import Project
from controlplane.core.replica import Replica, ref
from protocol.names import ReplicaId
from protocol.spec import DesiredReplica, ServiceSpec, container_spec

EPOCHS_SKIPPED = 1000
"""Epochs that may have been given out since the backup was taken: `adoption` goes on above them."""

Action = Literal["keep", "adopt", "wait", "start", "forget", "stop"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, or with `stop` one container. `copies`: to adopt, the wanted one first, at most one besides.

    `revision`: of `start`, the one it shall have; 0 = as the backup knows it.
    """

    id: ReplicaId
    action: Action
    backup: str = ""
    """What the backup knows, in words: `epoch 3 on node-1`; "" = nothing."""
    found: str = ""
    """What agents hold, in words."""
    node: str = ""
    copies: tuple[Copy, ...] = ()
    revision: int = 0


def findings(draft: Draft, claims: Mapping[str, Claim]) -> tuple[Finding, ...]:
    """Everything, by replica; what is to be stopped comes last."""
    by_id: dict[ReplicaId, list[Copy]] = {}
    for copy in copies(claims):
        by_id.setdefault(copy.want.id, []).append(copy)
    known = {r.id: r for r in draft.all(Replica)}
    found = [
        _look(draft, known.get(key), key, by_id.get(key, []), claims) for key in sorted(known.keys() | by_id.keys())
    ]
    newest = _newest(draft, found)
    found = [*_counted(found, newest), *_short(draft, found, newest)]
    return (*sorted(found, key=lambda one: one.id), *_stopped(found, known, claims))


def fits(draft: Draft, want: DesiredReplica) -> bool:
    """False when the backup knows that revision of the service otherwise: the same number was given twice."""
    known = draft.revision(want.project, want.revision)
    if known is None:
        return True
    spec = known.spec.services.get(want.service)
    if spec is None or known.pins.get(want.service, want.image) != want.image:
        return False
    return container_spec(spec) == container_spec(want.spec)


def _look(
    draft: Draft, replica: Replica | None, key: ReplicaId, held: list[Copy], claims: Mapping[str, Claim]
) -> Finding:
    # Of a replica that was forgotten before the backup only a node that lost its own memory, too, tells still.
    above = replica.epoch if replica is not None else draft.meta.epoch_floor - EPOCHS_SKIPPED
    newer = [c for c in held if c.want.epoch > above and fits(draft, c.want)]
    backup = _known(replica)
    if newer:
        others = (c for c in held if c is not newer[0] and c.runs and fits(draft, c.want))
        chosen = (newer[0], *others)[:2]
        node = newer[0].node
        return Finding(id=key, action="adopt", backup=backup, found=_held(chosen), node=node, copies=chosen)
    wanted = replica.wanted if replica is not None else None
    if replica is None or wanted is None or replica.ending or wanted.hold or jobs.has_completed(replica):
        return Finding(id=key, action="keep", backup=backup, found=_held(held))
    claim = claims.get(wanted.node)
    if claim is None or not claim.engine_ok:
        return Finding(id=key, action="wait", backup=backup, node=wanted.node)
    action: Action = "keep" if claim.has(ref(key, wanted.epoch)) else "start"
    return Finding(id=key, action=action, backup=backup, found=_held(held), node=wanted.node)


def _newest(draft: Draft, found: Iterable[Finding]) -> dict[str, dict[str, tuple[int, ServiceSpec]]]:
    """Projects that had a newer revision than the backup knows -> its services, as far as copies show them."""
    newest: dict[str, int] = {}
    for copy in (copy for one in found for copy in one.copies):
        newest[copy.want.project] = max(newest.get(copy.want.project, 0), copy.want.revision)
    services: dict[str, dict[str, tuple[int, ServiceSpec]]] = {}
    for copy in (copy for one in found for copy in one.copies):
        code, number = copy.want.project, newest[copy.want.project]
        project = draft.get(Project, code)
        if copy.want.revision == number and (project is None or number > project.revision):
            services.setdefault(code, {})[copy.want.service] = number, copy.want.spec
    return services


def _counted(
    found: Iterable[Finding], newest: Mapping[str, Mapping[str, tuple[int, ServiceSpec]]]
) -> Iterable[Finding]:
    """What the backup would start, once more by the newest revision: as many as that wants, the others forgotten."""
    found = list(found)
    have: dict[tuple[str, str], int] = {}
    for one in found:
        if one.action in ("keep", "adopt", "wait"):
            have[one.id.project, one.id.service] = have.get((one.id.project, one.id.service), 0) + 1
    for one in found:
        if one.action != "start" or one.id.project not in newest:
            yield one
            continue
        service = (one.id.project, one.id.service)
        number, spec = newest[one.id.project].get(one.id.service, (0, None))
        if spec is not None and have.get(service, 0) < spec.replicas:
            have[service] = have.get(service, 0) + 1
            yield msgspec.structs.replace(one, revision=number, node="")
        else:
            yield msgspec.structs.replace(one, action="forget")


def _short(
    draft: Draft, found: Iterable[Finding], newest: Mapping[str, Mapping[str, tuple[int, ServiceSpec]]]
) -> Iterable[Finding]:
    """Replicas that the newest revision wants and nobody knows: their node is not back, or unknown to the backup."""
    taken = {one.id for one in found}
    for code, services in newest.items():
        for name, (number, spec) in services.items():
            have = sum((key.project, key.service) == (code, name) for key in taken)
            free = (ReplicaId(code, name, i) for i in range(1, spec.replicas + 1))
            for key in [key for key in free if key not in taken][: max(0, spec.replicas - have)]:
                yield Finding(id=key, action="start", revision=number)


def _stopped(
    found: Iterable[Finding], known: Mapping[ReplicaId, Replica], claims: Mapping[str, Claim]
) -> Iterable[Finding]:
    wanted = {(copy.node, ref_of(copy.want)) for one in found for copy in one.copies}
    for one in found:
        replica = known.get(one.id)
        if one.action not in ("adopt", "forget") and replica is not None and not one.revision:
            wanted.update((a.node, ref(one.id, a.epoch)) for a in replica.assignments)
    for node, claim in sorted(claims.items()):
        for name, report in sorted(claim.containers.items(), key=lambda item: (item[1].id, item[0].epoch)):
            if (node, name) not in wanted and report.state in ("starting", "running"):
                words = f"epoch {name.epoch} on {node}"
                yield Finding(id=report.id, action="stop", found=words, node=node)


def _known(replica: Replica | None) -> str:
    if replica is None:
        return ""
    words = [f"epoch {a.epoch} on {a.node}" for a in replica.assignments]
    return ", ".join(words) or "no place"


def _held(held: Iterable[Copy]) -> str:
    return ", ".join(f"epoch {copy.want.epoch} on {copy.node}, revision {copy.want.revision}" for copy in held)
