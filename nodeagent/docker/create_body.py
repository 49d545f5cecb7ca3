"""The body of `POST /containers/create`, built from a specification field by field. Pure.

Deny by default (DESIGN §8): the structs below have only the options a replica may have, so nothing else can be asked
for: no privileges, host namespaces, devices or volume drivers. Checks again what the Center should have
checked. Used by `LocalDocker.create`.
"""

import math
import re
from collections.abc import Mapping

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker import options
from nodeagent.docker.reference import parse_pinned
from nodeagent.docker.text import clean
from nodeagent.hostports import is_address
from protocol import names
from protocol.options import Logging
from protocol.spec import DesiredReplica, HealthCheck, Mount, PortLease, ServiceSpec, container_fingerprint

PIDS_MAX = 512
"""Processes of a container whose specification names no limit (notes/reliability.md §5)."""

LOG_SIZE = "10m"
LOG_FILES = "3"

_HOSTNAME_MAX = 63
_EXPOSE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp))?")
_EXPOSE_MAX = 1024


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Docker writes its keys in PascalCase."""


class HostPort(_Body, frozen=True, kw_only=True):
    """Where a container port is published. `host_ip` "" = every address."""

    host_ip: str
    host_port: str


class VolumeOptions(_Body, frozen=True, kw_only=True):
    """Labels of a volume that Docker makes with the container."""

    labels: dict[str, str]


class BindOptions(_Body, frozen=True, kw_only=True):
    """Mounts made inside stay inside."""

    propagation: str = "rprivate"


class MountBody(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """A volume (driver local, as there is no field for another) or a bind mount."""

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    volume_options: VolumeOptions | None = None
    bind_options: BindOptions | None = None


class RestartPolicy(_Body, frozen=True, kw_only=True):
    """Restarts are the agent's business (DESIGN §4)."""

    name: str = "no"


class LogConfig(_Body, frozen=True, kw_only=True):
    """Logs that cannot fill the disk."""

    type: str = "json-file"
    config: dict[str, str] = msgspec.field(default_factory=lambda: {"max-size": LOG_SIZE, "max-file": LOG_FILES})


