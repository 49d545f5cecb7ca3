"""Static files: those of others are unmodified, ours stay small, and nothing else can be fetched."""

import gzip
import hashlib
import re
from importlib.resources import files

import pytest

from controlplane.web.assets import Assets
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

VENDOR = files("static").joinpath("vendor")
_ROW = re.compile(
    r"^\| (?P<file>\S+\.(?:js|css)) \|.*\| (?P<version>[\d.]+) \|.*\| (?P<hash>[0-9a-f]{64}) \|$", re.MULTILINE
)


def test_files_of_others_are_what_was_released() -> None:
    told = {m["file"]: m["hash"] for m in _ROW.finditer(VENDOR.joinpath("VERSIONS.md").read_text())}
    found = {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in VENDOR.iterdir() if p.name.endswith((".js", ".css"))
    }
    assert found == told and len(found) == 5
    assert "Zero-Clause BSD" in VENDOR.joinpath("LICENSE.htmx").read_text()
    for name in ("LICENSE.xterm", "LICENSE.addon-fit"):
        assert "Permission is hereby granted, free of charge" in VENDOR.joinpath(name).read_text()


def test_what_a_first_visit_loads_is_small() -> None:
    assert len(files("static").joinpath("app.css").read_bytes()) <= 16 * 1024
    names = ("app.css", "app.js", "icon.svg", "vendor/htmx.min.js", "vendor/hx-ws.min.js")
    assert sum(len(gzip.compress(files("static").joinpath(n).read_bytes(), 9)) for n in names) < 30_000


def test_a_file_is_kept_for_ever_under_its_hash(center: FakeCenter) -> None:
    client = Surfer(center).http
    got = client.get(Assets().url("app.css"))
    assert (got.status_code, got.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in got.headers["cache-control"] and got.headers["content-encoding"] == "gzip"
    assert got.content == files("static").joinpath("app.css").read_bytes()
    plain = client.get("/static/app.css", headers={"accept-encoding": "identity"})
    assert plain.headers["cache-control"] == "no-cache" and "content-encoding" not in plain.headers
    again = client.get("/static/app.css", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "__init__.py",
        "vendor/VERSIONS.md",
        "vendor/LICENSE.htmx",
        "../pyproject.toml",
        "%2e%2e/pyproject.toml",
        "",
        "vendor",
    ],
)
def test_nothing_else_is_served(path: str, center: FakeCenter) -> None:
    assert Surfer(center).http.get(f"/static/{path}").status_code == 404
