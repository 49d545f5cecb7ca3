"""What a user deploys: a project, its numbered revisions, and the state of the whole in one word and one sentence."""

from typing import Literal

from controlplane.core.record import Record
from protocol.names import ReplicaId
from protocol.spec import ProjectSpec, ServiceSpec

ProjectState = Literal["running", "deploying", "degraded", "interrupted", "failed", "stopped"]

HISTORY_MAX = 16
"""Nodes remembered for the `affinity` strategy."""


class Revision(Record, frozen=True, kw_only=True):
    """An immutable version of a project. Key: (`project`, `number`). `pins` is filled once, by the resolve step."""

    project: str
    number: int
    spec: ProjectSpec
    fingerprint: str
    """`protocol.spec.fingerprint` of the spec as it was asked for: equal means `unchanged`."""
    source: str = ""
    """The Compose text, for display."""
    pins: dict[str, str] = {}
    """Service -> image reference by digest or image id."""
    created_at: float = 0.0
    actor: str = ""


class Project(Record, frozen=True, kw_only=True):
    """Key: `code`. `revision`: the one it shall be, or goes back to; `last_revision`: the highest number ever given."""

    code: str
    revision: int
    last_revision: int
    created_at: float
    good: int = 0
    """The revision that last succeeded, which a failed deployment goes back to; 0 = none yet."""
    deployment: int = 0
    """The deployment that runs now; 0 = none."""
    queue: tuple[int, ...] = ()
    """Deployments that wait for the running one, oldest first."""
    failed_migrations: tuple[int, ...] = ()
    """The last drain of it that failed, of each node: none is tried again at once."""
    history: tuple[str, ...] = ()
    """Nodes that ran this project, most recent first."""
    data_nodes: dict[str, str] = {}
    """`db/1` -> node that has its volume data, also while that replica is scaled away."""
    failed: str = ""
    """Why the last deployment failed; "" when it did not."""


def data_node(project: Project | None, replica: ReplicaId) -> str:
    """The node that has the volume data of a replica, "" when none has."""
    return "" if project is None else project.data_nodes.get(f"{replica.service}/{replica.index}", "")


def service_of(revision: Revision, service: str) -> ServiceSpec | None:
    """The service of that name in a revision, or None."""
    return revision.spec.services.get(service)
