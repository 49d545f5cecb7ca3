"""The guard: what trips it, what it holds back, and how a hold ends."""

import pytest

from controlplane.core import detector, guard
from tests.unit.controlplane.core.beating_cluster import Cluster


def held(cluster: Cluster) -> list[str]:
    return [name for name, state in cluster.states().items() if state == "offline (held)"]


@pytest.mark.parametrize(
    ("away", "of", "expected"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (2, 2, True),
        (2, 3, False),
        (2, 4, False),
        (3, 4, True),
        (3, 6, True),
        (3, 7, False),
        (4, 7, True),
        (249, 500, False),
        (250, 500, True),
    ],
)
def test_three_and_half_or_all_trip(away: int, of: int, expected: bool) -> None:
    assert guard.trips(away, of) is expected


@pytest.mark.parametrize(("lost", "of"), [(1, 1), (2, 2), (3, 4), (3, 6), (10, 20)])
def test_too_many_at_once_are_held(lost: int, of: int) -> None:
    cluster = Cluster(*(f"n{i:02}" for i in range(of)))
    cluster.lose(*(f"n{i:02}" for i in range(lost)))
    cluster.run(100)
    assert len(held(cluster)) == lost
    assert cluster.moved() == []
    assert len(cluster.alarms) == 1
    assert cluster.alarms[0].startswith(f"guard holds: {lost} of {of} nodes were lost at once (n00")


@pytest.mark.parametrize(("lost", "of"), [(1, 2), (2, 3), (2, 4), (3, 7)])
def test_fewer_move(lost: int, of: int) -> None:
    cluster = Cluster(*(f"n{i}" for i in range(of)))
    cluster.lose(*(f"n{i}" for i in range(lost)))
    cluster.run(16)
    assert len(cluster.moved()) == lost
    assert cluster.alarms == []


def test_a_node_without_a_session_counts_even_before_7_5_s_of_silence() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a")
    cluster.run(12)
    cluster.lose("b", "c")
    cluster.close("b", aborted=True)
    cluster.close("c", aborted=False)
    cluster.run(4)
    assert held(cluster) == ["a"]


def test_losses_in_a_row_count_together_for_30_s() -> None:
    cluster = Cluster("a", "b", "c", "d", "e", "f")
    for name in ("a", "b", "c"):
        cluster.lose(name)
        cluster.run(7)
    cluster.run(20)
    assert cluster.moved() == ["a"]  # the first could not know
    assert held(cluster) == ["b", "c"]


@pytest.mark.parametrize(("apart_s", "expected"), [(29.0, ["b"]), (32.0, [])])
def test_a_node_counts_for_30_s_after_it_was_online(apart_s: float, expected: list[str]) -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("a")
    cluster.close("a", aborted=True)
    cluster.step()  # now it is no longer online
    cluster.run(apart_s - 15 - 0.25)
    cluster.lose("b")
    cluster.run(10)
    cluster.close("c", aborted=False)
    cluster.run(5.5)
    assert held(cluster) == expected


def test_a_node_given_up_after_a_start_counts_as_just_lost() -> None:
    cluster = Cluster("a", "b", "c", "d", "e", "f", seen=False)
    cluster.run(2)
    cluster.come_back("c", "d", "e", "f")
    cluster.run(30)
    assert sorted(cluster.moved()) == ["a", "b"]
    cluster.lose("c")
    cluster.run(16)
    assert held(cluster) == ["c"]


def test_a_node_that_returns_in_the_very_call_is_no_loss() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(15)
    cluster.returning.add("b")
    cluster.step()
    assert sorted(cluster.moved()) == ["a", "c"]


def test_nodes_lost_long_ago_count_on_neither_side() -> None:
    cluster = Cluster("a", "b", "c", "d", "e", "f", "g", "h")
    for name in ("a", "b", "c", "d"):
        cluster.lose(name)
        cluster.run(60)
    assert cluster.moved() == ["a", "b", "c", "d"]
    cluster.lose("e")
    cluster.run(20)
    assert cluster.moved() == ["a", "b", "c", "d", "e"]
    cluster.lose("f", "g", "h")
    cluster.run(20)
    assert held(cluster) == ["f", "g", "h"]


def test_a_node_lost_during_a_hold_is_held_too() -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("a", "b", "c")
    cluster.run(60)
    cluster.lose("d")
    cluster.run(16)
    assert held(cluster) == ["a", "b", "c", "d"]
    assert cluster.verdicts[-1][1].reason == "silent 15.2 s; the guard holds"
    assert len(cluster.alarms) == 1


def test_nothing_is_prepared_when_the_guard_holds_or_would() -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("a", "b", "c")
    for _ in range(4 * 30):
        cluster.step()
        assert cluster.prepare == frozenset()
    cluster.lose("d")
    cluster.run(10)
    assert cluster.states()["d"] == "suspect"
    assert cluster.prepare == frozenset()


def test_the_centers_own_cut_of_60_s_moves_nothing_however_slowly_nodes_reconnect() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c", "d")
    cluster.run(60)
    for name in ("a", "b", "c", "d"):
        cluster.come_back(name)
        cluster.run(3)
    assert cluster.watch.hold is None
    cluster.run(300)
    assert cluster.moved() == []
    assert set(cluster.states().values()) == {"online"}
    assert cluster.eased == ["guard released: 0 of 4 nodes still away"]


def test_the_rest_moves_20_s_after_enough_came_back() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c", "d")
    cluster.run(60)
    cluster.come_back("a", "b")
    cluster.run(20)
    assert cluster.moved() == []
    cluster.run(0.5)
    assert sorted(cluster.moved()) == ["c", "d"]
    assert cluster.verdicts[-1][1].reason == "released by the guard: 2 of 4 nodes still away"
    assert cluster.eased == ["guard released: 2 of 4 nodes still away"]


