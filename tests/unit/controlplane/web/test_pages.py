"""The overview as HTML: complete at first paint, safe with hostile text, in both languages and themes."""

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from controlplane.core.cluster import Changes
from controlplane.core.views import Figures
from tests.unit.controlplane.sample_cluster import cluster, node, replica, shop
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"


class Page(HTMLParser):
    """Elements with their attributes, and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.ids = [a["id"] for _, a in self.elements if "id" in a]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def overview(center: FakeCenter, query: str = "", **headers: str) -> str:
    surfer = Surfer(center)
    surfer.sign_in()
    got = surfer.http.get(f"/{query}", headers=headers)
    assert got.status_code == 200
    return got.text


def test_everything_is_there_before_any_script_runs(center: FakeCenter) -> None:
    html = overview(center)
    page = Page(html)
    assert {"node-node-1", "node-node-2", "project-shop", "attention", "deployments", "events"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)), "morphing needs unique ids"
    assert "2 of 2 nodes online, 3 of 3 replicas running" in html
    assert '<a href="http://10.0.0.1:20001"' in html


def test_what_is_wrong_comes_first(center: FakeCenter) -> None:
    center.cluster = shop((replica(1, "node-1", state="interrupted"), replica(2, "node-2")))
    center.cluster.apply(Changes(puts=[node("node-1", 1, state="offline", held=True, were_running=1)]))
    center.seen["node-1"] = Figures(last_seen_s=33.0)
    center.faults = ["the disk is full"]
    html = overview(center)
    attention = html[html.index('id="attention"') : html.index('id="map"')]
    assert (
        attention.index("the disk is full")
        < attention.index("trouble-node-node-1")
        < attention.index("trouble-project-shop")
    )
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", attention))
    assert ", 1 was running; the guard holds, nothing moves" in text
    assert re.search(r"unreachable, last seen \d\d:\d\d:\d\d", text)


def test_hostile_text_stays_text(center: FakeCenter) -> None:
    center.cluster = shop((replica(1, "node-1", state="failed", reason=HOSTILE), replica(2, "node-2")))
    center.cluster.apply(Changes(puts=[node("node-1", 1, unschedulable=HOSTILE)]))
    center.faults = [HOSTILE]
    for query in ("?lang=en", "?lang=zh"):
        html = overview(center, query)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script>alert" not in html and "<img src=x" not in html
        assert "{{7*7}}" in html, "and is no template either"
        assert not any(name.startswith("on") for _, attributes in Page(html).elements for name in attributes)


@pytest.mark.parametrize("path", ["/", "/login"])
def test_the_policy_forbids_everything_from_elsewhere_and_inline(path: str, center: FakeCenter) -> None:
    surfer = Surfer(center)
    if path == "/":
        surfer.sign_in()
    got = surfer.http.get(path)
    policy = dict(part.strip().split(" ", 1) for part in got.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    for kind in ("script-src", "style-src", "connect-src", "form-action"):
        assert policy[kind] == "'self'"
    assert got.headers["referrer-policy"] == "same-origin"
    assert got.headers["cache-control"] == "no-store"
    for tag, attributes in Page(got.text).elements:
        assert "style" not in attributes and tag != "style"
        assert tag != "script" or attributes["src"]
        for name in ("src", "href", "action"):
            value = attributes.get(name) or "/"
            assert value.startswith(("/", "?", "#", "http://10.0.0.")), "no request to elsewhere"


def test_scripts_never_need_eval() -> None:
    for folder in ("pages", "partials"):
        for path in files("templates").joinpath(folder).iterdir():
            text = path.read_text()
            assert "hx-on" not in text and "js:" not in text and "javascript:" not in text, path.name


def test_empty_states_carry_the_next_command() -> None:
    html = overview(FakeCenter(cluster()))
    assert "rope token create" in html and "ROPE_URL=http://10.0.0.9:8080" in html
    assert "rope deploy -f compose.yaml" in html
    assert "No deployment yet." in html and "All well" not in html


def test_the_language_is_asked_kept_or_the_browsers(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    assert '<html lang="en">' in surfer.http.get("/").text
    assert '<html lang="zh-CN">' in surfer.http.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    got = surfer.http.get("/?lang=zh")
    assert got.headers["content-language"] == "zh-CN" and "总览" in got.text and "节点" in got.text
    assert "lang=zh" in got.text, "the socket speaks it too"
    assert '<html lang="zh-CN">' in surfer.http.get("/").text, "kept"
    assert '<html lang="en">' in surfer.http.get("/?lang=en").text
    assert '<html lang="en">' in surfer.http.get("/?lang=xx").text


def test_no_english_is_left_in_a_chinese_page(center: FakeCenter) -> None:
    center.cluster = shop((replica(1, "node-1"), replica(2, "node-2", health="unhealthy")))
    html = overview(center, "?lang=zh")
    main = html[html.index("<main") :]
    text = re.sub(r"<(?:pre|code|noscript|kbd)\b.*?</(?:pre|code|noscript|kbd)>", "", main, flags=re.DOTALL)
    words = re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]+>", " ", text))
    assert set(words) <= {"shop", "node", "web", "CPU", "GiB"}


def test_the_theme_is_kept_and_system_is_the_default(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    assert "data-theme" not in surfer.http.get("/").text
    assert 'data-theme="dark"' in surfer.http.get("/?theme=dark").text
    assert 'data-theme="dark"' in surfer.http.get("/").text
    assert 'data-theme="dark"' in surfer.http.get('/?theme="><script>').text
    assert "data-theme" not in surfer.http.get("/?theme=system").text


def test_too_many_nodes_are_counted_not_drawn(center: FakeCenter) -> None:
    center.cluster.apply(Changes(puts=[node(f"n{i}", i % 250) for i in range(250)]))
    html = overview(center)
    assert html.count('<article class="node') == 200
    assert "52 more are not drawn" in html


def test_head_is_answered_and_other_methods_are_not(center: FakeCenter) -> None:
    surfer = Surfer(center)
    assert surfer.http.head("/").status_code == 303
    assert surfer.http.put("/").status_code == 405


def test_names_of_nodes_are_escaped_in_ids(center: FakeCenter) -> None:
    center.cluster.apply(Changes(puts=[node("a.b_c", 7)]))
    assert 'id="node-a_db__c"' in overview(center)


@pytest.mark.parametrize("failed", ["", "no answer"])
def test_the_sentence_is_the_one_of_the_api(failed: str, center: FakeCenter) -> None:
    center.cluster = shop(
        (replica(1, "node-1"), replica(2, "node-2", health="unhealthy", reason="exit 7")), failed=failed
    )
    told = center.client().get("/api/v1/projects/shop").json()
    html = overview(center)
    assert told["message"] in html
    assert f">{told['state'].capitalize()}</span>" in html
