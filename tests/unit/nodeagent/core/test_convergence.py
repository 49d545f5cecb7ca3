"""Whatever happens, the node comes to what is desired, and then rests."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.core.container import FaultKind
from nodeagent.core.restart import FAILURES_MAX
from nodeagent.core.steps import Create, Pull, Remove, Start, Stop
from protocol.messages import ConfirmStop, StopConfirmed
from protocol.spec import DesiredReplica
from tests.unit.nodeagent.core.made import VirtualNode, a_ref, a_want

PORTS = st.sampled_from([None, 8080, 8081])
WANTS = st.dictionaries(
    st.tuples(st.sampled_from(["web", "db"]), st.integers(1, 3)), st.tuples(st.integers(1, 3), PORTS)
)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from([Create, Start, Stop, Remove, Pull]),
        st.sampled_from(["error", "timeout", "engine_down", "not_found", "pull_failed"]),
    ),
    max_size=4,
)
Round = tuple[dict[tuple[str, int], tuple[int, int | None]], list[tuple[type, FaultKind]], list[str]]
HAPPENINGS = st.lists(st.sampled_from(["crash", "remove", "reconnect", "look", "break", "wait"]), max_size=8)


def legal(wants: dict[tuple[str, int], tuple[int, int | None]]) -> tuple[DesiredReplica, ...]:
    """Desired replicas of which no two share a port."""
    taken: set[int] = set()
    made: list[DesiredReplica] = []
    for (service, replica), (epoch, port) in sorted(wants.items()):
        free = port if port is not None and port not in taken else None
        taken |= {free} if free else set()
        made.append(a_want(replica, service=service, epoch=epoch, port=free))
    return tuple(made)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(WANTS, FAULTS, HAPPENINGS), min_size=1, max_size=4), image_there=st.booleans())
def test_whatever_happens_the_node_comes_to_what_is_desired(
    steps: list[Round],
    image_there: bool,
) -> None:
    node = VirtualNode()
    if not image_there:
        node.images.clear()
    node.look()
    node.connect()
    wants: tuple[DesiredReplica, ...] = ()
    for number, (wanted, faults, happenings) in enumerate(steps, start=1):
        wants = legal(wanted)
        node.faults = list(faults)
        node.desire(*wants, revision=number)
        for happening in happenings:
            happen(node, happening, wants, number)
            node.run(0.3)
    for _ in range(3):
        node.run(130)
        for asked in [m for m in node.sent if isinstance(m, ConfirmStop)][-1:]:
            node.hear(StopConfirmed(incarnation=asked.incarnation, revision=asked.revision))
        node.look()
    node.run(130)
    wanted_refs = {a_ref(w.replica, epoch=w.epoch, service=w.service) for w in wants}
    reports = {ref: node.report(ref) for ref in wanted_refs}
    given_up = {ref for ref, report in reports.items() if report is not None and report.gave_up}
    expected = wanted_refs - given_up
    assert node.running() == expected
    assert {c.ref for c in node.containers.values()} - given_up == expected
    assert {report.state for ref in expected if (report := reports[ref])} <= {"running"}
    assert not given_up or len(faults_and_crashes(steps)) >= FAILURES_MAX, "nothing is given up for less"
    before = len(node.steps)
    node.run(3600)
    node.look()
    assert len(node.steps) == before, "at rest, nothing is done"


def faults_and_crashes(steps: list[Round]) -> list[object]:
    """All that may count as a failure."""
    return [bad for _, faults, happenings in steps for bad in (*faults, *(h for h in happenings if h == "crash"))]


def happen(node: VirtualNode, happening: str, wants: tuple[DesiredReplica, ...], revision: int) -> None:
    """One bad thing."""
    running = sorted(node.running(), key=str)
    match happening:
        case "crash" if running:
            node.exit(running[0])
        case "remove" if running:
            container = node.of(running[0])
            assert container is not None
            del node.containers[container.id]
            node.see(container.id)
        case "reconnect":
            node.disconnect()
            node.connect()
            node.desire(*wants, revision=revision)
        case "look":
            node.look()
        case "break":
            node.look(after_break=True)
        case _:
            node.run(1)
