"""Legal names and how they are written."""

import pytest

from protocol.names import PROJECT, SERVICE, ReplicaId, container_name, is_legal


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("shop", True),
        ("a" * 40, True),
        ("a" * 41, False),
        ("Shop", False),
        ("-a", False),
        ("", False),
        ("a\n", False),
        ("a/b", False),
    ],
)
def test_project_codes(name: str, legal: bool) -> None:
    assert is_legal(PROJECT, name) is legal


def test_service_names_are_composes() -> None:
    assert is_legal(SERVICE, "web_1.x-y")
    assert not is_legal(SERVICE, "web/1")


def test_a_replica_id_reads_back_and_sorts_by_number() -> None:
    ids = [ReplicaId("shop", "web", k) for k in (10, 2)]
    assert [str(i) for i in sorted(ids)] == ["shop/web/2", "shop/web/10"]
    assert ReplicaId.parse("shop/web/10") == ids[0]
    with pytest.raises(ValueError):
        ReplicaId.parse("shop/web")


def test_a_container_name_tells_epochs_and_clusters_apart() -> None:
    replica = ReplicaId("shop", "web", 1)
    name = container_name("c1", replica, 3)
    assert name.startswith("rope-shop-web-1-3-") and len(name.rsplit("-", 1)[1]) == 6
    assert len({name, container_name("c2", replica, 3), container_name("c1", replica, 4)}) == 3
