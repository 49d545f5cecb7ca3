"""The failure detector's rules one by one; the guard's are in `test_guard`, all at once in `test_detector_model`."""

from time import perf_counter

from controlplane.core import detector
from tests.unit.controlplane.core.beating_cluster import Cluster


def test_a_quiet_cluster_gives_no_verdict() -> None:
    cluster = Cluster("a", "b", "c")
    assert cluster.run(120) == []
    assert cluster.alarms == []


def test_silence_makes_suspect_then_offline_within_half_a_second_of_the_deadline() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    lost_at = cluster.now
    cluster.run(20)
    assert 7.5 < cluster.when("a", "suspect") - lost_at <= 7.75
    assert 15.0 < cluster.when("a", "offline") - lost_at <= 15.5
    assert cluster.moved() == ["a"]
    assert cluster.verdicts[-1][1].reason == "silent 15.2 s"


def test_an_abnormal_close_makes_suspect_at_once_but_offline_no_sooner() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.run(1)
    cluster.lose("a")
    lost_at = cluster.now
    cluster.close("a", aborted=True)
    (verdict,) = cluster.step()
    assert (verdict.node, verdict.state, verdict.reason) == ("a", "suspect", "connection lost")
    cluster.run(20)
    assert 15.0 < cluster.when("a", "offline") - lost_at <= 15.5


def test_a_clean_goodbye_is_a_restart_and_gets_the_time_of_a_silence() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.run(1)
    cluster.lose("a")
    cluster.close("a", aborted=False)
    assert cluster.run(7) == []
    (verdict,) = cluster.run(1)
    assert (verdict.state, verdict.reason) == ("suspect", "silent 7.8 s")


def test_a_reconnect_between_two_calls_is_not_noticed() -> None:
    cluster = Cluster("a", "b")
    cluster.run(1)
    cluster.close("a", aborted=True)
    cluster.come_back("a")
    assert cluster.run(30) == []


def test_a_suspect_is_online_with_the_next_frame() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.run(12)
    cluster.come_back("a")
    (verdict,) = cluster.step()
    assert (verdict.state, verdict.reason) == ("online", "back after 12.2 s")
    assert cluster.run(60) == []


def test_an_offline_node_is_online_with_a_frame_on_an_open_session() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.run(300)
    cluster.last["a"] = cluster.now  # a frame, but the session closed right after it
    cluster.close("a", aborted=True)
    assert cluster.step() == []
    cluster.come_back("a")
    (verdict,) = cluster.step()
    assert (verdict.state, verdict.held, verdict.reason) == ("online", False, "back after 5 min")


def test_twelve_seconds_of_silence_move_nothing() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.run(12)
    cluster.come_back("a")
    cluster.run(60)
    assert cluster.moved() == []


def test_preparation_runs_from_7_5_s_of_silence_until_the_node_is_back_or_moves() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.run(7.5)
    assert cluster.prepare == frozenset()
    cluster.run(1)
    assert cluster.prepare == {"a"}
    cluster.come_back("a")
    cluster.step()
    assert cluster.prepare == frozenset()
    cluster.lose("a")
    cluster.run(20)
    assert cluster.moved() == ["a"]
    assert cluster.prepare == frozenset()


def test_a_mere_close_prepares_nothing() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.close("a", aborted=True)
    cluster.run(7)
    assert cluster.states()["a"] == "suspect"
    assert cluster.prepare == frozenset()


# -- the Center's own troubles --------------------------------------------------------------------------------------


def test_after_a_start_nodes_are_unknown_and_online_with_their_first_frame() -> None:
    cluster = Cluster("a", "b", "c", seen=False)
    verdicts = cluster.step()
    assert {v.node: v.state for v in verdicts} == {"a": "unknown", "b": "unknown", "c": "unknown"}
    assert cluster.run(20) == []
    cluster.come_back("a", "b", "c")
    assert {v.state for v in cluster.step()} == {"online"}
    assert cluster.run(60) == []


def test_after_a_start_a_node_has_30_s_to_come_back() -> None:
    cluster = Cluster("a", "b", "c", seen=False)
    started_at = cluster.now
    cluster.run(5)
    cluster.come_back("a", "b")
    cluster.run(30)
    assert 30.0 <= cluster.when("c", "offline") - started_at <= 30.5
    assert cluster.moved() == ["c"]
    assert cluster.verdicts[-1][1].reason == "not seen since the Center started"


def test_a_node_that_was_offline_before_a_start_stays_so_without_a_second_move() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.nodes["c"] = ("offline", False)
    cluster.lose("c")
    cluster.last["c"] = None
    cluster.connected["c"] = False
    cluster.watch = detector.first(cluster.now - 1, cluster.nodes)
    assert cluster.run(100) == []


def test_after_a_start_with_nobody_there_the_center_doubts_itself() -> None:
    cluster = Cluster("a", "b", "c", "d", seen=False)
    cluster.run(300)
    assert set(cluster.states().values()) == {"unknown"}
    assert cluster.alarms == ["Center isolated: none of 4 nodes is online; nothing moves"]
    cluster.come_back("a", "b", "c")
    cluster.run(29)
    assert cluster.states()["d"] == "unknown"
    assert cluster.eased == ["Center no longer isolated"]
    cluster.run(2)
    assert cluster.moved() == ["d"]
    assert len(cluster.alarms) == 1


