"""The palette: what is typed finds things and actions, in both languages; only a typed action may change something."""

import msgspec
import pytest

from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment
from controlplane.web.language import languages
from controlplane.web.palette import DEEDS, LINKS, PAGES, SHOWN, Entry, search
from tests.unit.controlplane.sample_cluster import WALL, WEB, cluster, node, project, revision, shop
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

ZH = languages()["zh"]


def find(asked: str, code: str = "en") -> list[Entry]:
    made = shop()
    made.apply(Changes(puts=[Deployment(id=12, project="shop", kind="deploy", revision=1, created_at=WALL)]))
    return list(search(made, asked, languages()[code].message))


def test_without_a_question_it_shows_the_pages_first() -> None:
    assert [e.text for e in find("")[:3]] == ["Overview", "Projects", "Nodes"]
    assert not [e for e in find("") if e.kind == "action"]


def test_a_name_finds_the_thing_itself_and_never_changes_anything() -> None:
    found = find("shop")
    assert (found[0].path, found[0].kind) == ("/projects/shop", "project")
    assert "/deployments/12" in [e.path for e in found] and not any(e.post for e in found)


@pytest.mark.parametrize(
    ("asked", "code", "path", "post"),
    [
        ("node-2", "en", "/nodes/node-2", False),
        ("restart shop", "en", "/projects/shop/restart", True),
        ("SHOP resta", "en", "/projects/shop/restart", True),
        ("重启 shop", "zh", "/projects/shop/restart", True),
        ("restart", "zh", "/projects/shop/restart", True),
        ("drain node-1", "en", "/nodes/node-1/drain", False),
        ("设置", "zh", "/settings", False),
        ("#12", "en", "/deployments/12", False),
    ],
)
def test_words_find(asked: str, code: str, path: str, post: bool) -> None:
    first = find(asked, code)[0]
    assert (first.path, first.post) == (path, post)


def test_only_what_runs_is_stopped_and_only_what_is_stopped_started() -> None:
    assert [e.path for e in find("stop")] == ["/projects/shop/stop"]
    assert "/projects/shop/start" not in [e.path for e in find("start")]
    stopped = cluster(project(), revision(msgspec.structs.replace(WEB, replicas=0)))
    assert "/projects/shop/start" in [e.path for e in search(stopped, "start", str)]
    assert not [e for e in search(stopped, "stop", str) if e.path.endswith("/stop")]


def test_what_does_not_fit_is_not_there() -> None:
    assert find("shop node-1") == [] and find("zzz") == []


def test_every_text_is_translated() -> None:
    for text in [t for _, t in PAGES] + [t for *_, t in (*LINKS, *DEEDS)]:
        assert text == "API" or ZH.message(text) != text, text


def test_a_thousand_nodes_are_as_many_as_fit() -> None:
    made = shop()
    made.apply(Changes(puts=[node(f"n{i}", i % 250) for i in range(1000)]))
    assert len(search(made, "n", str)) == SHOWN


def test_it_is_for_who_is_signed_in_and_answers_a_fragment(center: FakeCenter) -> None:
    surfer = Surfer(center)
    assert surfer.http.get("/palette?q=shop").headers["location"] == "/login"
    surfer.sign_in()
    html = surfer.http.get("/palette?q=restart").text
    assert 'formaction="/projects/shop/restart"' in html and 'form="palette-form"' in html
    assert "<html" not in html and "Nothing fits." in surfer.http.get("/palette?q=%3Cscript%3E").text
