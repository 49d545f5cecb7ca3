"""Which images nobody needs."""

import msgspec

from controlplane.core.fact import ImagesRemoved
from controlplane.core.images import REMOVED_MAX, unused
from controlplane.core.task import Task
from controlplane.web.language import languages
from protocol.spec import ServiceSpec
from tests.unit.controlplane.core.world import World
from tests.unit.controlplane.sample_cluster import cluster, node, project, revision

OLD, NEW, OTHER = (f"web@sha256:{digit * 64}" for digit in "abc")


def test_only_what_no_kept_revision_names_is_unused() -> None:
    first = msgspec.structs.replace(revision(), pins={"web": OLD})
    second = msgspec.structs.replace(revision(), number=2, pins={"web": NEW})
    found = cluster(node("node-1", 1), project(), first, second)
    assert unused(found, (OLD, NEW, OTHER)) == (OTHER,)
    assert unused(cluster(node("node-1", 1)), (OLD, NEW)) == (OLD, NEW), "in the order they were asked for"
    assert unused(found, ()) == ()


def test_the_same_image_under_another_name_is_used() -> None:
    found = cluster(project(), msgspec.structs.replace(revision(), pins={"web": OLD}))
    assert unused(found, (f"docker.io/library/{OLD}", f"mirror.example/{OLD}")) == ()


def test_a_revision_that_is_not_resolved_yet_uses_what_its_file_pins() -> None:
    spec = ServiceSpec(name="web", image=OLD)
    found = cluster(project(), msgspec.structs.replace(revision(spec), pins={}))
    assert unused(found, (OLD, NEW)) == (NEW,)


def test_a_center_that_was_just_restored_calls_nothing_unused() -> None:
    found = cluster(node("node-1", 1))
    found.meta = msgspec.structs.replace(found.meta, adopting=True)
    assert unused(found, (OLD,)) == ()


def test_what_was_removed_is_written_down_and_nothing_else_that_an_agent_says() -> None:
    world = World(("node-1",))
    epoch = world.agents["node-1"].epoch
    said = (OLD, "web@sha256:ab", "\x1b[2J" + NEW, *[OTHER] * REMOVED_MAX)
    world.send(ImagesRemoved(node="node-1", session_epoch=epoch - 1, images=said))
    assert [e for e in world.events if e.kind == "node.image"] == [], "of an older session"
    world.send(ImagesRemoved(node="node-1", session_epoch=epoch, images=said))
    told = [e for e in world.events if e.kind == "node.image"]
    assert told[0].text == f"node-1 removed image {OLD}: no kept revision uses it, and its disk is short"
    assert told[0].node == "node-1" and len(told) == REMOVED_MAX - 2
    assert "删除了镜像 " + OLD in languages()["zh"].sentence(told[0].text)


def test_what_a_task_is_about_is_used_until_it_ended() -> None:
    task = Task(id="t1", kind="pull", node="node-1", image=OLD, state="running", created_at=0.0, deadline_at=9.0)
    assert unused(cluster(node("node-1", 1), task), (OLD,)) == ()
    ended = msgspec.structs.replace(task, state="done")
    assert unused(cluster(node("node-1", 1), ended), (OLD,)) == (OLD,)
