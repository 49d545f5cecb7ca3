"""What outlives the agent: counters, what was given up, verdicts; and that it costs few writes."""

import msgspec

from nodeagent.core.events import Action, Event, Memory, Past, SaveMemory
from nodeagent.core.kept import LATE_S
from nodeagent.core.steps import Start
from tests.unit.nodeagent.core.made import WALL, VirtualNode, a_ref, a_want


class Counted(VirtualNode):
    """Counts the writes."""

    saves = 0

    def tell(self, event: Event) -> list[Action]:
        actions = super().tell(event)
        self.saves += sum(isinstance(action, SaveMemory) for action in actions)
        return actions


def reborn(node: VirtualNode, **changes: object) -> VirtualNode:
    """The next life of the agent, on the same machine."""
    data = msgspec.json.encode(node.memory)
    again = VirtualNode(memory=msgspec.structs.replace(msgspec.json.decode(data, type=Memory), **changes))
    again.containers, again.images, again.crashing = dict(node.containers), node.images, node.crashing
    again.mono, again.wall = 50.0, node.wall + node.mono - 50.0
    again.state = type(again.state)(boot_id="boot-1", memory=again.memory, tasks=(), now=again.now)
    return again


def test_failures_and_pauses_go_on_after_a_restart_of_the_agent() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(6)
    starts, failures = node.done(Start), node.state.assignments()[0].trials.failures
    assert starts == failures == 3
    node.run(LATE_S)
    again = reborn(node)
    again.start(a_want())
    trials = again.state.assignments()[0].trials
    assert (trials.failures, trials.attempts, trials.restarts) == (3, 3, 2)
    assert 0 < trials.not_before - again.mono < 5
    again.run(60)
    assert again.done(Start) == 2, "five in all"
    report = again.report(a_ref())
    assert report is not None and report.gave_up


def test_what_was_given_up_stays_so_and_is_told_again_with_its_last_lines() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(60)
    again = reborn(node)
    again.start(a_want())
    again.run(600)
    assert again.done(Start) == 0
    report = again.report(a_ref())
    assert report is not None
    assert (report.gave_up, report.code, report.log_tail) == (True, "crash_loop", ("last words",))


def test_another_specification_begins_with_a_clean_record() -> None:
    node = VirtualNode()
    node.crashing.add(a_ref())
    node.start(a_want())
    node.run(60)
    again = reborn(node)
    again.crashing = set()
    again.start(a_want(env="mended"), revision=2)
    again.run(20)
    assert again.running() == {a_ref()}


def test_a_wall_clock_that_jumped_holds_nothing_back_for_long() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(5)
    late = Past(ref=a_ref(), attempts=3, failures=3, not_before=WALL * 2)
    again = reborn(node, past=(late,))
    assert again.state.assignments()[0].trials.not_before <= again.mono + 60


def test_a_crash_loop_costs_few_writes_and_a_quiet_node_none() -> None:
    node = Counted()
    node.start(*(a_want(number) for number in range(1, 21)))
    node.run(30)
    node.saves = 0
    node.run(3600)
    assert node.saves == 0
    node.crashing.update(a_ref(number) for number in range(1, 21))
    for number in range(1, 21):
        node.exit(a_ref(number))
    node.run(120)
    assert 1 <= node.saves <= 5 + 20, "counters together, each that is given up at once"


def test_what_older_agents_wrote_is_read() -> None:
    old = b'{"ended": [{"ref": {"project": "p", "service": "s", "replica": 1, "epoch": 1}, "ending": "stopped",'
    old += b'"reason": "exited with code 0"}]}'
    (past,) = msgspec.json.decode(old, type=Memory).past
    assert (past.ending, past.reason, past.gave_up) == ("stopped", "exited with code 0", False)
