"""The demo, as `docs/first-steps.md` has a person run it: up, a project, a power loss, the return, down, nothing left.

The set-up that `make demo` begins with is left out: it would install into the environment that runs these tests.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab import cgroups, demo, machines, network
from lab.command import run
from tests.docker.lab_fixtures import NOT_ROOT

FAILOVER_MAX_S = 25.0
"""DESIGN's times add up to about 18 s; the rest is for a machine that runs other tests beside this one."""


def command(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *argv],
        cwd=machines.REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def blocks(page: str) -> list[str]:
    """The commands of a page, as they stand in it."""
    text = (machines.REPOSITORY / "docs" / page).read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def said(script: str) -> str:
    """What the commands print, in one shell that ends at the first that fails."""
    lab = f"{shlex.quote(sys.executable)} -m lab"
    script = re.sub(r"^make demo$", f"{lab} demo-up -y", script, flags=re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-e"],
        cwd=machines.REPOSITORY, input=script, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.fixture
def clean() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip(NOT_ROOT)
    if demo.FOLDER.exists() or network.exists(machines.LAB_NAME):
        pytest.skip("a demo is up on this machine: this test would take it down")
    yield
    command("demo-down")


def test_without_a_terminal_nothing_is_changed_unasked(clean: None) -> None:
    done = command("demo-up")
    assert done.returncode == 2
    assert "YES=1" in done.stderr
    assert not demo.FOLDER.exists() and not network.exists(machines.LAB_NAME)


def test_the_first_steps_are_the_same_in_both_languages() -> None:
    assert len(blocks("first-steps.md")) > 8
    assert blocks("first-steps.md") == blocks("first-steps.zh-CN.md")


def test_the_first_steps_work_as_they_are_written_and_leave_nothing(clean: None) -> None:
    text = said("\n".join(blocks("first-steps.md")))
    begin, token, _ = text.partition("Token")
    assert token
    assert len(re.findall(r"^ +web/\d +node-\d +http://10\.77\.1\.1\d:\d+/ .* version 1$", begin, re.MULTILINE)) == 3
    took = re.search(r"All 3 replicas answer again, ([0-9.]+) s after", text)
    assert took is not None and float(took[1]) < FAILOVER_MAX_S, text
    victim = re.search(r"Cutting the power of (node-\d)", text)
    assert victim is not None
    assert re.search(rf"\+ *\d+\.\d s .*{victim[1]}", text), "the story names the node that was lost"
    assert f"{victim[1]} gets its power back" in text
    assert not demo.FOLDER.exists() and not machines.LAB_FOLDER.exists()
    assert not network.exists(machines.LAB_NAME)
    assert network.namespaces(machines.LAB_NAME) == []
    assert list(cgroups.ROOT.glob(f"*/{cgroups.parent(machines.LAB_NAME)}")) == []
    listing = run("ps", "ax", "-o", "args")
    assert str(machines.LAB_FOLDER) not in listing and str(demo.FOLDER) not in listing
