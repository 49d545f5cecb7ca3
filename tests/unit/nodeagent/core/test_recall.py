"""A Center that was restored asks what was desired here: it is told with the inventory, before it, in pages."""

from nodeagent.core.desired import DesiredState
from nodeagent.core.events import Memory, SessionOpened
from protocol.codec import FRAME_MAX, encode
from protocol.messages import Inventory
from protocol.spec import DesiredReplica
from tests.unit.nodeagent.core.made import VirtualNode, a_want

WANTS = tuple(a_want(number) for number in range(1, 400))


def told(memory: Memory, *, recall: bool = True, look: bool = True) -> list[Inventory]:
    """The inventory of a session in which the Center asks."""
    node = VirtualNode(memory=memory)
    if look:
        node.look()
    node.session += 1
    node.tell(SessionOpened(session=node.session, recall=recall))
    return [message for message in node.sent if isinstance(message, Inventory)]


def held(pages: list[Inventory]) -> tuple[DesiredReplica, ...]:
    return tuple(want for page in pages for want in page.held)


def memory(*, removed: bool = False) -> Memory:
    desired = DesiredState(incarnation=1, revision=4, replicas=WANTS)
    return Memory(desired=desired, boot_id="boot-1", state_seq=7, removed=removed)


def test_everything_that_was_desired_is_told_in_frames_that_fit() -> None:
    pages = told(memory())
    assert held(pages) == WANTS
    assert len(pages) > 2 and all(len(encode(page)) <= FRAME_MAX for page in pages)
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]


def test_also_while_the_engine_does_not_answer() -> None:
    pages = told(memory(), look=False)
    assert held(pages) == WANTS and not pages[-1].engine_ok and pages[-1].last


def test_only_when_asked_and_not_by_a_node_that_was_removed() -> None:
    assert held(told(memory(), recall=False)) == ()
    assert held(told(memory(removed=True))) == ()
    assert held(told(Memory())) == ()