def test_a_return_that_does_not_last_releases_nothing() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    cluster.come_back("a")
    cluster.run(4)
    cluster.lose("a")
    cluster.run(50)
    cluster.come_back("a")
    cluster.run(19)
    assert cluster.moved() == []
    cluster.run(2)
    assert sorted(cluster.moved()) == ["b", "c"]


def test_after_120_s_one_node_moves_every_10_s_longest_gone_first() -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("b")
    cluster.run(1)
    cluster.lose("a", "c")
    cluster.run(200)
    held_at = cluster.when("b", "offline")
    moves = [(at, verdict.node) for at, verdict in cluster.verdicts if verdict.moves]
    assert [node for _, node in moves] == ["b", "a", "c"]
    for (at, _), due_s in zip(moves, (120, 130, 140), strict=True):
        assert due_s <= at - held_at <= due_s + 0.5
    assert cluster.eased == ["guard released: held for 140 s"]


def test_while_nobody_is_online_time_releases_nothing_and_the_first_return_does_not_either() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c", "d")
    cluster.run(600)
    assert cluster.moved() == []
    cluster.come_back("a")
    cluster.run(14.75)
    assert cluster.moved() == []
    cluster.run(10)
    assert cluster.moved() == ["b"]
    cluster.run(20)
    assert cluster.moved() == ["b", "c", "d"]


def test_an_operator_confirms_one_node_and_only_that_moves() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    cluster.watch = detector.confirm_down(cluster.watch, "b")
    (verdict,) = cluster.step()
    assert (verdict.node, verdict.moves, verdict.reason) == ("b", True, "confirmed down by an operator")
    cluster.run(60)
    assert cluster.moved() == ["b"]
    assert held(cluster) == ["a", "c"]


def test_a_confirmation_waits_for_the_15_s_and_is_forgotten_on_return() -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("a", "b", "c", "d")
    cluster.run(8)
    cluster.watch = detector.confirm_down(detector.confirm_down(cluster.watch, "a"), "b")
    cluster.run(4)
    cluster.come_back("b")
    cluster.run(2)
    assert cluster.moved() == []
    cluster.lose("b")
    cluster.run(30)
    assert cluster.moved() == ["a"]
    assert held(cluster) == ["b", "c", "d"]


def test_a_held_node_that_returns_is_online_and_no_longer_held() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    cluster.come_back("a")
    (verdict,) = cluster.step()
    assert (verdict.node, verdict.state, verdict.held) == ("a", "online", False)


def test_nothing_is_released_soon_after_a_pause() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(15.25 + 118)
    cluster.step(gap_s=8.0)
    cluster.run(7.75)
    assert cluster.moved() == []
    cluster.run(0.5)
    assert cluster.moved() == ["a"]


def test_a_confirmation_does_not_outlive_the_shortest_return() -> None:
    cluster = Cluster("a", "b", "c", "d", "e")
    cluster.lose("a", "b", "c", "d")
    cluster.run(8)
    cluster.watch = detector.confirm_down(cluster.watch, "b")
    cluster.returning.add("b")
    cluster.step()
    cluster.lose("b")
    cluster.close("b", aborted=True)
    cluster.run(30)
    assert "b" in held(cluster)


def test_enough_returns_are_not_believed_soon_after_a_pause() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    cluster.come_back("a")
    cluster.run(14)
    cluster.step(gap_s=8.0)
    cluster.run(7.75)
    assert cluster.moved() == []
    cluster.run(0.5)
    assert sorted(cluster.moved()) == ["b", "c"]


def test_a_node_that_joins_and_is_lost_during_a_hold_counts() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(16)
    for name in ("e", "f"):
        cluster.register(name)
        cluster.come_back(name)
    cluster.run(10)
    cluster.lose("e", "f")
    cluster.run(16)
    cluster.come_back("a")
    cluster.run(30)
    assert held(cluster) == ["b", "c", "e", "f"]
    assert cluster.moved() == []


def test_a_node_that_never_connected_is_not_held() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.register("new")
    cluster.run(40)
    assert cluster.states()["new"] == "offline"
    assert held(cluster) == ["a", "b", "c"]


def test_removing_a_healthy_node_can_keep_a_hold() -> None:
    cluster = Cluster("a", "b", "c", "d", "e", "f", "g")
    cluster.lose("a", "b", "c", "d")
    cluster.run(30)
    cluster.come_back("a")
    cluster.run(5)
    del cluster.nodes["g"]
    cluster.run(30)
    assert held(cluster) == ["b", "c", "d"]


def test_a_removed_node_no_longer_counts() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    del cluster.nodes["a"]
    cluster.run(21)
    assert sorted(cluster.moved()) == ["b", "c"]


def test_a_hold_outlives_a_start_of_the_center() -> None:
    cluster = Cluster("a", "b", "c", "d")
    cluster.lose("a", "b", "c")
    cluster.run(30)
    cluster.start_again()
    cluster.step()
    cluster.come_back("d")
    cluster.run(115)
    assert held(cluster) == ["a", "b", "c"]
    assert cluster.states()["d"] == "online"
    assert cluster.moved() == []
    cluster.run(30)
    assert cluster.moved() == ["a", "b", "c"]
    assert len(cluster.alarms) == 1


def test_after_a_start_most_nodes_missing_are_held() -> None:
    cluster = Cluster("a", "b", "c", "d", seen=False)
    cluster.run(5)
    cluster.come_back("d")
    cluster.run(60)
    assert held(cluster) == ["a", "b", "c"]
    assert cluster.moved() == []
