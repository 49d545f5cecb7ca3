"""The command that upgrades agents, and waits for it."""

import time
from typing import TYPE_CHECKING

import click

from ropeteam.output import note, print_lines
from ropeteam.session import client, talks

if TYPE_CHECKING:
    from protocol.api import UpgradeView
    from ropeteam.client import Client

LOOK_S = 0.5
AWAY_S = 60.0
"""A Center that does not answer for so long, as in its own upgrade, is waited for."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="All nodes whose agents can be upgraded.")
@click.option("--batch", default=1, show_default=True, metavar="N", help="So many nodes at a time.")
@click.option("--image", default="", metavar="REF", help="The agent's image; the Center's own release unless given.")
@click.option("--watch", is_flag=True, help="Watch the upgrade that runs, or tell of the last one; begin none.")
@click.option("-d", "--detach", is_flag=True, help="Do not wait for its end.")
@talks
@click.pass_context
def upgrade(
    context: click.Context,
    /,
    names: tuple[str, ...],
    every: bool,
    batch: int,
    image: str,
    watch: bool,
    detach: bool,
) -> None:
    """Replace the agents of nodes by another image, one batch after the other; stops at the first that fails.

    Applications go on. A new agent that opens no session within 60 s is replaced by the old one again.
    """
    from protocol.api import UpgradeRequest, UpgradeView

    center = client(context)
    if watch:
        found = center.get("upgrades", list[UpgradeView])
        if not found:
            note("No agent was ever upgraded from here.")
            return
        _follow(center, found[0])
        return
    if every == bool(names):
        raise click.UsageError("name nodes, or give --all")
    request = UpgradeRequest(nodes=names, image=image, batch=batch)
    begun = center.send("POST", "upgrades", UpgradeView, request)
    if detach:
        print_lines([f"upgrade {begun.id}"])
        note("Watch it: rope node upgrade --watch")
        return
    _follow(center, begun)


def _follow(center: "Client", seen: "UpgradeView") -> None:
    """Tell each step once, then how it ended. Raises Fault."""
    from ropeteam.fault import Exit, Fault

    told: dict[str, str] = {}
    try:
        while True:
            _tell(seen, told)
            if seen.state != "running":
                break
            time.sleep(LOOK_S)
            seen = _look(center, seen)
    except (KeyboardInterrupt, click.Abort) as error:
        raise Fault("stopped looking", "It goes on. Watch it: rope node upgrade --watch", Exit.INTERRUPTED) from error
    if seen.state != "succeeded":
        raise Fault(f"upgrade {seen.id} failed: {seen.reason}", "Applications were not touched.", Exit.FAILED)
    done = sum(turn.state == "done" for turn in seen.nodes)
    print_lines([f"upgrade {seen.id} succeeded: {done} of {len(seen.nodes)} agents run {seen.image}"])


def _look(center: "Client", seen: "UpgradeView") -> "UpgradeView":
    """As it is now. A Center that is away for a moment comes back, and goes on with it."""
    from protocol.api import UpgradeView
    from ropeteam.client import Refusal
    from ropeteam.fault import Unreachable

    until = time.monotonic() + AWAY_S
    while True:
        try:
            return center.get(f"upgrades/{seen.id}", UpgradeView)
        except Unreachable:
            if time.monotonic() >= until:
                raise
        except Refusal as refusal:
            if not refusal.passes or time.monotonic() >= until:
                raise
        time.sleep(LOOK_S)


def _tell(seen: "UpgradeView", told: dict[str, str]) -> None:
    for turn in seen.nodes:
        if turn.state in ("waiting", told.get(turn.node)):
            continue
        told[turn.node] = turn.state
        match turn.state:
            case "done":
                note(f"{turn.node}  done: agent {turn.before or '?'} -> {turn.after or '?'} ({turn.reason})")
            case _:
                note(f"{turn.node}  {turn.state}" + (f": {turn.reason}" if turn.reason else ""))
