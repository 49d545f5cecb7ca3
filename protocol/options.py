"""What else a container may be given: DNS, limits, capabilities, logging; and the sets of what is allowed.

Data and tables only. `composefile` reads it from Compose files, the agent checks it again before it asks Docker.
"""

from typing import Literal

import msgspec

LogDriver = Literal["json-file", "local", "none"]

CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
"""What a container has unless it is dropped: Docker's default set without NET_RAW. Only these may be kept by name."""

SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.core.somaxconn",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
"""Kernel settings that each container has for itself and that do the node no harm (Kubernetes calls them safe)."""

ULIMITS = frozenset(
    (
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nofile",
        "nproc",
        "rss",
        "sigpending",
        "stack",
    )
)
"""Resource limits that may be set; not those that give priority over others (nice, rtprio, rttime)."""

LOG_SIZE_MAX = 1024**3
LOG_FILES_MAX = 20

ITEMS_MAX = 64
"""Items of each list."""


class Ulimit(msgspec.Struct, frozen=True, kw_only=True):
    """One resource limit; -1 = none."""

    soft: int
    hard: int


class Logging(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a container's output goes on its node. `size` in bytes, for each of `files` files; 0 = the agent's own."""

    driver: LogDriver = "json-file"
    size: int = 0
    files: int = 0


class ContainerOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Options that go to Docker as they are. `extra_hosts`: `name:address`; `shm_size` in bytes, 0 = Docker's own."""

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    shm_size: int = 0
    sysctls: dict[str, str] = {}
    ulimits: dict[str, Ulimit] = {}
    logging: Logging | None = None
