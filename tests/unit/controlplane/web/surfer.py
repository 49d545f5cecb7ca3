"""A browser of sorts for tests of the pages: a client with cookies that sends what browsers send, without a token."""

import re

from starlette.testclient import TestClient

from controlplane.web.dashboard import Dashboard
from controlplane.web.routes import application, page_routes, routes
from tests.unit.controlplane.web.fake_center import TOKEN, FakeCenter

_CSRF = re.compile(r'name="csrf" value="([^"]*)"')


class Surfer:
    """One browser on one Center. `dashboard`: the Center's."""

    def __init__(self, center: FakeCenter, dashboard: Dashboard | None = None) -> None:
        door = center.door()
        self.center = center
        self.dashboard = dashboard or Dashboard(door)
        app = application([*routes(door), *page_routes(self.dashboard)])
        self.http = TestClient(
            app,
            base_url=center.public_url,
            headers={"Origin": center.public_url},
            raise_server_exceptions=False,
            follow_redirects=False,
        )

    def csrf(self, path: str) -> str:
        """The secret in the form of a page."""
        found = _CSRF.search(self.http.get(path).text)
        assert found is not None, "the page has no form"
        return found[1]

    def sign_in(self, token: str = TOKEN) -> int:
        """Fill in the form as people do; returns the status."""
        return self.http.post("/login", data={"token": token, "csrf": self.csrf("/login")}).status_code
