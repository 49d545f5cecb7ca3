"""How a deployment is shown: redrawn, line by line, as JSON."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from rich.console import Console

from protocol.api import TaskView
from ropeteam.progress import STEPS_SHOWN, _table, shown, window
from ropeteam.states import Seen
from tests.unit.ropeteam.samples import AT, deployment, step

NOW = datetime(2026, 11, 22, 12, 4, 16, 623000, tzinfo=UTC)


def pull(done: int, total: int) -> TaskView:
    return TaskView(
        id="t1", kind="pull", state="running", node="node-1", project="shop", replica="", deployment=7, reason="",
        bytes_done=done, bytes_total=total, created_at=AT, ended_at=None,
    )  # fmt: skip


def drawn(seen: Seen) -> str:
    console = Console(width=100, file=None, color_system=None)
    with console.capture() as capture:
        console.print(_table(seen, NOW))
    return capture.get()


def test_the_list_shows_bytes_times_and_reasons() -> None:
    pulling = step("pull web:2 node-1", "running")
    pulling = msgspec.structs.replace(pulling, task="t1")
    seen = Seen(deployment("running", step("resolve web:2", "done"), pulling, step("replace web/1", "waiting")), ())
    text = drawn(Seen(seen.deployment, (pull(12_300_000, 45_600_000),)))
    assert "1 of 3 steps" in text and "12.3 of 45.6 MB" in text and "2.5 s" in text
    assert text.index("✓ resolve") < text.index("… pull") < text.index("replace web/1")


def test_a_long_list_is_a_window_around_what_runs() -> None:
    steps = tuple(step(f"replace web/{n}", "done" if n < 50 else "waiting") for n in range(100))
    rows, behind, ahead = window(steps)
    assert len(rows) == STEPS_SHOWN and behind + len(rows) + ahead == 100
    assert rows[0].state == "done" and rows[3].state == "waiting"
    assert window(steps[:3]) == (steps[:3], 0, 0)
    assert "48 earlier steps" in drawn(Seen(deployment("running", *steps)))


def test_a_line_for_each_change_with_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("plain") as show:
        show(Seen(deployment("running", step("replace web/1", "running", "starting"))))
        show(Seen(deployment("running", step("replace web/1", "running", "starting"))))
        show(Seen(deployment("paused", step("replace web/1", "running", "exit 7: \x1b[31mred"))))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(maxsplit=1)[1].split() for line in lines] == [
        ["replace", "web/1", "running:", "starting"],
        ["replace", "web/1", "running:", "exit", "7:", "\\x1b[31mred"],
        ["paused:", "nothing", "goes", "on", "until", "it", "is", "resumed"],
    ]


def test_scripts_read_a_state_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("json") as show:
        show(Seen(deployment("running")))
        show(Seen(deployment("succeeded"), (pull(1, 2),)))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(f["schema"], f["deployment"]["state"], len(f["tasks"])) for f in found] == [
        (1, "running", 0),
        (1, "succeeded", 1),
    ]


def test_hostile_texts_reach_no_terminal() -> None:
    text = drawn(Seen(deployment("running", step("replace web/1", "failed", "\x1b]0;taken\x07[bold]x"))))
    assert "\x1b" not in text and "\x07" not in text and "[bold]x" in text
