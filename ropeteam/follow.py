"""Waiting for a deployment, showing how it goes; then what, where and how long, or what went wrong, with last words.

Nothing here changes anything: whoever stops waiting leaves the deployment running.
"""

import re
import time
from collections.abc import Iterable

import click

from protocol.api import DeploymentView, ProjectView
from ropeteam.client import Client
from ropeteam.fault import Exit, Fault
from ropeteam.output import note
from ropeteam.progress import Style, shown
from ropeteam.rows import addresses
from ropeteam.states import ENDED, states

ADDRESSES_MAX = 10
LAST_WORDS = 20
"""Lines of the failed replica's log that are shown."""

_CODES = {"succeeded": Exit.OK, "rolled_back": Exit.ROLLED_BACK, "failed": Exit.FAILED}
_GOOD = frozenset({"succeeded"})
_REPLICA = re.compile(r"(?P<service>[a-z0-9][a-z0-9_.-]*)/(?P<replica>\d+)")


def follow(
    client: Client,
    deployment: DeploymentView,
    timeout_s: float,
    *,
    good: frozenset[str] = _GOOD,
    style: Style = "auto",
) -> DeploymentView:
    """The deployment when it has ended, or waits for a person. `good`: the ends that are what was wanted.

    Raises Fault: after `timeout_s`, on Ctrl-C (it keeps running), on another end.
    """
    project = deployment.project
    again = f"Deployment {deployment.id} keeps running. rope deploy watch {project} | rope deploy cancel {project}"
    seen = None
    try:
        with shown(style) as show:
            for seen in states(client, deployment, time.monotonic() + timeout_s):
                show(seen)
                if asks_a_person(seen.deployment):
                    return seen.deployment
    except (KeyboardInterrupt, click.Abort) as error:
        raise Fault("stopped looking", again, Exit.INTERRUPTED) from error
    assert seen is not None
    if seen.deployment.state not in ENDED:
        raise Fault(f"not done after {timeout_s:g} s", again, Exit.TIMEOUT)
    if seen.deployment.state not in good:
        _last_words(client, seen.deployment)
        raise _failure(seen.deployment)
    return seen.deployment


def asks_a_person(deployment: DeploymentView) -> str:
    """What it waits for a person to say, "" when it does not."""
    running = (s.reason for s in deployment.steps if s.state == "running")
    return next((reason for reason in running if reason.startswith("waits for a person")), "")


def _last_words(client: Client, ended: DeploymentView) -> None:
    """What the replica of the step that failed wrote last. A log that cannot be read is no second failure."""
    failed = next((s for s in ended.steps if s.state == "failed"), None)
    named = _REPLICA.search(failed.name) if failed else None
    if named is None:
        return
    from ropeteam.loglook import Look
    from ropeteam.logs import Asked, read_once
    from ropeteam.merging import Entry

    look = Look(colours=False, stamps=False)
    asked = Asked(
        project=ended.project,
        service=named["service"],
        replica=int(named["replica"]),
        node="",
        lines=LAST_WORDS,
        since_ns=0,
        follow=False,
        fits=lambda entry: True,
        filtered=False,
    )

    def show(entries: Iterable[Entry]) -> None:
        for line in look.lines(entries):
            note(f"  {line}")

    try:
        read_once(client, asked, show)
    except Fault as error:
        note(f"its log cannot be shown: {error.what}", dim=True)


def _failure(ended: DeploymentView) -> Fault:
    failed = next((s for s in ended.steps if s.state == "failed"), None)
    where = f" at {failed.name}" if failed else ""
    why = ended.reason or (failed.reason if failed else "")
    state = ended.state.replace("_", " ") + (
        f" to revision {ended.back_to}" if ended.back_to and ended.state == "rolled_back" else ""
    )
    what = f"deployment {ended.id} of {ended.project} {state}{where}" + (f": {why}" if why else "")
    return Fault(what, f"See: rope ps {ended.project}, rope events --project {ended.project}", _exit(ended.state))


def _exit(state: str) -> Exit:
    return _CODES.get(state, Exit.CONFLICT)


def outcome(client: Client, ended: DeploymentView, took_s: float) -> str:
    """`shop revision 2 running: 3 of 3 healthy on node-1 node-2 in 14.2 s  10.0.0.1:20001->80 …`."""
    if asks := asks_a_person(ended):
        return f"{ended.project} revision {ended.revision}: deployment {ended.id} {asks}"
    if ended.kind == "remove":
        return f"{ended.project} removed in {took_s:.1f} s; named volumes stay"
    try:
        project = client.get(f"projects/{ended.project}", ProjectView)
    except Fault as error:
        note(error.what)  # it succeeded all the same
        return f"{ended.project} revision {ended.revision}: deployment {ended.id} succeeded in {took_s:.1f} s"
    nodes = sorted({r.node for r in project.replicas if r.node})
    where = f" on {' '.join(nodes)}" if nodes else ""
    reached = [a for r in project.replicas for a in addresses(r)]
    shown = reached[:ADDRESSES_MAX] + ([f"and {len(reached) - ADDRESSES_MAX} more"] if reached[ADDRESSES_MAX:] else [])
    head = f"{project.code} revision {project.revision} {project.state}: {project.message}{where} in {took_s:.1f} s"
    return "  ".join([head, " ".join(shown)]).rstrip()
