"""A whole file: what it becomes, what is wrong with it, and the limits."""

import msgspec
import pytest

from composefile.errors import ComposeError
from composefile.read import SERVICES_MAX, read
from protocol.spec import (
    Constraint,
    Dependency,
    HealthCheck,
    Mount,
    Placement,
    PortSpec,
    ProjectSpec,
    Resources,
    ServiceSpec,
    fingerprint,
)
from tests.unit.composefile.sample import FILE, compose, errors, service

WEB = ServiceSpec(
    name="web",
    image="registry.example.com:5000/team/web:1.4@sha256:" + "ab" * 32,
    replicas=3,
    command=("serve", "--title", "two words", "--price", "$5"),
    entrypoint=("/bin/web", "10"),
    environment={"WORKERS": "4", "DEBUG": "false", "TZ": "Europe/Berlin"},
    labels={"com.example.team": "shop"},
    ports=(
        PortSpec(container=80, host_from=8080, host_to=8080),
        PortSpec(container=9090),
        PortSpec(container=81, protocol="udp", host_from=8000, host_to=8010, host_ip="127.0.0.1"),
        PortSpec(container=443, host_from=8443, host_to=8443),
    ),
    expose=("3000/tcp", "4000/udp", "4001/udp"),
    mounts=(
        Mount(kind="volume", source="data", target="/var/lib/data"),
        Mount(kind="bind", source="/srv/shop", target="/srv", read_only=True),
        Mount(kind="volume", target="/cache"),
        Mount(kind="tmpfs", target="/run", size=64 * 1024 * 1024),
    ),
    networks={"front": ("www",), "default": ()},
    health=HealthCheck(test=("CMD", "wget", "-q", "localhost"), interval_s=90.0),
    depends_on={"db": Dependency(condition="service_healthy")},
    restart="always",
    init=True,
    hostname="web",
    user="1000:1000",
    working_dir="/srv",
    read_only=True,
    stop_signal="SIGINT",
    stop_grace_s=60.0,
    resources=Resources(
        cpus_limit=1.5,
        memory_limit=512 * 1024 * 1024,
        pids_limit=100,
        cpus_reserved=0.25,
        memory_reserved=128 * 1024 * 1024,
    ),
    placement=Placement(
        constraints=(
            Constraint(key="hostname", value="old", equal=False),
            Constraint(key="labels.disk", value="ssd"),
            Constraint(key="labels.gpu", value="true"),
            Constraint(key="labels.region", value="北京"),
        ),
        preferred={"rack": "r1"},
        spread=("zone",),
        max_per_node=2,
    ),
    movable=True,
)


def test_the_sample_becomes_this_specification() -> None:
    assert compose(FILE).spec == ProjectSpec(
        code="shop",
        strategy="labels",
        volumes=("data",),
        networks=("default", "front"),
        services={
            "db": ServiceSpec(
                name="db",
                image="postgres:16",
                networks={"default": ()},
                health=HealthCheck(test=("CMD-SHELL", "pg_isready")),
                placement=Placement(constraints=(Constraint(key="labels.region", value="北京"),)),
            ),
            "web": WEB,
        },
    )


def test_a_specification_keeps_its_fingerprint_through_the_store() -> None:
    spec = compose(FILE).spec
    stored = msgspec.json.decode(msgspec.json.encode(spec), type=ProjectSpec)
    assert fingerprint(stored) == fingerprint(spec)


def test_the_order_of_keys_makes_no_difference() -> None:
    one = "services: {a: {image: x, init: true}, b: {image: y}}\nvolumes: {v: , w: }\n"
    other = "volumes: {w: , v: }\nservices: {b: {image: y}, a: {init: true, image: x}}\n"
    assert fingerprint(compose(one).spec) == fingerprint(compose(other).spec)
    assert compose(one).spec == compose(other).spec


def test_every_error_is_told_at_once_in_the_order_of_the_file() -> None:
    found = errors(service("links: [db]\ncomand: x\nenvironment: {A: $B}\ndeploy: {replicas: many}") + "volums: {}\n")
    assert [(p.line, p.column, p.field) for p in found] == [
        (4, 5, "services.web.links"),
        (5, 5, "services.web.comand"),
        (6, 19, "services.web.environment.A"),
        (7, 14, "services.web.deploy.replicas"),
        (8, 1, "volums"),
    ]
    assert all(p.message for p in found)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "~", "---\n"])
def test_an_empty_file_is_an_error(text: str) -> None:
    (problem,) = errors(text)
    assert problem.message == "compose.yaml is empty"


@pytest.mark.parametrize("text", ["services:\n", "services: {}\n", "services: []\n", "services: 3\n", "name: shop\n"])
def test_a_file_without_services_is_an_error(text: str) -> None:
    assert errors(text)


@pytest.mark.parametrize("text", ["[]", "3", "just text"])
def test_a_file_that_is_no_mapping_is_an_error(text: str) -> None:
    (problem,) = errors(text)
    assert "must be a mapping" in problem.message


