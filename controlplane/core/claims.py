"""What agents tell a restored Center: the desired state they obeyed last, and the containers they have. Pure data.

Kept in memory while the Center adopts; an agent that comes again tells it again. Read by `findings`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from protocol.messages import ContainerRef, ContainerReport
from protocol.names import PROJECT, SERVICE, is_legal
from protocol.spec import DesiredReplica

NUMBER_MAX = 1 << 40
"""Of epochs and revisions."""

REPLICAS_MAX = 1000
"""Of a service, as where a person asks for them; numbers of replicas may lie above it, but not by much."""


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
    """The claim of an inventory. What no Center can have told is left out: agents are not trusted."""
    held = tuple(want for want in held if is_possible(want))
    return Claim(held=held, containers={ref_of(report): report for report in containers}, engine_ok=engine_ok)


def is_possible(want: DesiredReplica) -> bool:
    """True when a Center may have told an agent to run this."""
    spec = want.spec
    return (
        is_legal(PROJECT, want.project)
        and is_legal(SERVICE, want.service)
        and spec.name == want.service
        and 0 <= spec.replicas <= REPLICAS_MAX
        and 1 <= want.replica <= 2 * REPLICAS_MAX
        and 1 <= want.epoch <= NUMBER_MAX
        and 1 <= want.revision <= NUMBER_MAX
        and bool(want.image)
        and all(1 <= lease.host <= 65535 and 1 <= lease.container <= 65535 for lease in want.ports)
        and min(spec.resources.cpus_reserved, spec.resources.memory_reserved, spec.stop_grace_s, spec.drain_wait_s) >= 0
    )


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
