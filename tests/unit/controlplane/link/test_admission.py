"""What a removed node must stop, and inventories in pages. The exchange of proofs is tested over real sockets."""

import pytest

from controlplane.core.replica import Assignment, Replica
from controlplane.link import admission
from controlplane.link.admission import Stock, farewell
from controlplane.link.wire import Closed
from protocol.messages import ContainerReport, Inventory
from protocol.names import ReplicaId
from tests.unit.controlplane.controller.fakes import cluster

WEB = ReplicaId("shop", "web", 1)


def report(epoch: int = 1, replica: ReplicaId = WEB) -> ContainerReport:
    return ContainerReport(
        project=replica.project, service=replica.service, replica=replica.index, epoch=epoch, state="running"
    )


def stops(*records: Replica) -> bool:
    (stop,) = [farewell(cluster(*records), (report(),))]
    return [r.epoch for r in stop] == [1]


def wanted_on(node: str) -> Replica:
    return Replica(id=WEB, revision=1, epoch=2, wanted=Assignment(node=node, epoch=2, revision=1))


def test_what_lives_elsewhere_or_shall_live_no_more_is_stopped() -> None:
    assert stops(wanted_on("node-2"))
    assert stops(), "its project is gone"
    assert stops(Replica(id=WEB, revision=1, ending=True))


def test_what_nobody_took_over_runs_on() -> None:
    assert not stops(Replica(id=WEB, revision=1))


def test_a_copy_is_stale_when_its_successor_lives_on_another_machine_of_the_same_name() -> None:
    assert stops(wanted_on("node-1"))


def test_an_inventory_is_whole_with_its_last_page_and_the_next_begins_anew() -> None:
    stock = Stock()
    assert stock.add(Inventory(containers=(report(1),), last=False)) is None
    whole = stock.add(Inventory(containers=(report(2),), engine_ok=True))
    assert whole is not None and [c.epoch for c in whole.containers] == [1, 2]
    empty = stock.add(Inventory(containers=(), engine_ok=False))
    assert empty == Inventory(containers=(), engine_ok=False)


def test_an_inventory_without_end_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "CONTAINERS_MAX", 3)
    stock = Stock()
    stock.add(Inventory(containers=(report(), report()), last=False))
    with pytest.raises(Closed) as caught:
        stock.add(Inventory(containers=(report(), report()), last=False))
    assert caught.value.code == 1009
