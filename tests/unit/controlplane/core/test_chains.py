"""What a specification says of its chains: order, cycles, jobs, who is optional, who belongs together."""

from hypothesis import given
from hypothesis import strategies as st

from controlplane.core import chains
from protocol.spec import Condition, Dependency, ServiceSpec

COMPLETED = Dependency(condition="service_completed_successfully")


def services(**needs: dict[str, Dependency]) -> dict[str, ServiceSpec]:
    return {name: ServiceSpec(name=name, image="i", depends_on=depends) for name, depends in needs.items()}


SHOP = services(
    db={},
    migrate={"db": Dependency(condition="service_healthy")},
    api={"db": Dependency(restart=True), "migrate": COMPLETED, "cache": Dependency(required=False)},
    web={"api": Dependency(restart=True)},
    cache={},
    other={},
)


def test_depths_are_the_longest_way() -> None:
    assert chains.depths(SHOP) == {"db": 0, "migrate": 1, "api": 2, "web": 3, "cache": 0, "other": 0}


def test_needs_leave_out_what_is_not_there_and_what_has_no_replica() -> None:
    found = services(a={"gone": Dependency(required=False), "none": Dependency()}, none={})
    found["none"] = ServiceSpec(name="none", image="i", replicas=0)
    assert chains.needs(found, "a") == {} == chains.needs(found, "unknown")


def test_a_job_is_what_somebody_waits_for_to_complete() -> None:
    assert [name for name in SHOP if chains.must_complete(SHOP, name)] == ["migrate"]


def test_optional_is_what_somebody_likes_and_nobody_requires() -> None:
    assert [name for name in SHOP if chains.is_optional(SHOP, name)] == ["cache"]


def test_restarts_follow_from_each_other() -> None:
    assert chains.restarted_after(SHOP, frozenset({"db"})) == {"api", "web"}
    assert chains.restarted_after(SHOP, frozenset({"cache", "web"})) == frozenset()


def test_a_chain_is_what_is_linked_over_shared_networks() -> None:
    assert chains.linked(SHOP, "web") == {"db", "migrate", "api", "cache"}
    assert chains.linked(SHOP, "other") == frozenset() == chains.linked(SHOP, "unknown")
    apart = services(a={"b": Dependency()}, b={})
    apart["b"] = ServiceSpec(name="b", image="i", networks={"back": ()})
    assert chains.linked(apart, "a") == frozenset()


NAMES = ("a", "b", "c", "d", "e")
conditions: st.SearchStrategy[Condition] = st.sampled_from(
    ["service_started", "service_healthy", "service_completed_successfully"]
)
needed = st.builds(Dependency, condition=conditions, required=st.booleans(), restart=st.booleans())
graphs = st.fixed_dictionaries({name: st.dictionaries(st.sampled_from(NAMES), needed, max_size=4) for name in NAMES})


@given(graphs)
def test_whatever_the_graph_something_can_begin_and_all_come_in_turn(graph: dict[str, dict[str, Dependency]]) -> None:
    found = services(**graph)
    started: set[str] = set()
    for _ in NAMES:
        started |= {name for name in NAMES if chains.needs(found, name).keys() <= started}
    assert started == set(NAMES)
    assert all(name not in chains.linked(found, name) for name in NAMES)
    assert all((a in chains.linked(found, b)) == (b in chains.linked(found, a)) for a in NAMES for b in NAMES)
