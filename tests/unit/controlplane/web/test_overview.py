"""What calls for attention, and in which order."""

import msgspec

from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment, DeploymentState
from controlplane.core.views import Figures, node_view, project_view
from controlplane.web.card import Card, Row, card, row
from controlplane.web.overview import TONES, totals, troubles
from controlplane.web.trend import Lines
from tests.unit.controlplane.sample_cluster import NOW, WALL, shop
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

CLUSTER = shop()


def node(name: str = "node-1", **fields: object) -> Card:
    view = node_view(CLUSTER, CLUSTER.nodes["node-1"], Figures(), NOW)
    return msgspec.structs.replace(card(view, Lines(), None), name=name, key=f"node-{name}", **fields)


def project(code: str = "shop", **fields: object) -> Row:
    view = project_view(CLUSTER, CLUSTER.projects["shop"], NOW)
    return msgspec.structs.replace(row(view), code=code, key=f"project-{code}", **fields)


def test_nothing_wrong_is_nothing_told() -> None:
    assert troubles((), [node(), node(flags=("draining",))], [project(), project(state="deploying")]) == ()


def test_the_center_is_before_nodes_before_projects_and_the_worst_is_first() -> None:
    found = troubles(
        ["the disk is full"],
        [node("a", state="unknown"), node("b", state="suspect"), node("c", state="offline")],
        [project("p", state="degraded"), project("q", state="failed"), project("r", state="interrupted")],
    )
    assert [(t.kind, t.subject) for t in found] == [
        ("center", "Center"), ("node", "c"), ("node", "b"), ("node", "a"),
        ("project", "q"), ("project", "r"), ("project", "p"),
    ]  # fmt: skip
    assert len({t.key for t in found}) == len(found)


def test_a_lost_node_carries_what_is_known_of_it() -> None:
    (found,) = troubles((), [node(state="offline", seen=5.0, interrupted=4, held=True)], [])
    assert (found.state, found.seen, found.interrupted, found.held) == ("offline", 5.0, 4, True)


def test_an_online_node_may_be_in_trouble_too() -> None:
    (full,) = troubles((), [node(disk=88.0)], [])
    assert (full.disk, full.tone) == (88.0, "wa")
    assert troubles((), [node(disk=84.0)], []) == ()
    (closed,) = troubles((), [node(note="disk 5 % free", flags=("unschedulable",))], [])
    assert (closed.state, closed.text) == ("unschedulable", "disk 5 % free")
    (down,) = troubles((), [node(engine_ok=False)], [])
    assert "Docker" in down.text


def test_a_projects_sentence_is_the_views() -> None:
    (found,) = troubles((), [], [project(state="degraded", message="2 of 3 healthy")])
    assert (found.state, found.text, found.tone) == ("degraded", "2 of 3 healthy", TONES["degraded"])


def test_totals() -> None:
    found = totals(
        [node(), node(state="offline")], [project(running=2, wanted=3), project(state="failed", running=0, wanted=1)]
    )
    assert (found.nodes, found.online, found.projects, found.well, found.up, found.replicas) == (2, 1, 2, 1, 2, 4)


def test_a_deployment_that_finds_no_place_is_called_to_attention() -> None:
    assert troubles((), [], [project(state="deploying")]) == ()
    (found,) = troubles((), [], [project(state="deploying", unplaced=3, message="web/1 pending: 0.1 CPU short")])
    assert (found.state, found.tone, found.text) == ("pending", "wa", "web/1 pending: 0.1 CPU short")
    assert troubles((), [], [project(state="stopped", unplaced=1)]) == ()


def test_a_release_that_went_back_stays_until_it_is_dismissed_or_superseded(center: FakeCenter) -> None:
    def put(number: int, state: DeploymentState) -> None:
        made = Deployment(id=number, project="shop", kind="update", revision=1, created_at=WALL, state=state)
        center.cluster.apply(Changes(puts=[msgspec.structs.replace(made, reason=f"reason {number}")]))

    def signed_in() -> Surfer:
        made = Surfer(center)
        made.sign_in()
        return made

    def shown(surfer: Surfer) -> str:
        html = surfer.http.get("/").text
        return html[html.index('id="attention"') : html.index('id="map"')]

    put(7, "rolled_back")
    surfer = signed_in()
    assert "reason 7" in shown(surfer) and "All well" not in shown(surfer) and 'href="/deployments/7"' in shown(surfer)
    surfer.http.post("/deployments/7/dismiss", data={"csrf": surfer.csrf("/")})
    assert "All well" in shown(surfer)
    put(8, "failed")
    assert "reason 8" in shown(signed_in())
    put(9, "succeeded")
    assert "All well" in shown(signed_in())
