"""Fixtures of the command line's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ropeteam.__main__ import run
from tests.unit.ropeteam.fake_api import FakeApi, serving


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Rope = Callable[..., Ran]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A Center that answers as told."""
    monkeypatch.setattr("ropeteam.client.RETRY_S", 0.001)
    with serving() as found:
        yield found


@pytest.fixture
def rope(api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rope:
    """Run `rope` against `api`."""
    monkeypatch.setenv("ROPE_CONFIG", str(tmp_path / "rope" / "config.toml"))
    monkeypatch.setenv("ROPE_URL", api.url)
    monkeypatch.setenv("ROPE_TOKEN", "s3cret")
    monkeypatch.setattr("ropeteam.states.POLL_S", 0.001)
    monkeypatch.setattr("ropeteam.states.POLL_MAX_S", 0.002)

    def call(*arguments: str) -> Ran:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call
