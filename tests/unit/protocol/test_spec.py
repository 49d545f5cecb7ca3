"""Fingerprints, and what a service says of itself."""

import msgspec

from protocol.spec import (
    DesiredReplica,
    Mount,
    Placement,
    PortLease,
    PortSpec,
    ProjectSpec,
    ServiceSpec,
    container_fingerprint,
    fingerprint,
)


def a_spec() -> ProjectSpec:
    """Values computed at run time, so that empty ones are other objects than the defaults."""
    service = ServiceSpec(
        name="web", image="web:1", environment=dict(zip("ba", "12", strict=True)), ports=tuple([PortSpec(container=80)])
    )
    return ProjectSpec(code="shop", services={"web": msgspec.structs.replace(service, mounts=tuple([]), labels=dict())})


def test_a_fingerprint_survives_the_wire() -> None:
    spec = a_spec()
    again = msgspec.json.decode(msgspec.json.encode(spec), type=ProjectSpec)
    assert again == spec
    assert fingerprint(again) == fingerprint(spec)


def test_a_fingerprint_does_not_depend_on_the_order_of_mappings() -> None:
    spec = a_spec()
    web = spec.services["web"]
    turned = msgspec.structs.replace(web, environment=dict(sorted(web.environment.items())))
    assert fingerprint(msgspec.structs.replace(spec, services={"web": turned})) == fingerprint(spec)


def test_a_containers_fingerprint_ignores_how_many_and_where() -> None:
    web = a_spec().services["web"]
    want = DesiredReplica(project="shop", service="web", replica=1, epoch=1, revision=1, image="i", spec=web)
    other = msgspec.structs.replace(web, replicas=5, placement=Placement(max_per_node=1), depends_on={})
    moved = msgspec.structs.replace(want, spec=other, epoch=7, revision=3)
    assert container_fingerprint(moved) == container_fingerprint(want)
    leased = msgspec.structs.replace(want, ports=(PortLease(container=80, host=20000),))
    assert container_fingerprint(leased) != container_fingerprint(want)


def test_local_data_ties_a_service_to_its_node_unless_it_says_otherwise() -> None:
    tied = ServiceSpec(name="db", image="db:1", mounts=(Mount(kind="volume", source="data", target="/data"),))
    assert not tied.may_move
    assert msgspec.structs.replace(tied, movable=True).may_move
    assert not msgspec.structs.replace(ServiceSpec(name="a", image="a"), movable=False).may_move
    assert ServiceSpec(name="a", image="a", mounts=(Mount(kind="tmpfs", target="/tmp"),)).may_move


def test_a_field_that_a_later_version_adds_changes_no_fingerprint() -> None:
    class Later(ServiceSpec, frozen=True, kw_only=True):
        shiny: int = 0
        colours: dict[str, str] = {}
        nested: Placement = Placement()

    now, later = ServiceSpec(name="web", image="web:1", replicas=2), Later(name="web", image="web:1", replicas=2)
    assert fingerprint(later) == fingerprint(now)
    assert fingerprint(msgspec.structs.replace(later, shiny=1)) != fingerprint(now)
    assert fingerprint(msgspec.structs.replace(later, colours={"a": ""})) != fingerprint(now)
    assert fingerprint(msgspec.structs.replace(now, environment={"A": ""})) != fingerprint(now)
