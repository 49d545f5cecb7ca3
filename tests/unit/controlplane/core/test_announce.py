"""Which copies of a replica people are sent to, in every phase of a release."""

from typing import Any

import pytest

from controlplane.core.announce import announced
from controlplane.core.cluster import Cluster, Meta, Volatile
from controlplane.core.detector import first
from controlplane.core.draft import Draft
from controlplane.core.project import Revision
from controlplane.core.record import Now
from controlplane.core.replica import Assignment, Replica
from protocol.names import ReplicaId
from protocol.spec import UpdateConfig
from tests.unit.controlplane.core.world import CHECK, a_project, a_service

KEY = ReplicaId("shop", "web", 1)
WALL = 1_000.0


def cluster() -> Cluster:
    spec = a_project("shop", a_service(health=CHECK))
    revisions = [Revision(project="shop", number=n, spec=spec, fingerprint=str(n)) for n in (1, 2)]
    return Cluster(Meta(cluster="c"), Volatile(watch=first(0.0, {})), revisions)


def a_copy(epoch: int, **fields: Any) -> Assignment:
    made = {"node": f"node-{epoch}", "epoch": epoch, "revision": epoch, "state": "running", "health": "healthy"}
    return Assignment(**{**made, **fields})


def epochs(replica: Replica) -> list[int]:
    return [a.epoch for a in announced(cluster(), replica, WALL)]


def both(**fields: Any) -> Replica:
    return Replica(**{"id": KEY, "revision": 2, "epoch": 2, "wanted": a_copy(2), "outgoing": a_copy(1), **fields})


def test_in_a_rolling_update_and_a_canary_both_serve() -> None:
    assert epochs(both()) == [2, 1]


def test_before_the_switch_only_the_old_one_serves_and_after_it_only_the_new_one() -> None:
    assert epochs(both(serves="outgoing")) == [1]
    assert epochs(both(serves="wanted")) == [2]


@pytest.mark.parametrize(
    "fields",
    [{"ending": True}, {"hold": True}, {"health": "unhealthy"}, {"health": "starting"}, {"state": "interrupted"}],
)
def test_what_is_on_its_way_out_or_not_healthy_is_never_announced(fields: dict[str, Any]) -> None:
    assert epochs(both(outgoing=a_copy(1, **fields))) == [2]
    assert epochs(both(wanted=a_copy(2, **fields))) == [1]


def test_where_the_copy_that_is_meant_is_lost_the_other_one_serves() -> None:
    assert epochs(both(serves="outgoing", outgoing=None)) == [2]
    assert epochs(both(serves="wanted", wanted=None)) == [1]
    assert epochs(both(serves="wanted", wanted=a_copy(2, state="interrupted"))) == [1]


def test_the_copy_that_is_meant_is_waited_for_while_it_lives() -> None:
    assert epochs(both(serves="wanted", wanted=a_copy(2, health="unhealthy"))) == []


def test_without_a_health_check_it_is_announced_once_it_has_been_up_for_five_seconds_or_monitor() -> None:
    for monitor_s, up_s, expected in ((5.0, 4.9, []), (5.0, 5.0, [1]), (60.0, 5.0, [1]), (0.0, 0.0, [1])):
        spec = a_project("shop", a_service(update=UpdateConfig(monitor_s=monitor_s)))
        where = Cluster(
            Meta(cluster="c"),
            Volatile(watch=first(0.0, {})),
            [Revision(project="shop", number=1, spec=spec, fingerprint="1")],
        )
        wanted = a_copy(1, health="none", running_since=WALL - up_s)
        replica = Replica(id=KEY, revision=1, epoch=1, wanted=wanted)
        assert [a.epoch for a in announced(where, replica, WALL)] == expected


def test_it_is_read_from_a_decision_in_the_making_too() -> None:
    assert [a.epoch for a in announced(Draft(cluster(), Now(0.0, WALL)), both(), WALL)] == [2, 1]
