"""`If-Match` and `If-None-Match` on projects: a change is made to what its author saw, or not at all."""

import pytest

from controlplane.core.center import handle
from controlplane.core.command import Accepted, Deploy, RemoveProject, Restart
from controlplane.core.record import Refused
from protocol.spec import ProjectSpec, ServiceSpec
from tests.unit.controlplane.sample_cluster import NOW, shop
from tests.unit.controlplane.web.fake_center import FakeCenter

FILE = b"services: {web: {image: web:1}}"
YAML = {"content-type": "application/yaml"}


@pytest.fixture(autouse=True)
def obeying(center: FakeCenter) -> None:
    center.reply = lambda command: Accepted(project="shop", revision=2, deployment=7)


def test_the_etag_is_the_revision(center: FakeCenter) -> None:
    assert center.client().get("/api/v1/projects/shop").headers["etag"] == '"1"'
    assert center.client().post("/api/v1/projects/shop/restart").headers["etag"] == '"2"'


@pytest.mark.parametrize(
    ("headers", "status", "wanted"),
    [
        ({}, 202, None),
        ({"If-Match": '"1"'}, 202, 1),
        ({"If-Match": '"7", "1"'}, 202, 1),
        ({"If-Match": "*"}, 202, 1),
        ({"If-Match": '"2"'}, 412, None),
        ({"If-Match": 'W/"1"'}, 412, None),
        ({"If-Match": ""}, 412, None),
        ({"If-None-Match": "*"}, 202, 0),
        ({"If-None-Match": '"1"'}, 202, None),
    ],
)
def test_what_a_change_is_bound_to(
    headers: dict[str, str], status: int, wanted: int | None, center: FakeCenter
) -> None:
    got = center.client().post("/api/v1/projects/shop/restart", headers=headers)
    assert got.status_code == status
    if status == 412:
        assert got.json()["error"]["code"] == "stale" and not center.asked
    else:
        assert center.asked == [Restart(project="shop", if_revision=wanted)]


def test_a_project_that_is_not_there_matches_nothing(center: FakeCenter) -> None:
    put = center.client().put
    assert put("/api/v1/projects/blog", content=FILE, headers={**YAML, "If-Match": "*"}).status_code == 412
    assert put("/api/v1/projects/blog", content=FILE, headers={**YAML, "If-None-Match": "*"}).status_code == 202
    (asked,) = center.asked
    assert isinstance(asked, Deploy) and asked.if_revision == 0


@pytest.mark.parametrize(("present", "obeyed"), [(1, True), (0, False), (2, False), (None, True)])
def test_the_one_writer_decides(present: int | None, obeyed: bool) -> None:
    spec = ProjectSpec(code="shop", services={"web": ServiceSpec(name="web", image="web:9")})
    for command in (Deploy(spec=spec, if_revision=present), RemoveProject(project="shop", if_revision=present)):
        if obeyed:
            assert isinstance(handle(shop(), command, NOW).reply, Accepted)
            continue
        with pytest.raises(Refused, match="its revision is 1 now") as refused:
            handle(shop(), command, NOW)
        assert refused.value.code == "stale"
