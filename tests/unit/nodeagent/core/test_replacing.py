"""One agent's container takes another's place: every path ends with exactly one that runs."""

import random
from typing import Literal

import msgspec
import pytest

from nodeagent.core.replacing import (
    FORMER,
    NEXT,
    ONLINE_S,
    RESTARTS_MAX,
    Decide,
    Deed,
    End,
    Look,
    NameIt,
    RemoveIt,
    Seen,
    StartIt,
    StopIt,
    Verdict,
    Wait,
    next_deed,
)

Fate = Literal["online", "silent", "ends", "crashes", "gone"]
NAME = "agent"


class Machine:
    """Two containers and what the new one is like. Time passes while one waits."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.boxes = {
            "old": Look(id="old", name=NAME, status="running"),
            "new": Look(id="new", name=NAME + NEXT, status="created"),
        }
        self.waited_s = 0.0
        self.online = False
        self.verdict: Verdict = ""
        self.reason = ""
        self.deeds: list[Deed] = []

    def seen(self) -> Seen:
        return Seen(
            name=NAME, old=self.boxes.get("old"), new=self.boxes.get("new"), online=self.online,
            waited_s=self.waited_s, verdict=self.verdict,
        )  # fmt: skip

    def do(self, deed: Deed) -> None:
        self.deeds.append(deed)
        match deed:
            case StopIt(id=name):
                self._set(name, status="exited")
            case StartIt(id=name):
                assert all(not box.alive for box in self.boxes.values()), "two agents at once"
                self._set(name, status="running")
                if name == "new":
                    self._live()
            case NameIt(id=name, name=wanted):
                assert all(box.name != wanted for box in self.boxes.values()), "the name is taken"
                self._set(name, name=wanted)
            case RemoveIt(id=name):
                assert not self.boxes[name].alive, "removed while it runs"
                del self.boxes[name]
            case Decide(verdict=verdict, reason=reason):
                self.verdict, self.reason = verdict, reason
            case Wait():
                self.waited_s += 5.0
            case End():
                pass

    def run(self) -> str:
        """To the end; the name of the container that is the agent then."""
        for _ in range(100):
            deed = next_deed(self.seen())
            if isinstance(deed, End):
                (left,) = self.boxes.values()
                assert left.name == NAME and left.alive
                return left.id
            self.do(deed)
        raise AssertionError("no end")

    def _live(self) -> None:
        match self.fate:
            case "online":
                self.online = True
            case "ends":
                self._set("new", status="exited", exit_code=3)
            case "crashes":
                self._set("new", status="restarting", restarts=RESTARTS_MAX, exit_code=1)
            case "gone":
                del self.boxes["new"]
            case "silent":
                pass

    def _set(self, box: str, /, **fields: object) -> None:
        self.boxes[box] = msgspec.structs.replace(self.boxes[box], **fields)


def test_a_good_one_stays_and_the_old_one_goes() -> None:
    machine = Machine("online")
    assert machine.run() == "new"
    assert machine.deeds == [
        StopIt(id="old"),
        NameIt(id="old", name=NAME + FORMER),
        NameIt(id="new", name=NAME),
        StartIt(id="new"),
        Decide(verdict="done"),
        RemoveIt(id="old"),
    ]


@pytest.mark.parametrize(
    ("fate", "reason", "waited_s"),
    [
        ("silent", f"within {ONLINE_S:.0f} s", ONLINE_S),
        ("ends", "ended with code 3", 0.0),
        ("crashes", "ended with code 1", 0.0),
        ("gone", "is gone", 0.0),
    ],
)
def test_a_bad_one_goes_and_the_old_one_is_put_back(fate: Fate, reason: str, waited_s: float) -> None:
    machine = Machine(fate)
    assert machine.run() == "old"
    assert reason in machine.reason and machine.waited_s == waited_s
    assert machine.boxes["old"].name == NAME


@pytest.mark.parametrize("seed", range(60))
def test_whoever_goes_on_after_a_crash_ends_with_one_agent(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's chance
    fates: tuple[Fate, ...] = ("online", "silent", "ends", "crashes", "gone")
    machine = Machine(chance.choice(fates))
    for _ in range(chance.randrange(12)):
        deed = next_deed(machine.seen())
        if isinstance(deed, End):
            break
        machine.do(deed)
        if chance.random() < 0.3:  # killed: only what is on disk and in Docker is known
            machine.waited_s = 0.0
    assert machine.run() in machine.boxes
    assert (machine.verdict == "done") == ("new" in machine.boxes)


def test_nothing_is_taken_back_when_there_is_nothing_to_go_back_to() -> None:
    machine = Machine("silent")
    del machine.boxes["old"]
    assert machine.run() == "new"
    machine = Machine("online")
    machine.verdict = "failed"
    del machine.boxes["old"]
    assert isinstance(next_deed(machine.seen()), End)