def test_a_name_must_be_the_projects() -> None:
    assert compose("name: shop\n" + service("")).spec.code == "shop"
    (other,) = errors("name: market\n" + service(""))
    assert (other.line, other.field) == (1, "name") and '"market" is not the project "shop"' in other.message
    (illegal,) = errors("name: Shop!\n" + service(""))
    assert "no project code" in illegal.message


def test_an_illegal_project_code_is_an_error_too() -> None:
    with pytest.raises(ComposeError) as caught:
        read(service(""), project="Bad Name")
    assert "no project code" in caught.value.problems[0].message


def test_obsolete_version_is_a_warning_only() -> None:
    (warning,) = compose("version: '3.8'\n" + service("")).warnings
    assert warning.field == "version" and "obsolete" in warning.message


def test_extension_fields_are_left_alone() -> None:
    text = "x-note: {anything: [1, $HOME, {a: }]}\n" + service("x-team: a\ndeploy: {x-y: 1}")
    assert compose(text).warnings == ()


def test_a_misspelt_x_rope_is_told() -> None:
    (warning,) = compose(service("x-ropes: {movable: true}")).warnings
    assert warning.field == "services.web.x-ropes" and warning.fix == 'Did you mean "x-rope"?'
    (problem,) = errors(service("deploy: {x-rope: {}}"))
    assert "no meaning here" in problem.message


def test_names_of_services_are_checked() -> None:
    (problem,) = errors("services: {'a b': {image: x}}")
    assert "no name of a service" in problem.message


def test_at_most_100_services() -> None:
    def many(count: int) -> str:
        return "services:\n" + "".join(f"  s{i}: {{image: x}}\n" for i in range(count))

    assert len(compose(many(SERVICES_MAX)).spec.services) == SERVICES_MAX
    (problem,) = errors(many(SERVICES_MAX + 1))
    assert "101 services" in problem.message


def test_volumes_are_local_and_the_projects_own() -> None:
    assert compose(service("", "volumes:\n  a:\n  b: {driver: local}\n")).spec.volumes == ("a", "b")
    found = errors(
        service("", "volumes:\n  a: {external: true}\n  b: {driver: nfs}\n  'c d':\n  e: {driver_opts: {}}\n")
    )
    assert [p.field for p in found] == [
        "volumes.a.external",
        "volumes.b.driver",
        "volumes.c d",
        "volumes.e.driver_opts",
    ]


def test_networks_are_plain_bridges() -> None:
    text = service("networks: [front]", "networks:\n  front: {driver: bridge}\n  back:\n")
    assert compose(text).spec.networks == ("back", "front")
    found = errors(service("", "networks:\n  a: {external: true}\n  b: {driver: overlay}\n"))
    assert [p.field for p in found] == ["networks.a.external", "networks.b.driver"]


def test_the_projects_x_rope_is_in_every_service() -> None:
    text = """
x-rope: {strategy: affinity, movable: true, labels: {required: {region: a, disk: ssd}, preferred: {rack: r1}}}
services:
  web: {image: x, x-rope: {movable: false, strategy: labels, labels: {region: b}}}
  db: {image: x}
"""
    spec = compose(text).spec
    assert spec.strategy == "affinity"
    web, db = spec.services["web"], spec.services["db"]
    assert web.placement.constraints == (
        Constraint(key="labels.disk", value="ssd"),
        Constraint(key="labels.region", value="b"),
    )
    assert (web.movable, web.placement.strategy, web.placement.preferred) == (False, "labels", {"rack": "r1"})
    assert (db.movable, db.placement.strategy) == (True, None)
    assert Constraint(key="labels.region", value="a") in db.placement.constraints


def test_a_services_own_wish_replaces_the_projects() -> None:
    text = """
x-rope: {labels: {required: {region: a}, preferred: {rack: r1}}}
services: {web: {image: x, x-rope: {labels: {required: {rack: r2}, preferred: {region: b}}}}}
"""
    placement = compose(text).spec.services["web"].placement
    assert placement.constraints == (Constraint(key="labels.rack", value="r2"),)
    assert placement.preferred == {"region": "b"}


def test_undeclared_volumes_and_networks_are_errors() -> None:
    found = errors(service("volumes: ['data:/data']\nnetworks: [front]"))
    assert [(p.field, p.fix) for p in found] == [
        ("services.web.volumes[0]", "Add it: top-level volumes: {data: }."),
        ("services.web.networks[0]", "Add it: top-level networks: {front: }."),
    ]


def test_an_anchor_carries_services_and_its_errors_once() -> None:
    text = """
x-base: &base {image: nginx, links: [a]}
services: {a: {<<: *base}, b: {<<: *base}}
"""
    found = errors(text)
    assert [(p.line, p.field) for p in found] == [(2, "services.a.links"), (2, "services.b.links")]
