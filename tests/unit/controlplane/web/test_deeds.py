"""Forms of the pages: who may send them, what is asked of the Center, and that what is refused is said where it was
asked.
"""

import msgspec
import pytest

from composefile.read import read
from controlplane.core.cluster import Changes
from controlplane.core.command import (
    Accepted,
    CancelDeployment,
    Command,
    ConfirmDown,
    CreateTicket,
    Deploy,
    DrainNode,
    PauseDeployment,
    Plan,
    RemoveNode,
    RemoveProject,
    Restart,
    ResumeNode,
    Rollback,
    Scale,
    StartProject,
    StopProject,
)
from controlplane.core.deployment import Deployment
from controlplane.core.node import JoinTicket
from controlplane.core.record import Refused
from controlplane.web.samples import SAMPLES
from protocol.api import PlanAnswer, PlanStep
from tests.unit.controlplane.sample_cluster import WALL
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

FILE = "services: {web: {image: web:1}}\n"


@pytest.fixture
def surfer(center: FakeCenter) -> Surfer:
    """Signed in; every deployment is number 7."""
    center.reply = lambda command: Accepted(project="shop", revision=2, deployment=7)
    center.cluster.deployments[7] = Deployment(id=7, project="shop", kind="deploy", revision=1, created_at=WALL)
    made = Surfer(center)
    made.sign_in()
    return made


def send(surfer: Surfer, path: str, **fields: str) -> tuple[int, str, str]:
    """Fill in a form of the overview's session; returns status, where it leads, and the page."""
    got = surfer.http.post(path, data={"csrf": surfer.csrf("/"), **fields})
    return got.status_code, got.headers.get("location", ""), got.text


@pytest.mark.parametrize(
    ("path", "fields", "asked", "leads"),
    [
        ("/projects/shop/restart", {}, Restart(project="shop"), "/deployments/7"),
        ("/projects/shop/rollback", {}, Rollback(project="shop"), "/deployments/7"),
        ("/projects/shop/rollback", {"revision": "1"}, Rollback(project="shop", revision=1), "/deployments/7"),
        (
            "/projects/shop/scale",
            {"service": "web", "replicas": "0"},
            Scale(project="shop", services={"web": 0}),
            "/deployments/7",
        ),
        (
            "/projects/shop/scale",
            {"service": "web", "replicas.web": "5", "replicas.db": "9"},
            Scale(project="shop", services={"web": 5}),
            "/deployments/7",
        ),
        ("/projects/shop/stop", {}, StopProject(project="shop"), "/deployments/7"),
        ("/projects/shop/start", {}, StartProject(project="shop"), "/deployments/7"),
        ("/projects/shop/remove", {"confirm": "shop"}, RemoveProject(project="shop"), "/deployments/7"),
        ("/deployments/7", {"do": "pause"}, PauseDeployment(deployment=7), "/deployments/7"),
        ("/nodes/node-1/drain", {}, DrainNode(node="node-1"), "/nodes/node-1"),
        ("/nodes/node-1/resume", {}, ResumeNode(node="node-1"), "/nodes/node-1"),
        ("/nodes/node-1/confirm-down", {}, ConfirmDown(node="node-1"), "/nodes/node-1"),
        ("/nodes/node-1/remove", {"confirm": "node-1"}, RemoveNode(node="node-1", force=True), "/nodes"),
    ],
)
def test_a_form_asks_for_one_thing_and_leads_to_where_it_is_seen(
    path: str, fields: dict[str, str], asked: Command, leads: str, surfer: Surfer, center: FakeCenter
) -> None:
    assert send(surfer, path, **fields)[:2] == (303, leads)
    assert center.asked == [asked]


@pytest.mark.parametrize(
    "path", ["/projects/shop/restart", "/nodes/node-1/drain", "/deployments/7", "/new", "/join", "/settings/revoke"]
)
def test_a_form_of_somebody_else_is_refused(path: str, surfer: Surfer, center: FakeCenter) -> None:
    assert surfer.http.post(path, data={"csrf": "guessed"}).status_code == 403
    own = {"csrf": surfer.csrf("/")}
    assert surfer.http.post(path, data=own, headers={"Origin": "http://evil.example"}).status_code == 403
    assert surfer.http.post(path, data=own, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert Surfer(center).http.post(path, data=own).headers["location"] == "/login"
    assert not center.asked


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/projects/shop/scale", {"service": "web", "replicas": ""}, "must be from 0 to 1000"),
        ("/projects/shop/scale", {"service": "<b>", "replicas": "1"}, "must match"),
        ("/projects/shop/remove", {"confirm": "shop2"}, "nothing was removed"),
        ("/nodes/node-1/remove", {}, "nothing was removed"),
        ("/join", {"name": "-a"}, "must match"),
        ("/join", {"labels": "region"}, "must be key=value"),
        ("/join", {"labels": "=x"}, "must be key=value"),
        ("/deployments/7", {"do": "explode"}, "must be one of"),
    ],
)
def test_what_is_filled_in_wrongly_is_said_and_not_asked(
    path: str, fields: dict[str, str], said: str, surfer: Surfer, center: FakeCenter
) -> None:
    status, _, page = send(surfer, path, **fields)
    assert status == 400 and said in page
    assert not center.asked


