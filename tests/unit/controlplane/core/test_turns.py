"""Big decisions take turns: none looks at more rooms than fit in 20 ms, and together they get everything done."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controlplane.core import draft as draft_module
from controlplane.core.command import Deploy
from controlplane.core.deployment import ENDED
from controlplane.core.draft import LOOKS_MAX, Draft
from protocol.spec import Resources
from tests.unit.controlplane.core.world import GIB, World, a_project, a_service


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Draft]]:
    """Every draft made inside."""
    made: list[Draft] = []
    begin = draft_module.Draft.__init__

    def note(self: Draft, *args: object) -> None:
        begin(self, *args)  # type: ignore[arg-type]  # passed on
        made.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(draft_module.Draft, "__init__", note)
        yield made


def test_a_deploy_of_many_replicas_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([f"node-{i:02}" for i in range(30)])
    with counted(monkeypatch) as drafts:
        accepted = world.send(Deploy(spec=a_project("shop", a_service(replicas=150))))
        world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    assert world.deployment(accepted.deployment).state == "succeeded"
    assert world.all_running(count=150)
    assert max(d.looks for d in drafts) <= LOOKS_MAX + 30 + draft_module.PLACEMENT_LOOKS
    assert sum(d.unfinished for d in drafts) >= 2


def test_a_failover_of_many_replicas_takes_turns_and_reaches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(("node-1", "node-2", "node-3"))
    accepted = world.send(Deploy(spec=a_project("shop", a_service(replicas=75))))
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    world.power_off("node-1")
    world.run(1)
    with counted(monkeypatch) as drafts:
        took = world.until(lambda: world.all_running(count=75) and not any(n == "node-1" for *_, n in world.states()))
    assert took <= 18.0
    assert max(d.looks for d in drafts) <= LOOKS_MAX + 3 + draft_module.PLACEMENT_LOOKS


def test_replicas_that_fit_nowhere_do_not_keep_later_ones_waiting() -> None:
    world = World(("node-1", "node-2"))
    big = Resources(memory_reserved=100 * GIB)
    stuck = [a_service(f"a{i:02}", resources=big) for i in range(60)]
    world.send(Deploy(spec=a_project("aaa", *stuck)))
    world.send(Deploy(spec=a_project("zzz", a_service(resources=Resources(memory_reserved=5 * GIB)))))
    world.run(20)
    assert world.replicas("zzz")[0].state == "pending"
    world.mem_free = 7 * GIB
    world.until(lambda: world.all_running("zzz", 1), 10.0)