class HealthBody(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """Docker's health check; durations in nanoseconds."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0


class UlimitBody(_Body, frozen=True, kw_only=True):
    """One resource limit."""

    name: str
    soft: int
    hard: int


class HostConfig(_Body, frozen=True, kw_only=True):
    """What the host grants a container."""

    network_mode: str
    port_bindings: dict[str, tuple[HostPort, ...]]
    mounts: tuple[MountBody, ...]
    tmpfs: dict[str, str]
    init: bool
    readonly_rootfs: bool
    nano_cpus: int
    memory: int
    memory_reservation: int
    pids_limit: int
    restart_policy: RestartPolicy = RestartPolicy()
    log_config: LogConfig = LogConfig()
    cap_drop: tuple[str, ...] = ("NET_RAW",)
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ("no-new-privileges:true",)
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    shm_size: int = 0
    sysctls: dict[str, str] = {}
    ulimits: tuple[UlimitBody, ...] = ()


class Endpoint(_Body, frozen=True, kw_only=True):
    """A container on a network: the names the others find it by."""

    aliases: tuple[str, ...]


class NetworkingConfig(_Body, frozen=True, kw_only=True):
    """The first network; the API takes one, further ones are connected after the creation."""

    endpoints_config: dict[str, Endpoint]


class CreateBody(_Body, frozen=True, kw_only=True):
    """The whole body. None and "" leave the choice to the image."""

    image: str
    hostname: str
    env: tuple[str, ...]
    labels: dict[str, str]
    exposed_ports: dict[str, dict[str, str]]
    host_config: HostConfig
    networking_config: NetworkingConfig
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    healthcheck: HealthBody | None
    user: str
    working_dir: str
    stop_signal: str | msgspec.UnsetType
    stop_timeout: int


def owner_labels(cluster: str, node: str, project: str) -> dict[str, str]:
    """Labels that make something of Docker's ours: containers, networks and volumes carry them."""
    return {names.LABEL_CLUSTER: cluster, names.LABEL_NODE: node, names.LABEL_PROJECT: project}


def container_labels(cluster: str, node: str, want: DesiredReplica) -> dict[str, str]:
    """All labels of a container: the user's and ours. Raises DockerFault when the user's are under our prefix."""
    for key in want.spec.labels:
        if key.startswith(names.LABEL_PREFIX):
            raise _refused(f"label {clean(key, 80)!r} is reserved")
    return {
        **want.spec.labels,
        **owner_labels(cluster, node, want.project),
        names.LABEL_SERVICE: want.service,
        names.LABEL_REPLICA: str(want.replica),
        names.LABEL_EPOCH: str(want.epoch),
        names.LABEL_SPEC: container_fingerprint(want),
    }


def endpoints(want: DesiredReplica, networks: Mapping[str, str]) -> dict[str, Endpoint]:
    """Docker network name -> how the container is known there, in the order of `networks` (the project's network name
    -> Docker network name). Raises DockerFault `refused` when the specification names a network that is not given.
    """
    for network in want.spec.networks:
        if network not in networks:
            raise _refused(f"network {clean(network, 80)!r} is not there")
    return {
        docker_name: Endpoint(aliases=tuple(dict.fromkeys((want.service, *want.spec.networks.get(network, ())))))
        for network, docker_name in networks.items()
    }


def create_body(
    want: DesiredReplica,
    *,
    cluster: str,
    node: str,
    networks: Mapping[str, str],
    bind_paths: Mapping[str, str],
) -> CreateBody:
    """The body for one replica. `networks` as for `endpoints`. `bind_paths`: source of each bind mount -> its real
    path, only those that are allowed. Raises DockerFault `refused` for whatever a replica may not have.
    """
    spec = want.spec
    _check_names(want)
    known = list(endpoints(want, networks).items())[:1]
    if want.ports and not known:
        raise _refused("ports cannot be published without a network")
    return CreateBody(
        image=parse_pinned(want.image).pinned,
        hostname=spec.hostname or default_hostname(want.service, want.replica),
        env=tuple(_environment(spec)),
        labels=container_labels(cluster, node, want),
        exposed_ports={key: {} for key in _exposed(spec, want.ports)},
        host_config=HostConfig(
            network_mode=known[0][0] if known else "none",
            port_bindings=_bindings(want.ports),
            mounts=tuple(_mount(want, m, cluster, node, bind_paths) for m in spec.mounts if m.kind != "tmpfs"),
            tmpfs={m.target: _tmpfs_options(m) for m in spec.mounts if m.kind == "tmpfs"},
            init=spec.init,
            readonly_rootfs=spec.read_only,
            nano_cpus=round(spec.resources.cpus_limit * 1e9),
            memory=spec.resources.memory_limit,
            memory_reservation=spec.resources.memory_reserved,
            pids_limit=spec.resources.pids_limit if spec.resources.pids_limit > 0 else PIDS_MAX,
            log_config=_log_config(spec.options.logging),
            cap_drop=("NET_RAW", *options.capabilities(spec.options.cap_drop)),
            cap_add=options.kept_capabilities(spec.options.cap_add),
            dns=options.addresses(spec.options.dns),
            dns_options=options.words(spec.options.dns_options),
            dns_search=options.words(spec.options.dns_search),
            extra_hosts=options.hosts(spec.options.extra_hosts),
            group_add=options.words(spec.options.group_add),
            shm_size=max(0, spec.options.shm_size),
            sysctls=options.sysctls(spec.options.sysctls),
            ulimits=tuple(
                UlimitBody(name=name, soft=limit.soft, hard=limit.hard)
                for name, limit in options.ulimits(spec.options.ulimits).items()
            ),
        ),
        networking_config=NetworkingConfig(endpoints_config=dict(known)),
        cmd=spec.command,
        # Compose: an empty entrypoint drops the image's; Docker's way to say so is one empty word.
        entrypoint=("",) if spec.entrypoint == () else spec.entrypoint,
        healthcheck=None if spec.health is None else _health(spec.health),
        user=spec.user,
        working_dir=spec.working_dir,
        stop_signal=spec.stop_signal or msgspec.UNSET,
        stop_timeout=max(0, math.ceil(spec.stop_grace_s)),
    )


def _log_config(logging: Logging | None) -> LogConfig:
    if logging is None:
        return LogConfig()
    if logging.driver == "none":
        return LogConfig(type="none", config={})
    size, files = options.log_limits(logging, LOG_SIZE, LOG_FILES)
    return LogConfig(type=logging.driver, config={"max-size": size, "max-file": files})


def default_hostname(service: str, replica: int) -> str:
    """`<service>-<replica>` made into a host name of at most 63 characters."""
    tail = f"-{replica}"
    head = re.sub(r"[^a-zA-Z0-9-]+", "-", service).strip("-") or "replica"
    return head[: _HOSTNAME_MAX - len(tail)].rstrip("-") + tail


def _check_names(want: DesiredReplica) -> None:
    if not names.is_legal(names.PROJECT, want.project) or not names.is_legal(names.SERVICE, want.service):
        raise _refused(f"{clean(str(want.id), 120)!r} is not a legal replica")
    if want.replica < 1 or want.epoch < 1:
        raise _refused(f"replica {want.replica} and epoch {want.epoch} count from 1")


def _environment(spec: ServiceSpec) -> list[str]:
    for key in spec.environment:
        if not key or "=" in key or "\0" in key:
            raise _refused(f"environment variable {clean(key, 80)!r} is not a legal name")
    return [f"{key}={value}" for key, value in spec.environment.items()]


def _port_key(container: int, protocol: str) -> str:
    if not 1 <= container <= 65535:
        raise _refused(f"container port {container} is outside 1-65535")
    return f"{container}/{protocol}"


def _exposed(spec: ServiceSpec, leases: tuple[PortLease, ...]) -> list[str]:
    keys = [_port_key(lease.container, lease.protocol) for lease in leases]
    for text in spec.expose:
        found = _EXPOSE.fullmatch(text)
        if found is None:
            raise _refused(f"expose {clean(text, 40)!r} is not a port")
        first = int(found[1])
        last = int(found[2] or first)
        if not first <= last < first + _EXPOSE_MAX:
            raise _refused(f"expose {clean(text, 40)!r} is not a range of at most {_EXPOSE_MAX} ports")
        keys.extend(_port_key(port, found[3] or "tcp") for port in range(first, last + 1))
    return list(dict.fromkeys(keys))


def _bindings(leases: tuple[PortLease, ...]) -> dict[str, tuple[HostPort, ...]]:
    bindings: dict[str, tuple[HostPort, ...]] = {}
    for lease in leases:
        if not 1 <= lease.host <= 65535:
            raise _refused(f"host port {lease.host} is outside 1-65535")
        if lease.host_ip and not is_address(lease.host_ip):
            raise _refused(f"host address {clean(lease.host_ip, 80)!r} is not an IP address")
        key = _port_key(lease.container, lease.protocol)
        bindings[key] = (*bindings.get(key, ()), HostPort(host_ip=lease.host_ip, host_port=str(lease.host)))
    return bindings


def _mount(want: DesiredReplica, mount: Mount, cluster: str, node: str, bind_paths: Mapping[str, str]) -> MountBody:
    if mount.kind == "bind":
        path = bind_paths.get(mount.source)
        if path is None:
            raise _refused(f"bind mount {clean(mount.source, 200)!r} is not below a --bind-root of this node")
        return MountBody(
            type="bind", source=path, target=mount.target, read_only=mount.read_only, bind_options=BindOptions()
        )
    if mount.source and not names.is_legal(names.VOLUME, mount.source):
        raise _refused(f"volume {clean(mount.source, 80)!r} is not a legal name")
    return MountBody(
        type="volume",
        source=names.volume_name(want.project, mount.source) if mount.source else "",
        target=mount.target,
        read_only=mount.read_only,
        volume_options=VolumeOptions(labels=owner_labels(cluster, node, want.project)),
    )


def _tmpfs_options(mount: Mount) -> str:
    parts = ["ro"] if mount.read_only else []
    if mount.size > 0:
        parts.append(f"size={mount.size}")
    if mount.mode > 0:
        parts.append(f"mode={mount.mode & 0o7777:o}")
    return ",".join(parts)


def _health(check: HealthCheck) -> HealthBody:
    if check.test == ("NONE",):
        return HealthBody(test=check.test)
    return HealthBody(
        test=check.test,
        interval=_nanoseconds(check.interval_s),
        timeout=_nanoseconds(check.timeout_s),
        start_period=_nanoseconds(check.start_period_s),
        retries=check.retries,
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


def _refused(text: str) -> DockerFault:
    return DockerFault("refused", text)
