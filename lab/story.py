"""`demo-failover`: cut the power of one machine of the demo, show the journal as it is written, and measure.

Also `demo-return`: the machine gets its power back and is cleaned up.
"""

import time

from lab.command import LabError
from lab.demo import NODES, PROJECT, Demo, answering, show

LIMIT_S = 120.0
POLL_S = 0.25
SETTLE_S = 12.0
"""How long the journal is shown after a machine's return: its stale containers are gone within 10 s (DESIGN §4)."""


def failover() -> float:
    """Show one failover from beginning to end; returns the seconds from power loss to the last answer.

    A machine that an earlier run left without power boots first. Raises LabError when not everything answers in time.
    """
    demo = Demo.open()
    give_power_back(demo)
    before = demo.wait_answering()
    print(f"Replicas of {PROJECT} before:\n")
    show(before)
    victim = next(replica.node for replica in before.replicas if replica.node is not None)
    lost = [f"{r.service}/{r.replica}" for r in before.replicas if r.node == victim]
    after = demo.center.last_event()
    print(f"\nCutting the power of {victim}, which runs {', '.join(lost)}.\n")
    began = time.monotonic()
    demo.machines.cut_power(victim)
    _line(0.0, f"(the power of {victim} is cut)")
    while True:
        after = _print_events(demo, after, began)
        project = demo.center.project(PROJECT)
        if all(r.node != victim for r in project.replicas) and answering(project):
            break
        if time.monotonic() - began > LIMIT_S:
            raise LabError(f"not everything answers {LIMIT_S:.0f} s after the power loss: {project.message}")
        time.sleep(POLL_S)
    took_s = time.monotonic() - began
    _print_events(demo, after, began)
    print(f"\nAll {len(project.replicas)} replicas answer again, {took_s:.1f} s after the power loss:\n")
    show(project)
    print()
    demo.rope("ps", PROJECT)
    print(
        f"\n{victim} is still without power. 'make demo-return' boots it; 'make demo-failover' does that, then goes on."
    )
    return took_s


def come_back() -> None:
    """Boot what has no power and show what happens to what it ran before."""
    demo = Demo.open()
    after = demo.center.last_event()
    began = time.monotonic()
    if not give_power_back(demo):
        print("Every machine has power.")
        return
    while time.monotonic() - began < SETTLE_S:
        after = _print_events(demo, after, began)
        time.sleep(POLL_S)
    demo.rope("nodes")


def give_power_back(demo: Demo) -> list[str]:
    """Boot the machines without power, start their agents, wait until they are online; returns their names."""
    dark = [node for node in NODES if not demo.machines.has_power(node)]
    for node in dark:
        print(f"{node} gets its power back.")
        demo.machines.give_power(node)
        demo.machines.start_agent(node, demo.state.url, "")
    if dark:
        demo.wait_online(NODES)
    return dark


def _print_events(demo: Demo, after: int, began: float) -> int:
    """Print the journal's new lines with the seconds since `began`; returns what to ask with next."""
    page = demo.center.events(after)
    for event in page.events:
        _line(time.monotonic() - began, event.text)
    return page.next_after


def _line(seconds: float, text: str) -> None:
    print(f"  +{seconds:5.1f} s  {text}", flush=True)
