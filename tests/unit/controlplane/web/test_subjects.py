"""Pages about one thing: a project, a node, a deployment, the events of a story. Complete at first paint."""

import pytest

from controlplane.core.deployment import Deployment, Step
from controlplane.core.journal import Event
from controlplane.web.live import OF_MAX
from protocol.names import ReplicaId
from tests.unit.controlplane.sample_cluster import WALL
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
    assert 'id="task-shop__web__1__1"' in html and 'formaction="/nodes/node-1/drain"' in html
    assert "line 299." in html and "line 298." not in html


def test_a_deployment_with_every_step(told: FakeCenter) -> None:
    html = page(told, "/deployments/7")
    assert html.count("<b>web/") == 20 and 'value="pause"' in html


def test_events_are_live_until_they_are_filtered(told: FakeCenter) -> None:
    assert 'id="events"' in page(told, "/events") and "line 300." in page(told, "/events")
    story = page(told, "/events?cause=3")
    assert "line 3." in story and "line 300." in story and "line 299." not in story and 'id="found"' in story
    assert story.index("line 3.") < story.index("line 300."), "a story is read from its beginning"
    own = page(told, "/events?node=node-1")
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