@pytest.mark.parametrize("path", ["/projects/shop/restart", "/nodes/node-1/drain", "/deployments/7"])
def test_what_the_center_refuses_is_said_on_the_page(path: str, surfer: Surfer, center: FakeCenter) -> None:
    def refuse(command: object) -> None:
        raise Refused("conflict", "not <now>")

    center.reply = refuse
    status, _, page = send(surfer, path, do="cancel")
    assert status == 409 and "not &lt;now&gt;" in page and 'role="alert"' in page


@pytest.mark.parametrize(
    "path", ["/projects/none", "/nodes/none", "/deployments/99", "/deployments/x", "/projects/a/edit"]
)
def test_what_is_not_there_is_said_on_a_page(path: str, surfer: Surfer) -> None:
    got = surfer.http.get(path)
    assert got.status_code == 404 and "there is no" in got.text and got.headers["content-type"].startswith("text/html")


def test_a_join_line_is_shown_once(surfer: Surfer, center: FakeCenter) -> None:
    def make(command: Command) -> JoinTicket:
        assert isinstance(command, CreateTicket)
        made = JoinTicket(id=command.id, secret_hash=command.secret_hash, expires_at=WALL + command.ttl_s)
        center.cluster.apply(Changes(puts=[made]))
        return made

    center.reply = make
    status, _, page = send(surfer, "/join", name="fra-1", labels="region=\u5317\u4eac gpu=true", life="3600")
    (asked,) = center.asked
    assert isinstance(asked, CreateTicket) and (asked.name, asked.ttl_s) == ("fra-1", 3600)
    assert status == 200 and "rope agent --center" in page and asked.secret_hash not in page
    assert "--name fra-1 --label &#39;region=\u5317\u4eac&#39; --label gpu=true" in page, "quoted for a shell"
    assert f"view=join&amp;of={asked.id}&amp;" in page and "Waiting" in page
    assert "rope agent --center" not in surfer.http.get("/join").text


def test_a_file_with_errors_is_shown_with_them_at_their_lines(surfer: Surfer, center: FakeCenter) -> None:
    status, _, page = send(surfer, "/new", code="blog", compose="services:\n  web: {imagee: x}\n", do="deploy")
    assert status == 422 and "imagee" in page and "2:" in page
    assert not center.asked


def test_an_undo_is_an_ordinary_command(surfer: Surfer, center: FakeCenter) -> None:
    assert send(surfer, "/deployments/7/undo")[:2] == (303, "/deployments/7")
    made = center.cluster.deployments[7]
    center.cluster.deployments[7] = msgspec.structs.replace(made, state="succeeded")
    assert send(surfer, "/deployments/7/undo")[:2] == (303, "/deployments/7")
    assert center.asked == [CancelDeployment(deployment=7), StopProject(project="shop")]
    center.cluster.deployments[8] = msgspec.structs.replace(made, id=8)
    status, _, page = send(surfer, "/deployments/7/undo")
    assert status == 409 and "there is nothing to undo" in page


def test_what_a_file_changes_is_shown_with_the_plan(surfer: Surfer, center: FakeCenter) -> None:
    center.cluster.apply(Changes(puts=[msgspec.structs.replace(center.cluster.revisions["shop", 1], source=FILE)]))
    steps = tuple(
        PlanStep(service="web", replica=n, action=a, node="node-1", from_node=None, ports=(), reason="", candidates=())
        for n, a in enumerate(("return", "keep", "replace", "stop", "pending"), 1)
    )
    center.reply = lambda command: PlanAnswer(project="shop", unchanged=False, steps=steps, warnings=())
    status, _, page = send(surfer, "/new", code="shop", compose=FILE + "# <2>\n", do="plan")
    assert status == 200 and "<ins>+# &lt;2&gt;</ins>" in page and page.count('class="plan ') == 5


def test_samples_are_offered_and_are_right(surfer: Surfer) -> None:
    for name, source in SAMPLES.items():
        assert read(source, project="x", file="compose.yaml").warnings == ()
        assert surfer.http.get(f"/new?sample={name}").text.count(source.splitlines()[-1]) >= 1
    assert "nginx" in surfer.http.get("/new?sample=other").text


def test_a_plan_is_shown_before_a_deploy(surfer: Surfer, center: FakeCenter) -> None:
    step = PlanStep(
        service="web", replica=1, action="start", node="node-1", from_node=None, ports=(), reason="", candidates=()
    )
    center.reply = lambda command: PlanAnswer(project="blog", unchanged=False, steps=(step,), warnings=())
    status, _, page = send(surfer, "/new", code="blog", compose=FILE, do="plan")
    assert status == 200 and "web/1" in page and 'value="deploy"' in page
    assert isinstance(center.asked[-1], Plan)
    center.reply = lambda command: Accepted(project="blog", revision=1, deployment=8)
    assert send(surfer, "/new", code="blog", compose=FILE, do="deploy")[:2] == (303, "/deployments/8")
    deployed = center.asked[-1]
    assert isinstance(deployed, Deploy) and (deployed.spec.code, deployed.source) == ("blog", FILE)


def test_the_file_of_a_project_can_be_changed(surfer: Surfer) -> None:
    got = surfer.http.get("/projects/shop/edit")
    assert got.status_code == 200 and 'value="shop"' in got.text and "readonly" in got.text
