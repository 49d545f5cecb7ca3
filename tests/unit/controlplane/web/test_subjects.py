"""Pages about one thing: a project, a node, a deployment, the events of a story. Complete at first paint."""

import msgspec
import pytest

from controlplane.core.cluster import Changes
from controlplane.core.command import PlanDrain
from controlplane.core.deployment import Deployment, Step
from controlplane.core.journal import Event
from controlplane.web.live import OF_MAX
from protocol.api import DrainBlocker, DrainMove, DrainPlan
from protocol.names import ReplicaId
from tests.unit.controlplane.sample_cluster import WALL, WEB, cluster, node, project, revision
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


@pytest.fixture
def told(center: FakeCenter) -> FakeCenter:
    """A deployment of 20 steps, and a journal of 300 lines; every third belongs to the story of line 3."""
    steps = tuple(
        Step(kind="replace", level=1, service="web", replica=ReplicaId("shop", "web", n), state="done")
        for n in range(1, 21)
    )
    made = Deployment(id=7, project="shop", kind="update", revision=1, created_at=WALL, state="running", steps=steps)
    center.cluster.deployments[7] = made
    center.journal = [
        Event(seq=n, at=WALL, kind="k", text=f"line {n}.", cause=3 if n % 3 == 0 else n, node="node-1" if n % 2 else "")
        for n in range(1, 301)
    ]
    center.cluster.meta = type(center.cluster.meta)(cluster="c1", event_seq=300)
    return center


def page(center: FakeCenter, path: str) -> str:
    surfer = Surfer(center)
    surfer.sign_in()
    got = surfer.http.get(path)
    assert got.status_code == 200
    return got.text


def test_a_project_with_its_replicas(told: FakeCenter) -> None:
    html = page(told, "/projects/shop")
    assert 'id="replica-web__1"' in html and "3 of 3" in html and 'href="/deployments/7"' in html
    assert 'hx-ws:connect="/live?view=project&amp;of=shop&amp;lang=en"' in html


def test_a_node_with_what_it_runs(told: FakeCenter) -> None:
    html = page(told, "/nodes/node-1")
    assert 'id="task-shop__web__1__1"' in html and 'href="/nodes/node-1/drain"' in html
    assert "line 299." in html and "line 298." not in html


def test_a_deployment_with_every_step(told: FakeCenter) -> None:
    html = page(told, "/deployments/7")
    assert html.count("<b>web/") == 20 and 'value="pause"' in html and 'value="promote"' not in html


def test_what_went_well_keeps_its_steps_on_its_own_page(told: FakeCenter) -> None:
    made = told.cluster.deployments[7]
    told.cluster.deployments[7] = msgspec.structs.replace(made, state="succeeded", warnings=("mind <this>",))
    html = page(told, "/deployments/7")
    assert html.count("<b>web/") == 20 and "mind &lt;this&gt;" in html and 'value="pause"' not in html
    assert "<b>web/" not in page(told, "/")


def test_all_projects_have_a_page(told: FakeCenter) -> None:
    html = page(told, "/projects")
    assert 'id="project-shop"' in html and 'data-filter="projects"' in html and 'href="/new"' in html


def test_a_projects_configuration_and_the_ways_back(told: FakeCenter) -> None:
    first = told.cluster.revisions["shop", 1]
    second = msgspec.structs.replace(first, number=2, source="services: {web: {image: '<2>'}}", actor="eve")
    told.cluster.apply(Changes(puts=[second, project(revision=2, last_revision=2)]))
    html = page(told, "/projects/shop")
    assert "&lt;2&gt;" in html and 'name="revision" value="1"' in html and 'name="revision" value="2"' not in html
    assert 'formaction="/projects/shop/stop"' in html and 'name="replicas.web"' in html


def test_a_stopped_project_can_be_started(center: FakeCenter) -> None:
    center.cluster = cluster(project(), revision(msgspec.structs.replace(WEB, replicas=0)))
    html = page(center, "/projects/shop")
    assert 'formaction="/projects/shop/start"' in html and 'formaction="/projects/shop/stop"' not in html


def test_a_drain_is_shown_before_it_begins_and_while_it_goes(told: FakeCenter) -> None:
    told.reply = lambda command: DrainPlan(
        node="node-1",
        moves=(
            DrainMove(replica="shop/web/1", to="node-2", reason=""),
            DrainMove(replica="shop/web/3", to=None, reason="no <room>"),
        ),
        blockers=(DrainBlocker(replica="shop/db/1", reason="volume data lives here"),),
    )
    html = page(told, "/nodes/node-1/drain")
    assert told.asked == [PlanDrain(node="node-1")]
    assert "<b>node-2</b>" in html and "no &lt;room&gt;" in html and "volume data lives here" in html
    told.cluster.apply(Changes(puts=[node("node-1", 1, draining=True, drain="moving", drain_total=4)]))
    assert "2 of 4 moved" in page(told, "/nodes/node-1")


def test_events_are_live_until_they_are_filtered(told: FakeCenter) -> None:
    assert 'id="events"' in page(told, "/events") and "line 300." in page(told, "/events")
    story = page(told, "/events?cause=3")
    assert "line 3." in story and "line 300." in story and "line 299." not in story
    assert story.index("line 3.") < story.index("line 300."), "a story is read from its beginning"
    assert "view=story&amp;of=3&amp;" in story
    own = page(told, "/events?node=node-1")
    assert "view=fresh&amp;of=node%3Dnode-1%26after%3D300&amp;" in own, "what comes next is shown by itself"
    assert "line 299." in own and "line 300." not in own and "before=101" in own
    assert "line 99." in page(told, "/events?node=node-1&before=101")


async def test_a_view_about_one_thing_needs_it(center: FakeCenter) -> None:
    live = Surfer(center).dashboard.live
    assert live.knows("project", "shop", "en") and live.knows("overview", "", "zh")
    assert not live.knows("project", "", "en") and not live.knows("overview", "shop", "en")
    assert not live.knows("project", "x" * (OF_MAX + 1), "en") and not live.knows("project", "shop", "xx")


async def test_sheets_that_nobody_looks_at_are_dropped(center: FakeCenter) -> None:
    live = Surfer(center).dashboard.live
    for number in range(50):
        await live.sheet("project", f"shop-{number}", "en")
    await live.sheet("overview", "", "en")
    assert live.sheets == 1
