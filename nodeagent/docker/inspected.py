"""Docker's `inspect` of a container, read into `Container`. Pure; text of the container is cut and cleaned here.

Reads no more of the answer than is used. Used by `LocalDocker`.
"""

from datetime import datetime
from typing import get_args

import msgspec

from nodeagent.core.container import Container, ContainerStatus
from nodeagent.docker.text import clean
from nodeagent.hostports import is_address
from protocol import names
from protocol.messages import ContainerRef, Health
from protocol.spec import PortLease

_STATUSES: frozenset[str] = frozenset(get_args(ContainerStatus))
_HEALTHS: frozenset[str] = frozenset(get_args(Health))


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    pass


class _Check(_Answer, frozen=True, kw_only=True):
    exit_code: int = 0
    output: str = ""


class _Health(_Answer, frozen=True, kw_only=True):
    status: str = "none"
    log: list[_Check] | None = None


class _State(_Answer, frozen=True, kw_only=True):
    status: str
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)
    started_at: str = ""
    finished_at: str = ""
    health: _Health | None = None


class _HostPort(_Answer, frozen=True, kw_only=True):
    host_ip: str = ""
    host_port: str = ""


class _Mount(_Answer, frozen=True, kw_only=True):
    type: str = ""
    source: str = ""


class _HostConfig(_Answer, frozen=True, kw_only=True):
    port_bindings: dict[str, list[_HostPort] | None] | None = None
    mounts: list[_Mount] | None = None

    @property
    def binds(self) -> tuple[str, ...]:
        """The paths of the host that are mounted."""
        return tuple(mount.source for mount in self.mounts or () if mount.type == "bind")


class _Config(_Answer, frozen=True, kw_only=True):
    labels: dict[str, str] | None = None


class _Endpoint(_Answer, frozen=True, kw_only=True):
    ip_address: str = msgspec.field(name="IPAddress", default="")


class _Networks(_Answer, frozen=True, kw_only=True):
    networks: dict[str, _Endpoint | None] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The container's own, in the order of the networks' names; what is no IP address is left out."""
        found = sorted((self.networks or {}).items())
        return tuple(e.ip_address for _, e in found if e is not None and is_address(e.ip_address))


class Inspected(_Answer, frozen=True, kw_only=True):
    """What is read of `GET /containers/{id}/json`."""

    id: str
    name: str
    state: _State
    config: _Config
    host_config: _HostConfig = _HostConfig()
    network_settings: _Networks = _Networks()


def read_container(answer: Inspected, cluster: str, node: str) -> Container | None:
    """The container, or None when its labels are not of this cluster and node, or are not whole."""
    labels = answer.config.labels or {}
    if labels.get(names.LABEL_CLUSTER) != cluster or labels.get(names.LABEL_NODE) != node:
        return None
    ref = _ref(labels)
    if ref is None:
        return None
    state = answer.state
    status = _status(state.status)
    health, output = _health(state.health)
    return Container(
        id=answer.id,
        name=clean(answer.name.removeprefix("/"), 255),
        ref=ref,
        spec=clean(labels.get(names.LABEL_SPEC, ""), 64),
        status=status,
        health=health,
        health_output=output,
        exit_code=state.exit_code if status in ("exited", "dead") else None,
        error=clean(state.error),
        oom_killed=state.oom_killed,
        started_at=wall_seconds(state.started_at),
        finished_at=wall_seconds(state.finished_at),
        ports=_ports(answer.host_config.port_bindings or {}),
        networks=tuple(sorted(clean(n, 255) for n in answer.network_settings.networks or {})),
        addresses=answer.network_settings.addresses,
    )


class _Published(_Answer, frozen=True, kw_only=True):
    private_port: int = 0
    public_port: int = 0
    type: str = ""


class Entry(_Answer, frozen=True, kw_only=True):
    """What is read of a line of `GET /containers/json`."""

    id: str
    names: list[str] | None = None
    state: str = ""
    labels: dict[str, str] | None = None
    ports: list[_Published] | None = None


def read_entry(entry: Entry, cluster: str, node: str) -> Container | None:
    """The container as the list alone shows it, for one that cannot be inspected: whether it runs and its ports, but
    neither its health nor how it ended. None as `read_container`.
    """
    bindings: dict[str, list[_HostPort] | None] = {}
    for port in entry.ports or ():
        if port.public_port:
            bindings[f"{port.private_port}/{port.type}"] = [_HostPort(host_port=str(port.public_port))]
    answer = Inspected(
        id=entry.id,
        name=entry.names[0] if entry.names else "",
        state=_State(status=entry.state),
        config=_Config(labels=entry.labels),
        host_config=_HostConfig(port_bindings=bindings),
    )
    return read_container(answer, cluster, node)


def wall_seconds(text: str) -> float:
    """Docker's time (RFC 3339, nanoseconds) as wall seconds; 0 for its "never" (year 1) and for nonsense."""
    try:
        seconds = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, seconds)


def _ref(labels: dict[str, str]) -> ContainerRef | None:
    project, service = labels.get(names.LABEL_PROJECT, ""), labels.get(names.LABEL_SERVICE, "")
    if not names.is_legal(names.PROJECT, project) or not names.is_legal(names.SERVICE, service):
        return None
    replica, epoch = _count(labels.get(names.LABEL_REPLICA, "")), _count(labels.get(names.LABEL_EPOCH, ""))
    if replica < 1 or epoch < 1:
        return None
    return ContainerRef(project=project, service=service, replica=replica, epoch=epoch)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _status(text: str) -> ContainerStatus:
    # A status that a newer Docker invents is neither running nor startable for us.
    return text if text in _STATUSES else "dead"  # type: ignore[return-value]  # one of the words, by the test before


def _health(health: _Health | None) -> tuple[Health, str]:
    if health is None or health.status not in _HEALTHS:
        return "none", ""
    failed = [check for check in health.log or [] if check.exit_code != 0]
    return health.status, clean(failed[-1].output) if failed else ""  # type: ignore[return-value]  # one of the words, by its decoder


def _ports(bindings: dict[str, list[_HostPort] | None]) -> tuple[PortLease, ...]:
    leases = []
    for key, hosts in bindings.items():
        container, _, protocol = key.partition("/")
        for host in hosts or []:
            if protocol in ("tcp", "udp") and _count(container) and _count(host.host_port):
                leases.append(
                    PortLease(
                        container=int(container),
                        host=int(host.host_port),
                        protocol="udp" if protocol == "udp" else "tcp",
                        host_ip=clean(host.host_ip, 64),
                    )
                )
    return tuple(sorted(leases, key=lambda lease: (lease.container, lease.protocol, lease.host, lease.host_ip)))
