"""Probes in the agent's rules: a verdict is the replica's health, and an unhealthy one is restarted."""

import msgspec

from nodeagent.core.events import EngineSilent
from nodeagent.core.steps import Restart, Stop
from protocol.messages import ContainerReport, DesiredDelta
from protocol.spec import Probe
from tests.unit.nodeagent.core.made import VirtualNode, a_ref, a_want

HTTP = Probe(kind="http", port=80, path="/ok")
WHY = "probe http :80/ok: 503"


def a_node(*, health: bool = False) -> VirtualNode:
    node = VirtualNode()
    node.start(a_want(probe=HTTP, health=health))
    node.run(1)
    return node


def told(node: VirtualNode) -> ContainerReport:
    report = node.report(a_ref())
    assert report is not None
    return report


def test_what_runs_and_has_a_probe_is_to_be_probed() -> None:
    node = a_node()
    (target,) = node.targets
    container = node.of(a_ref())
    assert container is not None
    assert (target.run, target.probe, target.health) == ((container.id, container.started_at), HTTP, "starting")
    assert told(node).health == "starting", "never `none`: the Center must wait for the verdict"
    node.desire(revision=2)
    assert node.targets == ()


def test_a_verdict_is_told_with_its_reason() -> None:
    node = a_node()
    node.probed(a_ref(), "starting", WHY)
    node.run(1)
    assert (told(node).state, told(node).health, told(node).reason) == ("running", "starting", WHY)
    node.probed(a_ref(), "healthy")
    node.run(1)
    assert (told(node).health, told(node).reason) == ("healthy", "")


def test_an_unhealthy_one_is_told_at_once_and_restarted_after_a_pause() -> None:
    node = a_node()
    node.probed(a_ref(), "healthy")
    node.probed(a_ref(), "unhealthy", WHY)
    node.run(0.1)
    assert (told(node).health, told(node).reason, node.done(Restart)) == ("unhealthy", WHY, 0)
    node.run(3)
    assert node.done(Restart) == 1
    assert (told(node).health, told(node).restarts) == ("starting", 1), "nothing is known of the new run"
    assert len(node.targets) == 1


def test_a_word_on_the_former_run_changes_nothing() -> None:
    node = a_node()
    node.probed(a_ref(), "unhealthy", WHY)
    former = node.state.assignments()[0].verdict
    node.run(3)
    assert former is not None and former.run != node.targets[0].run
    node.state.assignments()[0].verdict = former
    assert node.state.assignments()[0].health == "starting"


def test_five_unhealthy_runs_are_given_up_and_left_as_they_are() -> None:
    node = a_node()
    for _ in range(5):
        node.probed(a_ref(), "unhealthy", WHY)
        node.run(40)
    report = told(node)
    assert (report.gave_up, report.code, report.reason) == (True, "crash_loop", WHY)
    assert report.log_tail == ("last words",)
    assert node.done(Restart) == 4 and node.running() == {a_ref()}
    node.probed(a_ref(), "healthy")
    node.run(1)
    assert (told(node).gave_up, told(node).health) == (False, "healthy"), "it recovered by itself"


def test_what_went_with_its_engine_did_not_fail() -> None:
    node = a_node()
    node.probed(a_ref(), "healthy")
    node.tell(EngineSilent(reason="dockerd is being restarted"))
    node.probed(a_ref(), "unhealthy", WHY)
    container = node.of(a_ref())
    assert container is not None
    node.containers[container.id] = msgspec.structs.replace(container, status="exited", exit_code=0)
    node.look(after_break=True)
    node.run(0.5)
    trials = node.state.assignments()[0].trials
    assert trials.failures == 0 and node.running() == {a_ref()}, "started again at once"


def test_who_is_ill_when_the_engine_is_back_is_restarted() -> None:
    node = a_node()
    node.tell(EngineSilent(reason="it hangs"))
    node.probed(a_ref(), "unhealthy", WHY)
    node.look(after_break=True)
    node.run(3)
    assert node.done(Restart) == 1


def test_without_restarts_an_unhealthy_one_is_left_alone() -> None:
    node = VirtualNode()
    node.start(a_want(probe=HTTP, restart="no"))
    node.run(1)
    node.probed(a_ref(), "unhealthy", WHY)
    node.run(60)
    assert node.done(Restart) == 0 and told(node).health == "unhealthy"


def test_both_checks_count() -> None:
    node = a_node(health=True)
    node.set_health(a_ref(), "healthy")
    node.run(0.1)
    assert told(node).health == "starting"
    node.probed(a_ref(), "healthy")
    node.run(0.1)
    assert told(node).health == "healthy"
    node.set_health(a_ref(), "unhealthy")
    node.run(0.1)
    assert told(node).health == "unhealthy" and told(node).reason == "health check failed"


def test_a_changed_probe_takes_effect_without_touching_the_container() -> None:
    node = a_node()
    node.probed(a_ref(), "healthy")
    steps = len(node.steps)
    other = msgspec.structs.replace(HTTP, path="/other")
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, replicas=(a_want(probe=other),)))
    node.run(5)
    assert node.targets[0].probe == other and told(node).health == "healthy"
    assert len(node.steps) == steps


def test_a_probe_added_to_what_serves_does_not_take_its_address_away() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(20)
    node.hear(DesiredDelta(after=0, incarnation=1, revision=2, replicas=(a_want(probe=HTTP),)))
    node.run(1)
    assert told(node).health == "none" and node.targets[0].health == "none"
    node.probed(a_ref(), "healthy")
    node.run(1)
    assert told(node).health == "healthy"
    node.hear(DesiredDelta(after=1, incarnation=1, revision=3, replicas=(a_want(),)))
    node.run(1)
    assert told(node).health == "none" and node.targets == ()


def test_a_restart_of_the_agent_changes_no_health() -> None:
    node = a_node()
    node.probed(a_ref(), "healthy")
    node.run(5)
    again = VirtualNode(memory=node.memory)
    again.containers = dict(node.containers)
    again.start(a_want(probe=HTTP))
    assert told(again).health == "healthy" and again.targets[0].health == "healthy"
    assert again.done(Restart) == again.done(Stop) == 0
