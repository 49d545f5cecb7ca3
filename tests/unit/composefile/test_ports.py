"""Published and exposed ports."""

import pytest

from protocol.spec import PortSpec
from tests.unit.composefile.sample import compose, errors, service, web, web_error


def fixed(container: int, host: int) -> PortSpec:
    return PortSpec(container=container, host_from=host, host_to=host)


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        ('"80"', (PortSpec(container=80),)),
        ("80", (PortSpec(container=80),)),
        ('"8080:80"', (fixed(80, 8080),)),
        ('"53:53/udp"', (PortSpec(container=53, protocol="udp", host_from=53, host_to=53),)),
        ('"80/TCP"', (PortSpec(container=80),)),
        ('"8000-8010:80"', (PortSpec(container=80, host_from=8000, host_to=8010),)),
        ('"8000-8001:90-91"', (fixed(90, 8000), fixed(91, 8001))),
        ('"90-91"', (PortSpec(container=90), PortSpec(container=91))),
        ('"127.0.0.1:8080:80"', (PortSpec(container=80, host_from=8080, host_to=8080, host_ip="127.0.0.1"),)),
        ('"127.0.0.1::80"', (PortSpec(container=80, host_ip="127.0.0.1"),)),
        ('"[::1]:8080:80"', (PortSpec(container=80, host_from=8080, host_to=8080, host_ip="::1"),)),
        ('"0:80"', (PortSpec(container=80),)),
        ("{target: 80}", (PortSpec(container=80),)),
        ("{target: 80, published: 8080}", (fixed(80, 8080),)),
        ('{target: "80", published: "8000-8010"}', (PortSpec(container=80, host_from=8000, host_to=8010),)),
        (
            "{target: 53, published: 53, protocol: udp, host_ip: 10.0.0.1, mode: host}",
            (PortSpec(container=53, protocol="udp", host_from=53, host_to=53, host_ip="10.0.0.1"),),
        ),
    ],
)
def test_forms(written: str, ports: tuple[PortSpec, ...]) -> None:
    assert web(f"ports: [{written}]").ports == ports


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("http", "is no port"),
        ("1:2:3:4", "is no port"),
        ("80/sctp", "tcp or udp"),
        ("0", "1 to 65535"),
        ("65536:80", "1 to 65535"),
        ("90-80", "lowest port"),
        ("8000-8002:80-81", "differ in length"),
        ("8000:80-81", "differ in length"),
        ("300.1.1.1:80:80", "no IP address"),
        ("8080:8081:80", "no IP address"),
        ("1-60000", "more than 256"),
        ("80-:80", "no port or range"),
        (":80:80", "is no port"),
        ("${PORT}:80", "variables are not filled in"),
    ],
)
def test_errors_in_the_short_form(written: str, why: str) -> None:
    problem = web_error(f'ports: ["{written}"]')
    assert problem.field == "services.web.ports[0]" and why in problem.message


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("{published: 80}", "ports[0]"),
        ("{target: 0}", "ports[0].target"),
        ("{target: 80-81}", "ports[0].target"),
        ("{target: 80, published: x}", "ports[0].published"),
        ("{target: 80, protocol: sctp}", "ports[0].protocol"),
        ("{target: 80, host_ip: x}", "ports[0].host_ip"),
        ("{target: 80, mode: global}", "ports[0].mode"),
        ("{target: 80, name: web}", "ports[0].name"),
        ("{target: 80, tarot: 80}", "ports[0].tarot"),
        ("[80]", "ports[0]"),
    ],
)
def test_errors_in_the_long_form(written: str, field: str) -> None:
    assert web_error(f"ports: [{written}]").field == f"services.web.{field}"


def test_each_wrong_port_is_told() -> None:
    assert [p.field[-3:] for p in errors(service("ports: [x, 80, y]"))] == ["[0]", "[2]"]


@pytest.mark.parametrize("written", ['"80:1", "80:2"', '"0.0.0.0:80:1", "10.0.0.1:80:2"', '"80-81:1-2", "81:3"'])
def test_a_port_published_twice(written: str) -> None:
    assert "published twice" in web_error(f"ports: [{written}]").message


def test_the_same_port_given_twice_counts_once() -> None:
    found = compose(service('ports: ["3000", "3000-3001", "80:80", {target: 80, published: 80, mode: ingress}]'))
    assert [p.container for p in found.spec.services["web"].ports] == [3000, 3001, 80]
    assert [w.field.removeprefix("services.web.ports") for w in found.warnings] == ["[1]", "[3]", "[3].mode"]


@pytest.mark.parametrize(
    "written", ['"80:1", "80:2/udp"', '"81:1", "80:1"', '"10.0.0.1:80:1", "10.0.0.2:80:1"', '"80", "8080:80"']
)
def test_ports_that_do_not_clash(written: str) -> None:
    assert len(web(f"ports: [{written}]").ports) == 2


def test_a_fixed_port_may_have_replicas_on_many_nodes() -> None:
    assert web('ports: ["80:80"]\ndeploy: {replicas: 5}').replicas == 5


def test_expose() -> None:
    assert web('expose: [3000, "3000/tcp", "53/udp", "90-91"]').expose == ("3000/tcp", "53/udp", "90/tcp", "91/tcp")
    assert web_error("expose: ['80:80']").field == "services.web.expose[0]"
    assert "more than 256" in web_error("expose: [1-1000]").message
