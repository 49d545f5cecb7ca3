"""What a user wants run: a project's specification as read from its Compose file, and its fingerprint.

Frozen data without behaviour beyond fingerprints. `composefile` makes it, the Center stores and places it, the agent
turns one `ServiceSpec` into one container. Durations are seconds, memory is bytes, CPUs are cores.
"""

import hashlib
from functools import cache
from typing import Literal

import msgspec

from protocol.names import ReplicaId
from protocol.options import ContainerOptions

Protocol = Literal["tcp", "udp"]
Strategy = Literal["least_loaded", "labels", "affinity"]
RestartRule = Literal["always", "unless-stopped", "on-failure", "no"]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
UpdateOrder = Literal["start-first", "stop-first"]
FailureAction = Literal["rollback", "pause", "continue"]
Release = Literal["rolling", "blue_green"]
OnReturn = Literal["keep_new", "keep_old", "first_healthy"]
FailoverMode = Literal["auto", "manual", "never"]

RESERVED_CPUS = 0.1
"""Cores counted for a replica that reserves none (DESIGN §5)."""

RESERVED_MEMORY = 64 * 1024 * 1024
"""Bytes counted for a replica that reserves none (DESIGN §5)."""


class PortSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container port to publish. No `host_from` means automatic; `host_from == host_to` means fixed; else a range."""

    container: int
    protocol: Protocol = "tcp"
    host_from: int | None = None
    host_to: int | None = None
    host_ip: str = ""

    @property
    def fixed(self) -> bool:
        """True when exactly one host port will do."""
        return self.host_from is not None and self.host_from == self.host_to


class PortLease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host port given to one assignment for one of its container ports."""

    container: int
    host: int
    protocol: Protocol = "tcp"
    host_ip: str = ""


class Mount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something mounted into a container.

    `volume`: `source` is the project's volume name ("" = anonymous). `bind`: `source` is an absolute path on the node.
    `tmpfs`: no source; `size` in bytes, 0 = Docker's default.
    """

    kind: Literal["volume", "bind", "tmpfs"]
    target: str
    source: str = ""
    read_only: bool = False
    size: int = 0
    mode: int = 0
    """Permissions of a tmpfs; 0 = Docker's default."""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Docker's health check. `test` as Docker takes it: ("CMD", ...), ("CMD-SHELL", line) or ("NONE",)."""

    test: tuple[str, ...]
    interval_s: float = 30.0
    timeout_s: float = 30.0
    start_period_s: float = 0.0
    retries: int = 3


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`x-rope.probe`: a check the agent makes itself, beside or instead of Docker's.

    `http` asks `port` (a container port) for `path` and wants a status of `status_from`..`status_to`; `tcp` connects to
    `port`; `exec` runs `command` in the container and wants exit code 0.
    """

    kind: Literal["http", "tcp", "exec"]
    port: int = 0
    path: str = "/"
    headers: dict[str, str] = {}
    status_from: int = 200
    status_to: int = 399
    command: tuple[str, ...] = ()
    interval_s: float = 10.0
    timeout_s: float = 3.0
    start_period_s: float = 0.0
    retries: int = 3


class Dependency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a service needs of another one. `required` False: go on where the other is missing or fails (Compose).

    `restart` True: restart this service after a deployment replaced or restarted the other.
    """

    condition: Condition = "service_started"
    required: bool = True
    restart: bool = False


class UpdateConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Compose's `deploy.update_config` and `rollback_config`. `parallelism` 0 = all at once.

    `order` None: start-first unless a fixed host port or a named volume forbids it. `max_failure_ratio`: the share of
    replicas that may fail before `failure_action` is taken.
    """

    parallelism: int = 1
    delay_s: float = 0.0
    order: UpdateOrder | None = None
    monitor_s: float = 5.0
    failure_action: FailureAction = "rollback"
    max_failure_ratio: float = 0.0


class Canary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`x-rope.canary`: how many replicas of a new revision run beside the old ones first; one of both is given."""

    replicas: int = 0
    percent: int = 0
    promote: Literal["manual", "auto"] = "manual"
    observe_s: float = 120.0


class FailoverPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`x-rope.failover`. `after_s`: silence of the node, at least the detector's 15 s. `manual`: a person says when."""

    after_s: float = 15.0
    mode: FailoverMode = "auto"


class MetricsSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`x-rope.metrics`: where a copy tells its figures to Prometheus. `port`: a published TCP port of the container."""

    port: int
    path: str = "/metrics"


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on a node. `key`: `name`, `hostname`, `platform.os`, `platform.arch` or `labels.<key>`."""

    key: str
    value: str
    equal: bool = True


