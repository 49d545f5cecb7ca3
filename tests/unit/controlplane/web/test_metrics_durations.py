"""How long failovers, placements and deployments took, read from commits."""

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from controlplane.controller.feed import Feed
from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment
from controlplane.core.journal import Event
from controlplane.core.replica import Replica
from controlplane.measures import Measures
from controlplane.web.metrics_durations import Durations
from protocol.names import ReplicaId
from tests.unit.controlplane.sample_cluster import replica, shop

WEB = "shop/web/1"


class Watched:
    """Durations of the sample cluster, and commits put before them."""

    def __init__(self) -> None:
        self.measures = Measures()
        self.durations = Durations(self.measures, shop())
        self._seq = 0

    def hear(self, at: float, kind: str, **about: Any) -> None:
        """One event at that wall time."""
        self._seq += 1
        event = Event(seq=self._seq, at=at, kind=kind, text="", cause=self._seq, **about)
        self.durations.see(Changes(events=[event]))

    def lose(self, at: float) -> None:
        """node-1 is called offline after 15.2 s of silence."""
        self.hear(at, "node.offline", node="node-1", data={"silent_s": 15.2})
        self.hear(at, "replica.interrupted", node="node-1", replica=WEB)

    def sample(self, name: str, **labels: str) -> float | None:
        """What is measured so far."""
        return self.measures.registry.get_sample_value(name, labels)

    @property
    def failovers(self) -> tuple[float | None, float | None]:
        """(how many, seconds in all)."""
        name = "ropeteam_failover_duration_seconds"
        return self.sample(f"{name}_count"), self.sample(f"{name}_sum")


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_failover_takes_from_the_last_sign_of_life_to_running_elsewhere(watched: Watched) -> None:
    watched.lose(1000.0)
    watched.hear(1000.1, "replica.placed", node="node-2", replica=WEB)
    watched.hear(1001.0, "replica.running", node="node-2", replica=WEB)
    count, seconds = watched.failovers
    assert count == 1 and seconds == pytest.approx(16.2)
    assert watched.sample("ropeteam_placement_wait_seconds_sum") == pytest.approx(0.1)
    watched.hear(1002.0, "replica.running", node="node-2", replica=WEB)
    assert watched.failovers[0] == 1, "a restart there is no second failover"


def test_a_node_that_returns_in_time_is_no_failover(watched: Watched) -> None:
    watched.lose(1000.0)
    watched.hear(1001.0, "node.online", node="node-1")
    watched.hear(1001.1, "replica.running", node="node-1", replica=WEB)
    watched.hear(1900.0, "replica.running", node="node-2", replica=WEB)
    assert watched.failovers == (0, 0)


def test_an_engine_that_is_down_counts_from_the_word_interrupted(watched: Watched) -> None:
    watched.hear(1000.0, "replica.interrupted", node="node-1", replica=WEB)
    watched.hear(1003.0, "replica.running", node="node-2", replica=WEB)
    assert watched.failovers == (1, 3.0)


def test_a_held_node_counts_from_its_silence_not_from_the_word(watched: Watched) -> None:
    watched.lose(1000.0)
    watched.hear(1120.0, "node.offline", node="node-1", data={"silent_s": 135.2})
    watched.hear(1121.0, "replica.running", node="node-2", replica=WEB)
    assert watched.failovers[1] == pytest.approx(136.2)


def test_a_replica_that_is_forgotten_is_not_waited_for(watched: Watched) -> None:
    watched.lose(1000.0)
    watched.durations.see(Changes(drops=[replica(1, "node-1")]))
    watched.hear(1009.0, "replica.running", node="node-2", replica=WEB)
    assert watched.failovers[0] == 0


def test_a_pending_replica_waits_since_it_is_pending(watched: Watched) -> None:
    pending = Replica(id=ReplicaId("shop", "web", 1), revision=1, since=900.0, reason="node-1: 300 MB short")
    watched.durations.see(Changes(puts=[pending]))
    watched.durations.see(Changes(puts=[msgspec.structs.replace(pending, reason="node-1: port 80 is taken")]))
    watched.hear(960.0, "replica.placed", node="node-1", replica=WEB)
    watched.hear(970.0, "replica.placed", node="node-1", replica="shop/web/2")
    assert watched.sample("ropeteam_placement_wait_seconds_count") == 2
    assert watched.sample("ropeteam_placement_wait_seconds_sum") == 60


def test_a_deployment_counts_once_by_kind_and_result(watched: Watched) -> None:
    begun = Deployment(id=1, project="shop", kind="update", revision=1, created_at=100.0)
    running = msgspec.structs.replace(begun, state="running", started_at=110.0)
    ended = msgspec.structs.replace(running, state="rolled_back", ended_at=140.0)
    for record in (begun, running, ended, msgspec.structs.replace(ended, reason="said once more")):
        watched.durations.see(Changes(puts=[record]))
    assert watched.sample("ropeteam_deployments_ended_total", kind="update", result="rolled_back") == 1
    assert watched.sample("ropeteam_deployment_duration_seconds_sum", result="rolled_back") == 30
    assert watched.sample("ropeteam_deployments_ended_total", kind="update", result="succeeded") == 0


def test_a_deployment_that_never_began_is_measured_from_when_it_was_asked_for(watched: Watched) -> None:
    superseded = Deployment(id=1, project="shop", kind="deploy", revision=1, created_at=100.0, state="superseded")
    watched.durations.see(Changes(puts=[msgspec.structs.replace(superseded, ended_at=104.0)]))
    assert watched.sample("ropeteam_deployment_duration_seconds_sum", result="superseded") == 4


async def test_it_follows_the_feed_and_begins_anew_when_it_missed_some(watched: Watched) -> None:
    feed = Feed()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watched.durations.run(feed))
        await asyncio.sleep(0)
        event = Event(seq=1, at=1.0, kind="replica.interrupted", text="", cause=1, node="node-1", replica=WEB)
        feed.publish(Changes(events=[event]))
        await asyncio.sleep(0)
        for _ in range(1001):
            feed.publish(Changes())
        running = msgspec.structs.replace(event, seq=2, kind="replica.running", node="node-2")
        for _ in range(3):
            await asyncio.sleep(0)
        feed.publish(Changes(events=[running]))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
    assert watched.sample("ropeteam_events_total", kind="replica.running") == 1
    assert watched.failovers[0] == 0, "what it may have missed is not guessed"
    assert feed.dropped == 1000


def test_every_name_has_a_help_text(watched: Watched) -> None:
    text = generate_latest(watched.measures.registry).decode()
    for family in text_string_to_metric_families(text):
        assert family.documentation.strip(), family.name
