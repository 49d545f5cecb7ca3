"""Reports are numbered above everything told before, however often and soon the agent is started again (§3.3)."""

from nodeagent.core.events import Listed, Memory, SaveMemory
from nodeagent.core.node import NodeState
from tests.unit.nodeagent.core.made import VirtualNode, a_container, a_ref, a_want


def _lives(count: int) -> list[int]:
    """The number of the last report of each life; nothing else changes that would be kept on disk."""
    numbers = []
    memory = Memory(boot_id="boot-1")
    for _ in range(count):
        node = VirtualNode(memory=memory)
        node.containers["c1"] = a_container(a_want())
        node.start(a_want())
        report = node.report(a_ref())
        assert report is not None
        numbers.append(report.state_seq)
        memory = node.memory
    return numbers


def test_no_life_of_the_agent_uses_the_numbers_of_the_one_before() -> None:
    numbers = _lives(5)
    assert numbers == sorted(set(numbers))


def test_an_agent_whose_disk_was_put_back_numbers_above_what_it_told_since() -> None:
    snapshot = VirtualNode()
    snapshot.start(a_want())
    later = VirtualNode(memory=snapshot.memory)
    later.mono += 60.0
    later.state = NodeState(boot_id="boot-1", memory=snapshot.memory, tasks=(), now=later.now)
    later.start(a_want())
    back = VirtualNode(memory=snapshot.memory)
    back.mono += 120.0
    back.state = NodeState(boot_id="boot-1", memory=snapshot.memory, tasks=(), now=back.now)
    assert back.state.memory().state_seq > later.state.memory().state_seq


def test_where_the_numbers_begin_is_on_disk_before_anything_is_told() -> None:
    node = VirtualNode()
    actions = node.tell(Listed(containers=(), asked_at=node.mono))
    assert isinstance(actions[0], SaveMemory)
    assert actions[0].memory.state_seq == node.state.memory().state_seq
