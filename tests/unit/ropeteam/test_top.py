"""The tables of `rope top`: what is summed, what is unknown, which comes first."""

import msgspec

from protocol.live import NodeUse, ProjectHour, ReplicaUse, Usage
from ropeteam.top import Wanted, rate, size, tables

USAGE = Usage(
    id=1,
    nodes=(
        NodeUse(node="busy", state="online", replicas=2, cpus=4, cpu=90.0, mem_used_mb=100, mem_total_mb=1000),
        NodeUse(node="full", state="online", replicas=1, cpus=2, cpu=10.0, mem_used_mb=900, mem_total_mb=1000),
        NodeUse(node="gone", state="offline", replicas=0, cpus=2),
    ),
    replicas=(
        ReplicaUse(project="shop", service="web", replica=1, epoch=1, node="busy", state="running", cpu=30, mem_mb=50),
        ReplicaUse(project="shop", service="web", replica=2, epoch=1, node="full", state="failed", cpu=5, mem_mb=20),
        ReplicaUse(
            project="blog", service="web", replica=1, epoch=1, node="busy", state="running", cpu=1, mem_mb=2000,
            net_in_kb=3000,
        ),
    ),
)  # fmt: skip


def wanted(what: str, sort: str = "cpu", *, history: bool = False) -> Wanted:
    return Wanted(what=what, sort=sort, every_s=2.0, live=False, once=True, history=history)


def names(what: str, sort: str) -> list[list[str]]:
    return [[row.name for row in rows] for _, rows in tables(USAGE, wanted(what, sort))]


def test_what_uses_most_comes_first() -> None:
    assert names("all", "cpu") == [["busy", "full", "gone"], ["shop", "blog"]]
    assert names("all", "mem") == [["full", "busy", "gone"], ["blog", "shop"]]
    assert names("nodes", "name") == [["busy", "full", "gone"]]
    assert names("replicas", "net") == [["blog/web/1 busy", "shop/web/1 busy", "shop/web/2 full"]]


def test_a_project_is_the_sum_of_its_replicas_and_nothing_unknown_is_a_figure() -> None:
    (_, nodes), (_, projects) = tables(USAGE, wanted("all"))
    assert projects[0].cells == ("shop", "1/2", "35.0%", "70 MB", "0 KB/s", "0 KB/s")
    assert set(nodes[2].cells[3:]) == {"-"}


def test_with_history_the_last_hour_stands_beside_what_is_used_now() -> None:
    busy, *others = USAGE.nodes
    told = msgspec.structs.replace(
        USAGE,
        nodes=(msgspec.structs.replace(busy, cpu_hour=(None, 0.0, 50.0, 100.0)), *others),
        projects=(ProjectHour(project="shop", cpu_hour=(5.0, 10.0)),),
    )
    (columns, nodes), (_, projects) = tables(told, wanted("all", history=True))
    assert columns == ("NODE", "STATE", "REPLICAS", "CPU", "CPU, LAST HOUR", "MEM", "DISK", "ANSWER")
    assert nodes[0].cells == ("busy", "online", "2", "90% of 4", "·▁▅█", "100 MB / 1000 MB", "-", "-")
    assert nodes[1].cells[4] == "-", "a Center that does not know the question tells nothing"
    assert projects[0].cells == ("shop", "1/2", "35.0%", "▅█", "70 MB"), "up to its own highest"
    assert len({len(row.cells) for row in nodes}) == 1
    assert tables(told, wanted("replicas", history=True)) == tables(told, wanted("replicas"))


def test_figures_are_as_long_as_they_need_to_be() -> None:
    assert [size(n) for n in (12.4, 1536, 3 * 1024 * 1024)] == ["12 MB", "1.5 GB", "3.0 TB"]
    assert [rate(n) for n in (None, 12.4, 2048)] == ["-", "12 KB/s", "2.0 MB/s"]
