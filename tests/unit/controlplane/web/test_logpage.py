"""The pages of logs and of terminals: what they offer, that opening one runs nothing, and their policies."""

import re

import pytest

from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


def signed_in(center: FakeCenter) -> Surfer:
    surfer = Surfer(center)
    surfer.sign_in()
    return surfer


def test_a_page_of_logs_offers_services_and_replicas(center: FakeCenter) -> None:
    http = signed_in(center).http
    got = http.get("/projects/shop/logs")
    assert got.status_code == 200
    assert 'href="/projects/shop/logs/web"' in got.text and "/logs/web/1" not in got.text
    one = http.get("/projects/shop/logs/web/2").text
    assert 'data-service="web" data-replica="2"' in one
    assert '<a href="/projects/shop/logs/web/2" aria-current="page">web/2</a>' in one
    assert "rope logs shop/web/2 -f" in one
    assert center.relay.streams == [], "lines are asked for over the socket"


def test_a_removed_project_has_a_page_of_logs(center: FakeCenter) -> None:
    assert signed_in(center).http.get("/projects/former/logs").status_code == 200


@pytest.mark.parametrize("path", ["/logs/-x", "/logs/web/0", "/logs/web/x", "/terminal/web/9", "/terminal/none/1"])
def test_what_cannot_be_is_not_found(path: str, center: FakeCenter) -> None:
    assert signed_in(center).http.get(f"/projects/shop{path}").status_code == 404


@pytest.mark.parametrize("path", ["/projects/shop/logs", "/projects/shop/terminal/web/1"])
def test_they_are_for_people_who_are_signed_in(path: str, center: FakeCenter) -> None:
    got = Surfer(center).http.get(path)
    assert (got.status_code, got.headers["location"]) == (303, "/login")


def test_opening_a_terminal_runs_nothing(center: FakeCenter) -> None:
    got = signed_in(center).http.get("/projects/shop/terminal/web/1")
    assert got.status_code == 200 and "vendor/xterm.js" in got.text
    assert center.asked == [] and center.relay.streams == []


def test_only_a_terminal_may_style_itself_and_with_a_new_nonce_each_time(center: FakeCenter) -> None:
    http = signed_in(center).http
    policies = []
    for _ in range(2):
        got = http.get("/projects/shop/terminal/web/1")
        policy = dict(p.strip().split(" ", 1) for p in got.headers["content-security-policy"].split(";"))
        found = re.fullmatch(r"'self' 'nonce-([\w-]{20,})'", policy["style-src"])
        assert found is not None
        assert f'nonce="{found[1]}"' in got.text
        assert policy["script-src"] == policy["connect-src"] == "'self'" and policy["default-src"] == "'none'"
        policies.append(found[1])
    assert policies[0] != policies[1]
    logs = http.get("/projects/shop/logs")
    assert "nonce" not in logs.headers["content-security-policy"] and "xterm" not in logs.text


def test_rows_lead_to_logs_and_running_replicas_to_a_terminal(center: FakeCenter) -> None:
    http = signed_in(center).http
    page = http.get("/projects/shop").text
    assert 'href="/projects/shop/logs"' in page and 'href="/projects/shop/logs/web/1"' in page
    assert 'href="/projects/shop/terminal/web/1"' in page
    assert 'href="/projects/shop/logs"' in http.get("/").text
