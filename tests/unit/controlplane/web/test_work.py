"""A deployment's steps: what runs is shown, what is done is folded, what comes is counted."""

import pytest

from controlplane.core.deployment import Deployment, Step
from controlplane.core.views import deployment_view
from controlplane.web.work import STEPS_SHOWN, step_line, work
from protocol.names import ReplicaId


def shown_of(*states: str) -> tuple[list[str], int, int, int]:
    """(shown, folded, ahead, done) of a deployment with such steps."""
    steps = tuple(
        Step(kind="replace", level=0, replica=ReplicaId("shop", "web", n), state=state)  # type: ignore[arg-type]  # one of the states
        for n, state in enumerate(states, 1)
    )
    view = deployment_view(Deployment(id=7, project="shop", kind="update", revision=2, created_at=1.0, steps=steps))
    found = work(view, [step_line(s, None, 0, 0) for s in view.steps])
    assert found.count == len(states)
    return [s.what for s in found.steps], len(found.behind), found.ahead, found.done


@pytest.mark.parametrize(
    ("done", "waiting", "expected"),
    [
        (0, 3, (1, 3, 0, 0)),
        (0, 20, (1, STEPS_SHOWN, 0, 20 - STEPS_SHOWN)),
        (5, 10, (5, STEPS_SHOWN, 4, 15 - 4 - STEPS_SHOWN)),
        (18, 2, (15, STEPS_SHOWN, 14, 0)),
        (20, 0, (15, STEPS_SHOWN, 14, 0)),
    ],
)
def test_the_window_follows_the_work(done: int, waiting: int, expected: tuple[int, int, int, int]) -> None:
    shown, folded, ahead, counted = shown_of(*["done"] * done, *["waiting"] * waiting)
    first, length, behind, more = expected
    assert (shown[0], len(shown), folded, ahead, counted) == (f"web/{first}", length, behind, more, done)


def test_no_steps_yet() -> None:
    assert shown_of() == ([], 0, 0, 0)


def test_a_skipped_step_is_behind_us_and_a_failed_one_is_not() -> None:
    shown, _, _, done = shown_of("done", "skipped", "failed", "waiting")
    assert done == 2 and shown == ["web/1", "web/2", "web/3", "web/4"]
