"""Every URL: who may, and that whatever goes wrong is said in one shape."""

import msgspec
import pytest
from starlette.testclient import TestClient

from controlplane.core.record import Refused
from controlplane.store.store import StoreBroken, StoreFull
from controlplane.web.routes import TABLE, Row
from protocol.api import ErrorAnswer, ErrorBody
from tests.unit.controlplane.web.fake_center import FakeCenter

_OPEN = {"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"}


def error_of(content: bytes) -> ErrorBody:
    """The error in an answer; fails when it has another shape."""
    return msgspec.json.decode(content, type=ErrorAnswer).error


@pytest.mark.parametrize("row", [r for r in TABLE if isinstance(r, Row)], ids=lambda r: f"{r.method} {r.path}")
def test_only_health_and_the_description_are_open(row: Row, center: FakeCenter) -> None:
    path = row.path.format(name="node-1", code="shop", id=1)
    got = center.client(Authorization="").request(row.method, path)
    assert (got.status_code == 401) == (row.path not in _OPEN)
    if got.status_code == 401:
        assert error_of(got.content).code == "unauthorized"
        assert got.headers["www-authenticate"].startswith("Bearer")
    assert not center.asked


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic correct-horse", "correct-horse", "Bearer", "Bearer \u00e9"])
def test_a_wrong_credential_is_refused(value: str, center: FakeCenter) -> None:
    got = center.client().get("/api/v1/nodes", headers={b"Authorization": value.encode("latin-1")})
    assert got.status_code == 401


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v1/nodes/", "/api/v1/nodes/a/b"])
def test_an_unknown_path_is_404_in_the_one_shape(path: str, client: TestClient) -> None:
    got = client.get(path)
    assert got.status_code == 404
    assert error_of(got.content).code == "not_found"


def test_a_wrong_method_is_405_and_names_those_that_are_right(client: TestClient) -> None:
    got = client.post("/api/v1/projects/shop")
    assert got.status_code == 405
    assert error_of(got.content).code == "method_not_allowed"
    assert {m.strip() for m in got.headers["allow"].split(",")} == {"GET", "HEAD", "PUT", "DELETE"}


@pytest.mark.parametrize(
    ("code", "status"),
    [("not_found", 404), ("conflict", 409), ("invalid", 422), ("forbidden", 403), ("gone", 410), ("full", 507)],
)
def test_what_the_core_refuses_keeps_its_code(code: str, status: int, center: FakeCenter) -> None:
    def refuse(command: object) -> None:
        raise Refused(code, "because", field="services.web")

    center.reply = refuse
    got = center.client().post("/api/v1/projects/shop/restart")
    assert got.status_code == status
    error = error_of(got.content)
    assert (error.code, error.message, error.details[0].field) == (code, "because", "services.web")


@pytest.mark.parametrize(("error", "status"), [(StoreFull("full"), 507), (StoreBroken("broken"), 503)])
def test_trouble_with_the_store_has_its_own_status(error: Exception, status: int, center: FakeCenter) -> None:
    def fail(command: object) -> None:
        raise error

    center.reply = fail
    assert center.client().post("/api/v1/nodes/node-1/drain").status_code == status


def test_a_mistake_of_ours_is_500_without_its_details(center: FakeCenter, caplog: pytest.LogCaptureFixture) -> None:
    def fail(command: object) -> None:
        raise RuntimeError("secret-path")

    center.reply = fail
    got = center.client().post("/api/v1/nodes/node-1/drain")
    assert got.status_code == 500
    assert error_of(got.content).code == "internal"
    assert b"secret-path" not in got.content
    assert "secret-path" in caplog.text


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/healthz", "/nothing", "/api/v1/nodes"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
