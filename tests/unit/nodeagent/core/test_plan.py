"""All replicas of a node: order, limits, who waits for whom."""

from nodeagent.core.plan import PULLS_MAX, STEPS_MAX, STOPS_MAX, plan
from nodeagent.core.replica import Assignment
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, Start, Stop
from protocol.messages import ContainerRef
from tests.unit.nodeagent.core.made import a_container, a_ref, a_want, an_item


def node(*items: Assignment) -> dict[ContainerRef, Assignment]:
    return {item.ref: item for item in items}


def test_at_most_eight_steps_at_once_counting_what_runs() -> None:
    items = node(*(an_item(a_want(n)) for n in range(1, 21)))
    first = plan(items, (), 0.0)
    assert [step.ref.replica for step in first.steps] == list(range(1, STEPS_MAX + 1))
    for step in first.steps[:5]:
        items[step.ref].busy = step
    assert len(plan(items, (), 0.0).steps) == STEPS_MAX - 5


def test_stops_come_first_and_have_room_of_their_own() -> None:
    stale = [an_item(None, a_container(a_want(n), container_id=f"c{n}"), cleared=True) for n in range(1, 50)]
    fresh = [an_item(a_want(n, service="new")) for n in range(1, 20)]
    steps = plan(node(*fresh, *stale), (), 0.0).steps
    assert [type(step) for step in steps] == [Stop] * STOPS_MAX + [Create] * STEPS_MAX


def test_at_most_two_pulls_one_per_image() -> None:
    items = node(*(an_item(a_want(n, image=f"r.example/i{n // 2}@sha256:{'b' * 64}")) for n in range(1, 11)))
    for item in items.values():
        item.image_missing = True
    first = plan(items, (), 0.0)
    assert first.pulls == (f"r.example/i0@sha256:{'b' * 64}", f"r.example/i1@sha256:{'b' * 64}")[:PULLS_MAX]
    assert plan(items, first.pulls, 0.0).pulls == ()
    assert plan({}, (), 0.0, wanted_images=("a", "b", "c")).pulls == ("a", "b")


def test_the_youngest_waits_for_the_stale_holder_of_its_port() -> None:
    old = an_item(None, a_container(a_want(1, service="old", port=8080)), cleared=True)
    young = an_item(a_want(port=8080), a_container(a_want(port=8080), status="created", container_id="c2"))
    steps = plan(node(old, young), (), 0.0)
    assert [type(step) for step in steps.steps] == [Stop]
    assert "shop/old/1" in steps.waits[young.ref] and not steps.conflicts
    old.have = a_container(a_want(1, service="old", port=8080), status="exited")
    assert Start in [type(step) for step in plan(node(old, young), (), 0.0).steps]


def test_a_copy_waits_for_its_former_copy_unless_both_are_wanted() -> None:
    former = an_item(None, a_container(a_want(epoch=1)), cleared=False)
    young = an_item(a_want(epoch=2), a_container(a_want(epoch=2), status="created", container_id="c2"))
    assert plan(node(former, young), (), 0.0).steps == ()
    former.wanted(a_want(epoch=1))
    assert [type(step) for step in plan(node(former, young), (), 0.0).steps] == [Start]


def test_a_port_of_another_wanted_replica_is_a_conflict() -> None:
    holder = an_item(a_want(service="one", port=8080), a_container(a_want(service="one", port=8080)))
    young = an_item(a_want(port=8080), a_container(a_want(port=8080), status="created", container_id="c2"))
    steps = plan(node(holder, young), (), 0.0)
    assert steps.steps == () and set(steps.conflicts) == {a_ref()}


def test_wakes_for_the_earliest_backoff() -> None:
    items = node(*(an_item(a_want(n), trials=Trials(not_before=10.0 * n)) for n in (3, 1, 2)))
    assert plan(items, (), 0.0).wake_at == 10.0
