"""The rank of nodes that fit: spread, stay, strategy, room left, name."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.core.node import Node
from controlplane.core.room import Room, Want
from controlplane.core.strategies import REPLICA, STAY, STEP, TOGETHER, free_cpus, free_memory, rank, room_left
from protocol.messages import Capacity
from protocol.names import ReplicaId
from protocol.spec import Mount, Placement, ServiceSpec, Strategy

GIB = 1024**3
WEB = ("shop", "web")
NO_WISHES = Placement()


def room(
    name: str,
    *,
    cpus: float = 0.0,
    memory: int = 0,
    weight: float = 1.0,
    labels: dict[str, str] | None = None,
    services: dict[tuple[str, str], int] | None = None,
) -> Room:
    """A node of 10 cores and 10 GiB with so much reserved."""
    projects: dict[str, int] = {}
    for (project, _), count in (services or {}).items():
        projects[project] = projects.get(project, 0) + count
    return Room(
        node=Node(
            name=name,
            agent_id="a",
            public_key="k",
            address="10.0.0.1",
            registered_at=0.0,
            state="online",
            weight=weight,
            labels=labels or {},
            capacity=Capacity(cpus=10.0, memory=10 * GIB),
        ),
        cpus_reserved=cpus,
        memory_reserved=memory,
        services=services or {},
        projects=projects,
    )


def want(
    strategy: Strategy = "least_loaded",
    *,
    placement: Placement = NO_WISHES,
    history: tuple[str, ...] = (),
    stay: str = "",
    data_node: str = "",
) -> Want:
    mounts = (Mount(kind="volume", target="/data", source="data"),) if data_node else ()
    spec = ServiceSpec(name="web", image="i", placement=placement, mounts=mounts, movable=True if data_node else None)
    return Want(
        replica=ReplicaId("shop", "web", 1),
        spec=spec,
        strategy=strategy,
        history=history,
        stay=stay,
        data_node=data_node,
        now=0.0,
    )


def order(asked: Want, *rooms: Room) -> list[str]:
    return [ranked.room.node.name for ranked in rank(asked, rooms, rooms)]


def test_least_loaded_takes_most_cpu_and_memory_and_breaks_ties_by_name() -> None:
    assert order(want(), room("c", cpus=1), room("b"), room("a"), room("d", memory=5 * GIB)) == ["a", "b", "c", "d"]


def test_weight_multiplies_what_is_free() -> None:
    assert order(want(), room("a", cpus=2), room("b", cpus=9, weight=2.0)) == ["b", "a"]
    assert order(want(), room("a", cpus=2), room("b", cpus=2, weight=0.0)) == ["a", "b"]
    assert order(want(), room("b", weight=0.0), room("a", weight=0.0)) == ["a", "b"]


def test_free_is_the_smaller_of_reserved_and_observed_less_what_no_heartbeat_has_shown() -> None:
    asked = want()
    by_reservation = room("a", cpus=4.9, memory=2 * GIB)
    assert round(free_cpus(asked, by_reservation), 6) == 0.5
    observed = msgspec.structs.replace(by_reservation, cpu_usage=60.0, unseen_cpus=1.0, mem_free=3 * GIB)
    assert round(free_cpus(asked, observed), 6) == 0.29
    assert free_memory(asked, observed) == (3 * GIB - asked.spec.memory) / (10 * GIB)
    unseen = msgspec.structs.replace(observed, unseen_memory=GIB)
    assert free_memory(asked, unseen) == (2 * GIB - asked.spec.memory) / (10 * GIB)
    assert free_cpus(asked, msgspec.structs.replace(observed, cpu_usage=100.0)) == 0.0
    assert free_cpus(asked, msgspec.structs.replace(observed, cpu_usage=float("nan"))) == 0.0


def test_a_node_that_has_told_nothing_is_neither_good_nor_bad() -> None:
    full, unknown = room("a"), room("b")
    unknown = msgspec.structs.replace(unknown, node=msgspec.structs.replace(unknown.node, capacity=Capacity()))
    assert (free_cpus(want(), unknown), free_memory(want(), unknown)) == (0.5, 0.5)
    assert free_cpus(want(), msgspec.structs.replace(unknown, cpu_usage=30.0)) == 0.7
    assert order(want(), full, unknown, room("c", cpus=9, memory=9 * GIB)) == ["a", "b", "c"]


def test_replicas_spread_before_load_strategy_history_and_stay() -> None:
    crowded, loaded = room("a", services={WEB: 1}), room("b", cpus=9.5, memory=9 * GIB)
    assert order(want(), crowded, loaded) == ["b", "a"]
    assert order(want("affinity", history=("a",)), crowded, loaded) == ["b", "a"]
    assert order(want(stay="a"), crowded, loaded) == ["b", "a"]


def test_spread_over_a_label_comes_before_spread_over_nodes() -> None:
    north = room("a", labels={"zone": "north"}), room("b", labels={"zone": "north"}, services={WEB: 2})
    south = room("c", labels={"zone": "south"}, services={WEB: 1}), room("d", services={WEB: 1})
    asked = want(placement=Placement(spread=("zone",)))
    assert order(asked, *north, *south) == ["c", "d", "a", "b"]


def test_replicas_on_nodes_that_do_not_fit_count_for_spread_over_a_label() -> None:
    full = room("a", labels={"zone": "north"}, services={WEB: 1})
    fitting = [room("b", labels={"zone": "north"}), room("c", labels={"zone": "south"}, cpus=5)]
    ranked = rank(want(placement=Placement(spread=("zone",))), fitting, [full, *fitting])
    assert [it.room.node.name for it in ranked] == ["c", "b"]


def test_an_update_stays_where_it_is_and_movable_data_with_its_node() -> None:
    assert order(want(stay="b"), room("a"), room("b", cpus=9)) == ["b", "a"]
    assert order(want(data_node="b"), room("a"), room("b", cpus=9)) == ["b", "a"]
    assert order(want("affinity", stay="b", history=("a",)), room("a"), room("b", cpus=9)) == ["b", "a"]


def test_labels_counts_preferred_labels_then_load() -> None:
    placement = Placement(preferred={"region": "北京", "gpu": "true"})
    both, one = {"region": "北京", "gpu": "true"}, {"region": "北京", "gpu": "false"}
    rooms = room("a"), room("b", labels=one), room("c", labels=one, cpus=1), room("d", labels=both, cpus=9)
    assert order(want("labels", placement=placement), *rooms) == ["d", "b", "c", "a"]
    assert order(want(placement=placement), *rooms) == ["a", "b", "c", "d"]


def test_affinity_takes_the_most_recent_node_of_the_project_then_load() -> None:
    asked = want("affinity", history=("c", "b"))
    assert order(asked, room("a"), room("b"), room("c", cpus=9), room("d", cpus=1)) == ["c", "b", "a", "d"]


def test_services_of_a_project_prefer_one_node() -> None:
    together = room("b", cpus=2, memory=2 * GIB, services={("shop", "db"): 1})
    assert order(want(), room("a"), together) == ["b", "a"]
    assert order(want(), room("a"), room("b", cpus=2, memory=2 * GIB, services={("blog", "db"): 1})) == ["a", "b"]


def test_most_services_of_the_project_win() -> None:
    one = room("a", services={("shop", "db"): 1})
    two = room("b", services={("shop", "db"): 1, ("shop", "cache"): 1})
    assert order(want(), one, two) == ["b", "a"]


def test_togetherness_never_wins_against_a_much_emptier_node() -> None:
    for cpus, memory in ((3.0, 3 * GIB), (9.7, 0)):
        together = room("b", cpus=cpus, memory=memory, services={("shop", "db"): 1})
        assert order(want(), room("a", cpus=0.2), together) == ["a", "b"]


def test_togetherness_fades_on_a_node_that_is_nearly_full() -> None:
    half = room("a", cpus=6.9, memory=int(0.5 * GIB))
    hot = room("b", cpus=9.7, memory=0, services={("shop", "db"): 1})
    assert room_left(want(), half, 0.0) > room_left(want(), hot, 1.0)
    assert room_left(want(), half, 0.0) < room_left(want(), hot, 0.0) + TOGETHER


def test_the_score_tells_the_order_in_one_number() -> None:
    asked = want("affinity", history=("b",), stay="c")
    rooms = [room("a"), room("b"), room("c"), room("d", services={WEB: 2})]
    scores = {it.room.node.name: it.score for it in rank(asked, rooms, rooms)}
    assert 0 < scores["a"] <= 2
    assert scores["b"] == round(scores["a"] + STEP, 4)
    assert scores["c"] == round(scores["a"] + STAY, 4)
    assert round(scores["d"] - scores["a"] + 2 * REPLICA, 3) == 0


# -- properties -----------------------------------------------------------------------------------------------------

zones = st.sampled_from([{}, {"zone": "north"}, {"zone": "south"}, {"zone": "south", "gpu": "true"}])
counts = st.dictionaries(st.sampled_from([WEB, ("shop", "db"), ("shop", "cache"), ("blog", "web")]), st.integers(1, 3))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Want, list[Room]]:
    rooms = [
        room(
            f"node-{index}",
            cpus=draw(st.floats(0, 12)),
            memory=draw(st.integers(0, 12)) * GIB,
            weight=draw(st.sampled_from([0.0, 0.5, 1.0, 1.0, 40.0])),
            labels=draw(zones),
            services=draw(counts),
        )
        for index in range(draw(st.integers(0, 6)))
    ]
    strategies: st.SearchStrategy[Strategy] = st.sampled_from(["least_loaded", "labels", "affinity"])
    asked = want(
        draw(strategies),
        placement=Placement(spread=draw(st.sampled_from([(), ("zone",), ("zone", "gpu")])), preferred={"gpu": "true"}),
        history=tuple(draw(st.permutations(["node-1", "node-2", "node-3", "gone"]))),
        stay=draw(st.sampled_from(["", "node-0", "node-1"])),
    )
    return asked, rooms


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_rank_keeps_every_node_whatever_the_order_and_scores_fall(scene: tuple[Want, list[Room]]) -> None:
    asked, rooms = scene
    ranked = rank(asked, rooms, rooms)
    assert sorted(it.room.node.name for it in ranked) == sorted(it.node.name for it in rooms)
    scores = [it.score for it in ranked]
    assert scores == sorted(scores, reverse=True)
    assert rank(asked, rooms[::-1], rooms[::-1]) == ranked


@settings(max_examples=100, deadline=None)
@given(scenes())
def test_the_best_node_has_the_fewest_replicas_when_nothing_is_spread_over_labels(
    scene: tuple[Want, list[Room]],
) -> None:
    asked, rooms = scene
    if asked.spec.placement.spread or not rooms:
        return
    best = rank(asked, rooms, rooms)[0].room
    assert best.services.get(WEB, 0) == min(it.services.get(WEB, 0) for it in rooms)
