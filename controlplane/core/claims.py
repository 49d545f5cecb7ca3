"""What agents tell a restored Center: the desired state they obeyed last, and the containers they have. Pure data.

Kept in memory while the Center adopts; an agent that comes again tells it again. Read by `findings`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from protocol.messages import ContainerRef, ContainerReport
from protocol.spec import DesiredReplica


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One node's. `engine_ok` False: its engine did not answer, so `containers` says nothing."""

    held: tuple[DesiredReplica, ...] = ()
    containers: Mapping[ContainerRef, ContainerReport] = {}
    engine_ok: bool = True

    def has(self, ref: ContainerRef) -> bool:
        """True when the node holds this copy: it was told to run it, or it has a container of it."""
        return ref in self.containers or any(ref_of(want) == ref for want in self.held)


class Copy(NamedTuple):
    """A copy that a node was told to run by the Center that is gone; `report` None: it has no container of it."""

    node: str
    want: DesiredReplica
    report: ContainerReport | None

    @property
    def runs(self) -> bool:
        """True when its container runs."""
        return self.report is not None and self.report.state == "running"


def ref_of(told: DesiredReplica | ContainerReport) -> ContainerRef:
    """The name of the copy."""
    return ContainerRef(project=told.project, service=told.service, replica=told.replica, epoch=told.epoch)


def made(held: tuple[DesiredReplica, ...], containers: Iterable[ContainerReport], *, engine_ok: bool) -> Claim:
    """The claim of an inventory."""
    return Claim(held=held, containers={ref_of(report): report for report in containers}, engine_ok=engine_ok)


def changed(claim: Claim, reports: Iterable[ContainerReport], gone: Iterable[ContainerRef]) -> Claim:
    """The claim after these changes on its node; older reports change nothing."""
    containers = dict(claim.containers)
    for report in reports:
        known = containers.get(ref_of(report))
        if known is None or known.state_seq <= report.state_seq:
            containers[ref_of(report)] = report
    for ref in gone:
        containers.pop(ref, None)
    return msgspec.structs.replace(claim, containers=containers)


def copies(claims: Mapping[str, Claim]) -> list[Copy]:
    """Every copy that some node holds, newest first."""
    found = [
        Copy(node, want, claim.containers.get(ref_of(want))) for node, claim in claims.items() for want in claim.held
    ]
    return sorted(found, key=lambda copy: (copy.want.id, -copy.want.epoch, copy.node))
