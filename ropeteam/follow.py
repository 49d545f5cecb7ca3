"""Waiting for a deployment: one line on stderr for each change, then what, where and how long. Asks every 0.5 s.

A Center that is away for a while is waited for; the deployment goes on there. Nothing here changes anything.
"""

import time
from collections.abc import Iterator

import click

from protocol.api import DeploymentView, ProjectView, TaskView
from ropeteam.client import Client, Refusal
from ropeteam.fault import Exit, Fault, Unreachable
from ropeteam.output import note
from ropeteam.rows import addresses

POLL_S = 0.5
POLL_MAX_S = 4.0
"""Between tries while the Center does not answer."""

ENDED = frozenset({"succeeded", "failed", "rolled_back", "cancelled", "superseded"})
ADDRESSES_MAX = 10

_CODES = {"succeeded": Exit.OK, "rolled_back": Exit.ROLLED_BACK, "failed": Exit.FAILED}


def follow(client: Client, deployment: DeploymentView, timeout_s: float) -> DeploymentView:
    """The deployment when it has ended. Raises Fault: after `timeout_s`, on Ctrl-C (it keeps running), on failure."""
    again = f"Deployment {deployment.id} keeps running. Look at it: rope ps {deployment.project}"
    try:
        ended = _wait(client, deployment, time.monotonic() + timeout_s)
    except (KeyboardInterrupt, click.Abort) as error:
        raise Fault("stopped looking", again, Exit.INTERRUPTED) from error
    if ended is None:
        raise Fault(f"not done after {timeout_s:g} s", again, Exit.TIMEOUT)
    if ended.state != "succeeded":
        raise _failure(ended)
    return ended


def _wait(client: Client, deployment: DeploymentView, until: float) -> DeploymentView | None:
    told: dict[str, str] = {}
    wait_s = POLL_S
    while True:
        for line in _news(client, deployment, told):
            note(line)
        if deployment.state in ENDED:
            return deployment
        if time.monotonic() >= until:
            return None
        time.sleep(wait_s)
        try:
            deployment = client.get(f"deployments/{deployment.id}", DeploymentView)
            if wait_s > POLL_S:
                note("the Center answers again", dim=True)
            wait_s = POLL_S
        except (Unreachable, Refusal) as error:
            if isinstance(error, Refusal) and not error.passes:
                raise
            if wait_s == POLL_S:
                note(f"{error.what}; trying again", dim=True)
            wait_s = min(POLL_MAX_S, wait_s * 2)


def _news(client: Client, deployment: DeploymentView, told: dict[str, str]) -> Iterator[str]:
    """Lines for what changed since the last look; `told` remembers what was said."""
    pulls = _pulls(client, deployment)
    for step in deployment.steps:
        pull = pulls.get(step.task or "", "")
        said = f"{step.state}{pull}" + (f": {step.reason}" if step.reason else "")
        if step.state != "waiting" and told.get(step.name) != said:
            told[step.name] = said
            yield f"  {step.name:<24} {said}"


def _pulls(client: Client, deployment: DeploymentView) -> dict[str, str]:
    """Task -> how much of an image is there, in tenths so that not every byte is a line."""
    running = {s.task for s in deployment.steps if s.task and s.state == "running"}
    if not running:
        return {}
    try:
        tasks = client.get("tasks", list[TaskView], project=deployment.project, state="running")
    except (Unreachable, Refusal):
        return {}  # how far a pull is can wait
    return {
        t.id: f" {t.bytes_done * 10 // t.bytes_total * 10} % of {t.bytes_total / 1e6:.1f} MB"
        for t in tasks
        if t.id in running and t.bytes_total
    }


def _failure(ended: DeploymentView) -> Fault:
    failed = next((s for s in ended.steps if s.state == "failed"), None)
    where = f" at {failed.name}" if failed else ""
    why = ended.reason or (failed.reason if failed else "")
    what = f"deployment {ended.id} of {ended.project} {ended.state.replace('_', ' ')}{where}" + (
        f": {why}" if why else ""
    )
    return Fault(what, f"See: rope ps {ended.project}, rope events --project {ended.project}", _exit(ended.state))


def _exit(state: str) -> Exit:
    return _CODES.get(state, Exit.CONFLICT)


def outcome(client: Client, ended: DeploymentView, took_s: float) -> str:
    """`shop revision 2 running: 3 of 3 healthy on node-1 node-2 in 14.2 s  10.0.0.1:20001->80 …`."""
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
