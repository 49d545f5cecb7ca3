"""Options that go to Docker as they are, and those that need permission."""

import pytest

from composefile.rules import NO_PERMISSION
from protocol.options import ContainerOptions, Logging, Ulimit
from protocol.spec import ServiceSpec
from tests.unit.composefile.sample import web, web_error, web_warning


def options(body: str) -> ContainerOptions:
    return web(body).options


def test_nothing_said() -> None:
    assert options("") == ContainerOptions() == ServiceSpec(name="a", image="b").options


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("cap_drop: [ALL, CAP_net_admin]", ContainerOptions(cap_drop=("ALL", "NET_ADMIN"))),
        ("cap_add: [NET_BIND_SERVICE, CHOWN, chown]", ContainerOptions(cap_add=("NET_BIND_SERVICE", "CHOWN"))),
        ("dns: 10.0.0.2", ContainerOptions(dns=("10.0.0.2",))),
        ("dns: [10.0.0.2, 'fd00::1', 10.0.0.2]", ContainerOptions(dns=("10.0.0.2", "fd00::1"))),
        ("dns_opt: [use-vc, 'ndots:2']", ContainerOptions(dns_options=("use-vc", "ndots:2"))),
        ("dns_search: [example.com, .]", ContainerOptions(dns_search=("example.com", "."))),
        (
            "extra_hosts: ['a:10.0.0.1', 'b=10.0.0.2', 'c=[::1]', 'd:::1']",
            ContainerOptions(extra_hosts=("a:10.0.0.1", "b:10.0.0.2", "c:::1", "d:::1")),
        ),
        (
            "extra_hosts: {a: 10.0.0.1, b: [10.0.0.2, 10.0.0.3]}",
            ContainerOptions(extra_hosts=("a:10.0.0.1", "b:10.0.0.2", "b:10.0.0.3")),
        ),
        ("group_add: [mail, 1000]", ContainerOptions(group_add=("mail", "1000"))),
        ("shm_size: 128mb", ContainerOptions(shm_size=128 << 20)),
        (
            "sysctls: {net.core.somaxconn: 1024, net.ipv4.ip_local_port_range: 1024 65000}",
            ContainerOptions(sysctls={"net.core.somaxconn": "1024", "net.ipv4.ip_local_port_range": "1024 65000"}),
        ),
        ("sysctls: [net.core.somaxconn=1024]", ContainerOptions(sysctls={"net.core.somaxconn": "1024"})),
        (
            "ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}, memlock: -1}",
            ContainerOptions(
                ulimits={
                    "nproc": Ulimit(soft=65535, hard=65535),
                    "nofile": Ulimit(soft=20000, hard=40000),
                    "memlock": Ulimit(soft=-1, hard=-1),
                }
            ),
        ),
        ("logging: {driver: local}", ContainerOptions(logging=Logging(driver="local"))),
        (
            "logging: {options: {max-size: 10m, max-file: '5'}}",
            ContainerOptions(logging=Logging(size=10 << 20, files=5)),
        ),
        ("security_opt: [no-new-privileges, 'no-new-privileges:true', no-new-privileges=true]", ContainerOptions()),
    ],
)
def test_forms(body: str, expected: ContainerOptions) -> None:
    assert options(body) == expected


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("cap_add: [SYS_ADMIN]", "cap_add[0]"),
        ("cap_add: [ALL]", "cap_add[0]"),
        ("cap_add: [NET_RAW]", "cap_add[0]"),
        ("sysctls: {kernel.core_pattern: x}", "sysctls.kernel.core_pattern"),
        ("ulimits: {rtprio: 99}", "ulimits.rtprio"),
        ("security_opt: ['seccomp:unconfined']", "security_opt[0]"),
        ("security_opt: ['no-new-privileges:false']", "security_opt[0]"),
    ],
)
def test_power_over_the_node_needs_permission(body: str, field: str) -> None:
    problem = web_error(body)
    assert problem.field == f"services.web.{field}" and problem.message.startswith(NO_PERMISSION)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("cap_drop: ['a b']", "cap_drop[0]"),
        ("dns: ns.example.com", "dns"),
        ("dns_opt: ['a b']", "dns_opt[0]"),
        ("dns_search: ['a b']", "dns_search[0]"),
        ("extra_hosts: [a]", "extra_hosts[0]"),
        ("extra_hosts: ['a:host-gateway']", "extra_hosts[0]"),
        ("extra_hosts: {a: b}", "extra_hosts.a"),
        ("group_add: ['a b']", "group_add[0]"),
        ("group_add: [" + ", ".join(map(str, range(65))) + "]", "group_add"),
        ("shm_size: big", "shm_size"),
        ("shm_size: 0", "shm_size"),
        ("sysctls: {net.core.somaxconn: many}", "sysctls.net.core.somaxconn"),
        ("ulimits: {files: 1}", "ulimits.files"),
        ("ulimits: {nofile: {soft: 2}}", "ulimits.nofile"),
        ("ulimits: {nofile: {soft: 2, hard: 1}}", "ulimits.nofile"),
        ("ulimits: {nofile: {soft: -1, hard: 1}}", "ulimits.nofile"),
        ("logging: {driver: syslog}", "logging.driver"),
        ("logging: {options: {max-size: 2g}}", "logging.options.max-size"),
        ("logging: {options: {max-file: 0}}", "logging.options.max-file"),
        ("logging: {options: {syslog-address: x}}", "logging.options.syslog-address"),
        ("logging: {driver: none, options: {max-size: 1m}}", "logging"),
    ],
)
def test_errors(body: str, field: str) -> None:
    assert web_error(body).field == f"services.web.{field}"


def test_without_logs_there_is_nothing_to_show() -> None:
    assert "rope logs" in web_warning("logging: {driver: none}").message
