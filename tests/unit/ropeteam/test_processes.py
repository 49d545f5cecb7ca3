"""`rope center` and `rope agent` become the process they start."""

import os
import sys

import pytest

from ropeteam.fault import Exit
from tests.unit.ropeteam.conftest import Rope


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The argument lists that this process would have become."""
    found: list[list[str]] = []
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(os, "execv", lambda program, arguments: found.append([program, *arguments]))
    return found


def test_the_center_gets_its_options(rope: Rope, executed: list[list[str]]) -> None:
    assert rope("center", "--data", "d", "--listen", "127.0.0.1:1", "--insecure").code == 0
    assert executed == [
        [sys.executable, sys.executable, "-P", "-m", "controlplane", "--data=d", "--listen=127.0.0.1:1", "--insecure"]
    ]


def test_the_agent_gets_every_label_and_odd_values_whole(rope: Rope, executed: list[list[str]]) -> None:
    rope("agent", "--center", "u", "--data", "d", "--label", "a=b c", "--label", "x=-y", "--bind-root", "/srv")
    assert executed[0][4:] == [
        "nodeagent", "--center=u", "--data=d", "--label=a=b c", "--label=x=-y", "--bind-root=/srv",
    ]  # fmt: skip


def test_variables_are_left_to_the_process(
    rope: Rope, executed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROPE_JOIN", "rope1.secret")
    monkeypatch.setenv("ROPE_DATA", "d")
    rope("agent")
    assert executed[0][4:] == ["nodeagent"], "a token in a variable must not show up in the process list"


def test_an_unknown_option_is_refused_here(rope: Rope, executed: list[list[str]]) -> None:
    assert rope("center", "--nope").code == Exit.USAGE
    assert not executed
