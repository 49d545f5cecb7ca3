"""The heartbeat's frame."""

from nodeagent.core.container import Usage
from nodeagent.core.events import EngineSilent
from nodeagent.heartbeat import PORTS_MAX, make_heartbeat
from nodeagent.meters import Readings
from tests.unit.nodeagent.core.made import WALL, VirtualNode, a_want


def test_it_says_what_was_measured_and_what_is_on_disk() -> None:
    node = VirtualNode()
    node.start(a_want())
    node.run(65)
    container_id = next(iter(node.containers))
    readings = Readings(
        cpu_percent=12.34, load=0.5, mem_free_mb=100.0, mem_total_mb=200.0, disk_free_gb=1.234, disk_total_gb=9.0,
        ports=tuple(range(1, 5000)), usage={container_id: Usage(cpu_percent=5.0, memory=2**20)},
    )  # fmt: skip
    beat = make_heartbeat(3, "agent-1", readings, node.state, revision=7, wall=WALL + node.mono)
    assert (beat.seq, beat.cpu_usage, beat.mem_free_mb, beat.disk_free_gb, beat.revision) == (3, 12.3, 100.0, 1.23, 7)
    assert beat.engine_ok and len(beat.ports) == PORTS_MAX
    line = beat.containers[0]
    assert (line.project_code, line.status, line.uptime, line.cpu_usage, line.mem_mb) == (
        "shop",
        "running",
        "1m4s",
        5,
        1,
    )


def test_one_question_without_an_answer_is_told_at_once() -> None:
    node = VirtualNode()
    node.start()
    node.tell(EngineSilent(reason="no answer in time"))
    assert node.state.engine_ok, "the agent itself waits for more"
    assert not make_heartbeat(1, "a", Readings(), node.state, revision=0, wall=WALL).engine_ok
    node.look()
    assert make_heartbeat(2, "a", Readings(), node.state, revision=0, wall=WALL).engine_ok


def test_an_engine_that_was_never_seen_is_not_ok() -> None:
    beat = make_heartbeat(1, "a", Readings(), VirtualNode().state, revision=0, wall=WALL)
    assert not beat.engine_ok and beat.containers == ()