class Placement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where replicas may run. `spread`: label keys to spread over; `preferred`: labels that rank a node higher."""

    strategy: Strategy | None = None
    constraints: tuple[Constraint, ...] = ()
    preferred: dict[str, str] = {}
    spread: tuple[str, ...] = ()
    max_per_node: int = 0


class Resources(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Limits go to Docker, reservations to the scheduler. 0 = not given."""

    cpus_limit: float = 0.0
    memory_limit: int = 0
    cpus_reserved: float = 0.0
    memory_reserved: int = 0
    pids_limit: int = 0


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One service of a project: one image and its settings, with N replicas."""

    name: str
    image: str
    replicas: int = 1
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    ports: tuple[PortSpec, ...] = ()
    expose: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: dict[str, tuple[str, ...]] = {}
    """Network name of the project -> further aliases on it."""
    health: HealthCheck | None = None
    depends_on: dict[str, Dependency] = {}
    restart: RestartRule = "unless-stopped"
    restart_max: int = 0
    """`on-failure:N`: give up after N restarts; 0 = no limit of its own."""
    init: bool = False
    hostname: str = ""
    user: str = ""
    working_dir: str = ""
    read_only: bool = False
    stop_signal: str = ""
    stop_grace_s: float = 10.0
    resources: Resources = Resources()
    placement: Placement = Placement()
    movable: bool | None = None
    """`x-rope.movable`: True moves a service with local data too, False never moves it, None = by its mounts."""
    update: UpdateConfig = UpdateConfig()
    rollback: UpdateConfig | None = None
    """How a rollback goes; None = as an update, but without rolling back again."""
    canary: Canary | None = None
    release: Release = "rolling"
    release_keep_s: float = 600.0
    """Blue-green: how long the old set is kept for an instant return (`x-rope.release_keep`)."""
    probe: Probe | None = None
    on_return: OnReturn = "keep_new"
    failover: FailoverPolicy = FailoverPolicy()
    port_strict: bool = False
    """`x-rope.port: strict`: a fixed host port is required on failover too, never remapped."""
    drain_wait_s: float = 2.0
    """Seconds between the withdrawal of the address and the stop signal (`x-rope.drain_wait`)."""
    metrics: MetricsSpec | None = None
    options: ContainerOptions = ContainerOptions()

    @property
    def cpus(self) -> float:
        """Cores the scheduler counts for one replica."""
        return self.resources.cpus_reserved or RESERVED_CPUS

    @property
    def memory(self) -> int:
        """Bytes the scheduler counts for one replica."""
        return self.resources.memory_reserved or RESERVED_MEMORY

    @property
    def local_data(self) -> tuple[str, ...]:
        """Names of what ties a replica to the node that has it: named volumes and bind mounts."""
        return tuple(m.source for m in self.mounts if m.kind in ("volume", "bind") and m.source)

    @property
    def may_move(self) -> bool:
        """True when a replica may be started elsewhere without a person's word (DESIGN §4, Volumes)."""
        return not self.local_data if self.movable is None else self.movable


class ProjectSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one Compose file says. `strategy` is for services that name none; `x-rope.labels` are already in them."""

    code: str
    services: dict[str, ServiceSpec]
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ("default",)
    strategy: Strategy | None = None


class DesiredReplica(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent is told to keep running: one (replica, epoch) with everything needed to make its container."""

    project: str
    service: str
    replica: int
    epoch: int
    revision: int
    image: str
    """Pinned: `name@sha256:…`, or `sha256:…` where the image came from no registry."""
    spec: ServiceSpec
    ports: tuple[PortLease, ...] = ()

    @property
    def id(self) -> ReplicaId:
        """The replica this is a copy of."""
        return ReplicaId(self.project, self.service, self.replica)


_ENCODER = msgspec.json.Encoder(order="sorted")
_PLAIN = frozenset({str, int, float, bool, type(None)})


def fingerprint(value: object) -> str:
    """64 hex characters that are equal for equal specifications, whatever the order of their mappings."""
    return hashlib.sha256(_ENCODER.encode(_spelt_out(value))).hexdigest()


def _spelt_out(value: object) -> object:
    """Every field by name that differs from its default: so a field that a later version adds changes no fingerprint,
    and its agents make no container anew. (msgspec leaves out a default only when it is the very same object.)
    """
    if type(value) in _PLAIN:  # most values are, and `match` would try every case on each
        return value
    match value:
        case msgspec.Struct():
            told = ((name, getattr(value, name), default) for name, default in _defaults(type(value)))
            return {name: _spelt_out(field) for name, field, default in told if field != default}
        case dict():
            return {key: _spelt_out(item) for key, item in value.items()}
        case tuple() | list():
            return [_spelt_out(item) for item in value]
        case _:
            return value


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    """Fields of a struct, each with its default; `NODEFAULT`, which nothing equals, where there is none."""
    return tuple(
        (f.name, f.default if f.default_factory is msgspec.NODEFAULT else f.default_factory())
        for f in msgspec.structs.fields(kind)
    )


def container_spec(spec: ServiceSpec) -> ServiceSpec:
    """What of a service its containers are made from: without what only the Center and the agent act on."""
    return msgspec.structs.replace(
        spec,
        replicas=1,
        placement=Placement(),
        depends_on={},
        movable=None,
        update=UpdateConfig(),
        rollback=None,
        canary=None,
        release="rolling",
        release_keep_s=600.0,
        probe=None,
        on_return="keep_new",
        failover=FailoverPolicy(),
        port_strict=False,
        drain_wait_s=2.0,
        metrics=None,
    )


def container_fingerprint(want: DesiredReplica) -> str:
    """First 16 hex of what makes a container what it is: image, settings, ports; not its epoch or replica count."""
    return fingerprint((want.image, container_spec(want.spec), want.ports))[:16]
