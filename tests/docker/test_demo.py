"""The demo, as a person runs it: up, a power loss, the return, down, and nothing left."""

import os
import re
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


def said(*argv: str) -> str:
    done = command(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
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


def test_a_demo_lives_through_a_power_loss_and_leaves_nothing(clean: None) -> None:
    text = said("demo-up", "-y")
    assert len(re.findall(r"^ +web/\d +node-\d +http://10\.77\.1\.1\d:\d+/ .* version 1$", text, re.MULTILINE)) == 3
    assert "Token" in text

    text = said("demo-failover")
    took = re.search(r"All 3 replicas answer again, ([0-9.]+) s after", text)
    assert took is not None and float(took[1]) < FAILOVER_MAX_S, text
    victim = re.search(r"Cutting the power of (node-\d)", text)
    assert victim is not None
    assert re.search(rf"\+ *\d+\.\d s .*{victim[1]}", text), "the story names the node that was lost"

    text = said("demo-return")
    assert f"{victim[1]} gets its power back" in text

    said("demo-down")
    assert not demo.FOLDER.exists() and not machines.LAB_FOLDER.exists()
    assert not network.exists(machines.LAB_NAME)
    assert network.namespaces(machines.LAB_NAME) == []
    assert list(cgroups.ROOT.glob(f"*/{cgroups.parent(machines.LAB_NAME)}")) == []
    listing = run("ps", "ax", "-o", "args")
    assert str(machines.LAB_FOLDER) not in listing and str(demo.FOLDER) not in listing