def test_an_operators_word_counts_for_an_unknown_node_of_an_isolated_center() -> None:
    cluster = Cluster("a", "b", seen=False)
    cluster.watch = detector.confirm_down(cluster.watch, "a")
    cluster.run(29)
    assert cluster.moved() == []
    cluster.run(2)
    assert cluster.moved() == ["a"]
    assert cluster.states()["b"] == "unknown"


def test_a_node_registered_later_has_30_s_of_its_own_and_is_no_loss() -> None:
    cluster = Cluster("a")
    cluster.run(100)
    cluster.register("new")
    assert cluster.run(29) == []
    (verdict,) = cluster.run(2)
    assert (verdict.node, verdict.state, verdict.held) == ("new", "offline", False)
    assert cluster.alarms == []


def test_a_first_node_that_never_connects_isolates_nobody() -> None:
    cluster = Cluster()
    cluster.register("a")
    cluster.run(31)
    assert cluster.states() == {"a": "offline"}
    assert cluster.alarms == []


def test_a_pause_while_isolated_gives_no_second_alarm() -> None:
    cluster = Cluster("a", "b", seen=False)
    cluster.run(40)
    cluster.step(gap_s=3.0)
    cluster.run(40)
    assert [text[:15] for text in cluster.alarms] == ["Center isolated", "the Center stoo"]
    assert cluster.eased == []


def test_a_removed_node_is_forgotten() -> None:
    cluster = Cluster("a", "b", seen=False)
    cluster.run(20)
    cluster.come_back("b")
    del cluster.nodes["a"]
    cluster.run(20)
    cluster.register("a")
    assert cluster.run(29) == []


def test_a_pause_shifts_every_deadline() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    cluster.run(6)
    cluster.step(gap_s=8.0)
    assert cluster.alarms == ["the Center stood still for 8.0 s: deadlines shift by as much"]
    assert cluster.states()["a"] == "online"
    cluster.run(1.5)
    assert cluster.states()["a"] == "online"
    cluster.run(0.25)
    assert cluster.states()["a"] == "suspect"
    cluster.run(7.25)
    assert cluster.states()["a"] == "suspect"
    cluster.run(0.5)
    assert cluster.states()["a"] == "offline"


def test_nobody_is_offline_soon_after_a_pause() -> None:
    for gap_s, rest_s in ((1.5, 5.0), (12.0, 12.0)):
        cluster = Cluster("a", "b", "c")
        cluster.lose("a")
        cluster.run(14.75)
        cluster.step(gap_s=gap_s)
        paused_until = cluster.now
        cluster.run(20)
        assert rest_s <= cluster.when("a", "offline") - paused_until <= rest_s + 0.5


def test_many_pauses_count_together() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.lose("a")
    running_s = 0.0
    while cluster.states()["a"] != "offline":
        cluster.run(5.5)
        running_s += 5.5
        cluster.step(gap_s=4.0)
        assert running_s < 40
    assert 15 < running_s <= 22


def test_a_pause_without_a_run_between_is_one_alarm() -> None:
    cluster = Cluster("a", "b")
    for _ in range(10):
        cluster.step(gap_s=2.0)
    assert len(cluster.alarms) == 1
    assert len(cluster.watch.clock.pauses) == 1


def test_a_long_pause_is_like_a_start_for_those_not_heard_since() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.run(1)
    cluster.lose("a", "b")
    verdicts = cluster.step(gap_s=20.0)  # c's frame came in right after the pause
    assert {v.node: (v.state, v.reason) for v in verdicts} == {
        name: ("unknown", "silent 20.0 s, but the Center stood still") for name in ("a", "b")
    }
    paused_until = cluster.now
    cluster.run(10)
    cluster.come_back("b")
    cluster.run(60)
    assert cluster.states() == {"a": "offline", "b": "online", "c": "online"}
    assert 30.0 <= cluster.when("a", "offline") - paused_until <= 30.5


def test_a_long_pause_gives_an_unknown_node_its_30_s_again() -> None:
    cluster = Cluster("a", "b", "c", seen=False)
    cluster.run(2)
    cluster.come_back("a", "b")
    cluster.run(23)
    cluster.step(gap_s=20.0)
    paused_until = cluster.now
    cluster.run(40)
    assert cluster.when("c", "offline") - paused_until >= 30.0


def test_a_suspended_machine_trusts_no_open_socket() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.run(1)
    cluster.lose("a", "b", "c")
    verdicts = cluster.step(gap_s=600.0, mono_s=0.25)
    assert {v.state for v in verdicts} == {"unknown"}
    cluster.run(20)
    cluster.come_back("a", "b", "c")
    cluster.run(60)
    assert cluster.moved() == []
    assert set(cluster.states().values()) == {"online"}


def test_500_quiet_nodes_take_less_than_a_millisecond() -> None:
    cluster = Cluster(*(f"node-{i}" for i in range(500)))
    cluster.step()
    sightings = {name: cluster.sighting(name) for name in cluster.nodes}
    best = 1.0
    for _ in range(20):
        start = perf_counter()
        detector.judge(cluster.watch, cluster.nodes, sightings, cluster.now + 0.25, 0.25)
        best = min(best, perf_counter() - start)
    assert best < 0.001
