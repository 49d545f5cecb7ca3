"""What people and agents may ask of the Center. A command is obeyed and answered, or `Refused` with nothing applied.

Chance and secrets (ids, hashes) are made at the edge and come in as fields. Each command names the type of its answer.
"""

import msgspec

from protocol.messages import Capacity, ContainerReport, Hello, Versions
from protocol.spec import DesiredReplica, ProjectSpec, Strategy


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something asked. `actor`: who, for the journal."""

    actor: str = "admin"
    if_revision: int | None = None
    """Of a command on a project: obeyed only while its revision is this one; 0 = while there is no such project."""


# -- agents ---------------------------------------------------------------------------------------------------------


class CreateTicket(Command, frozen=True, kw_only=True):
    """Remember a join token by its hash. Answer: `JoinTicket`."""

    id: str
    secret_hash: str
    ttl_s: float
    name: str = ""


class RevokeTicket(Command, frozen=True, kw_only=True):
    """Forget a join token that was not used. Answer: None."""

    id: str


class CreateApiToken(Command, frozen=True, kw_only=True):
    """Remember an API token by its hash. `ttl_s` 0 = for ever. Answer: `access.ApiToken`."""

    id: str
    secret_hash: str
    name: str
    ttl_s: float = 0.0


class RevokeApiToken(Command, frozen=True, kw_only=True):
    """Forget an API token. Answer: None."""

    id: str


class Register(Command, frozen=True, kw_only=True):
    """A new agent with a join token; the signature was checked by the edge. Answer: `Node`."""

    actor: str = ""
    ticket: str
    secret_hash: str
    agent_id: str
    """Fresh; used only when the key is not yet known."""
    name: str
    public_key: str
    address: str
    labels: dict[str, str] = {}
    weight: float = 1.0
    capacity: Capacity = Capacity()
    versions: Versions = Versions()
    engine_id: str = ""


class Readmit(Command, frozen=True, kw_only=True):
    """A node that a restored Center does not know showed its registration, checked by the edge. Answer: `Node`."""

    actor: str = ""
    agent_id: str
    name: str
    public_key: str
    address: str


class OpenSession(Command, frozen=True, kw_only=True):
    """An agent proved its key; this is its inventory. Answer: `Opened`, or `Refused("removed")` for a former node."""

    actor: str = ""
    agent_id: str
    hello: Hello
    containers: tuple[ContainerReport, ...] = ()
    engine_ok: bool = True
    held: tuple[DesiredReplica, ...] = ()
    """What it was told to run; only where a Center after a restore asked for it."""
    remote: str = ""
    """Address the connection came from."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The session is open under this epoch."""

    node: str
    session_epoch: int
    incarnation: int


# -- nodes ----------------------------------------------------------------------------------------------------------


class PatchNode(Command, frozen=True, kw_only=True):
    """Change labels (None removes one), weight, address. Answer: `Node`."""

    node: str
    labels: dict[str, str | None] = {}
    weight: float | None = None
    address: str | None = None


class DrainNode(Command, frozen=True, kw_only=True):
    """Start everything elsewhere first, then stop it here; nothing new comes. `deadline_s` 0 = none: what has not moved
    by then stays, and the drain says so. Answer: `Node`.
    """

    node: str
    deadline_s: float = 0.0


class PlanDrain(Command, frozen=True, kw_only=True):
    """What would `DrainNode` do now? Changes nothing. Answer: `protocol.api.DrainPlan`."""

    node: str


class ResumeNode(Command, frozen=True, kw_only=True):
    """End a drain. Answer: `Node`."""

    node: str


class ConfirmDown(Command, frozen=True, kw_only=True):
    """A person says that this held node is really down: move its replicas. Answer: `Node`."""

    node: str


class RemoveNode(Command, frozen=True, kw_only=True):
    """Forget a node, revoke its key. Refused while it is online with replicas, unless `force`. Answer: `Former`."""

    node: str
    force: bool = False


class UpgradeNodes(Command, frozen=True, kw_only=True):
    """Replace the agents of these nodes by another image, `batch` at a time; no names = all that can be. Answer:
    `Upgrade`.
    """

    nodes: tuple[str, ...] = ()
    image: str
    batch: int = 1


class NoteExec(Command, frozen=True, kw_only=True):
    """A person runs a command in a container: write it into the journal before it runs. Answer: the event's number."""

    replica: str
    node: str
    command: str
    """As it is shown: printable, short."""


class EndAdoption(Command, frozen=True, kw_only=True):
    """A person has seen what a restored Center adopts, and means it. Answer: None."""


class NoteBackup(Command, frozen=True, kw_only=True):
    """A backup was made, or (`failed`: why) not. `actor` "" = the Center by itself. Answer: None."""

    name: str = ""
    failed: str = ""


# -- projects -------------------------------------------------------------------------------------------------------


class Deploy(Command, frozen=True, kw_only=True):
    """Make the project be like this. Answer: `Accepted`."""

    spec: ProjectSpec
    source: str = ""
    strategy: Strategy | None = None
    """For this dispatch, over what the file says."""


class Plan(Command, frozen=True, kw_only=True):
    """What would `Deploy` do now? Changes nothing. Answer: `protocol.api.PlanAnswer`."""

    spec: ProjectSpec
    strategy: Strategy | None = None


class Scale(Command, frozen=True, kw_only=True):
    """Other numbers of replicas. Answer: `Accepted`."""

    project: str
    services: dict[str, int]


class StopProject(Command, frozen=True, kw_only=True):
    """Run none of its replicas; what it was is kept. Answer: `Accepted`."""

    project: str


class StartProject(Command, frozen=True, kw_only=True):
    """Run as many of each service as before it was stopped. Answer: `Accepted`."""

    project: str


class Restart(Command, frozen=True, kw_only=True):
    """Restart every replica, one at a time. No services = all. Answer: `Accepted`."""

    project: str
    services: tuple[str, ...] = ()


class Rollback(Command, frozen=True, kw_only=True):
    """Deploy a kept revision again; 0 = the one before the current. Answer: `Accepted`."""

    project: str
    revision: int = 0


class RemoveProject(Command, frozen=True, kw_only=True):
    """Stop and forget a project; named volumes stay. Answer: `Accepted`."""

    project: str


class FailOver(Command, frozen=True, kw_only=True):
    """A person says that interrupted replicas may be started elsewhere now. No services = all. Answer:
    `protocol.api.FailoverAnswer`.
    """

    project: str
    services: tuple[str, ...] = ()


# -- deployments ----------------------------------------------------------------------------------------------------


class PauseDeployment(Command, frozen=True, kw_only=True):
    """Begin nothing more. Answer: `Deployment`."""

    deployment: int


class ResumeDeployment(Command, frozen=True, kw_only=True):
    """Go on; what failed is tried again. Answer: `Deployment`."""

    deployment: int


class CancelDeployment(Command, frozen=True, kw_only=True):
    """End it, with everything as it was before. Answer: `Deployment`."""

    deployment: int


class PromoteCanary(Command, frozen=True, kw_only=True):
    """The canaries take over and the rest follows. Answer: `Deployment`."""

    deployment: int


class AbortRelease(Command, frozen=True, kw_only=True):
    """Take a release that is not done back. Answer: `Deployment`."""

    deployment: int


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment was stored, or (`unchanged`) there is nothing to do."""

    project: str
    revision: int
    deployment: int = 0
    unchanged: bool = False
    warnings: tuple[str, ...] = ()
