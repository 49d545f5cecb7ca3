"""Commands that steer a deployment under way (`rope deploy pause` and the like), and a project's history."""

import time
from typing import TYPE_CHECKING, Any

import click

from ropeteam.commands.operating import waits
from ropeteam.output import Format, note, print_json, print_lines
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    from protocol.api import DeploymentView
    from ropeteam.client import Client
    from ropeteam.progress import Style

_TAKEN_BACK = frozenset({"rolled_back", "cancelled"})
_WENT_ON = frozenset({"succeeded"})


@click.command()
@click.argument("project")
@talks
@reads
@click.pass_context
def pause(context: click.Context, project: str, form: Format) -> None:
    """Begin nothing more of PROJECT's deployment until it is resumed."""
    made = _order(client(context), project, "pause")
    _show(made, form, f"deployment {made.id} of {project} is paused; go on: rope deploy resume {project}")


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def watch(context: click.Context, /, project: str, detach: bool, **how: Any) -> None:
    """Wait for PROJECT's deployment that runs now, showing how it goes."""
    _steer(context, project, "", _WENT_ON, detach=detach, **how)


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def resume(context: click.Context, /, project: str, **how: Any) -> None:
    """Go on with PROJECT's deployment; what failed is tried again."""
    _steer(context, project, "resume", _WENT_ON, **how)


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def promote(context: click.Context, /, project: str, **how: Any) -> None:
    """Let the canary of PROJECT take over; the rest follows."""
    _steer(context, project, "promote", _WENT_ON, **how)


@click.command()
@click.argument("project")
@click.option("--id", "number", type=click.IntRange(min=1), default=None, help="A deployment that still waits.")
@waits
@talks
@click.pass_context
def cancel(context: click.Context, /, project: str, number: int | None, **how: Any) -> None:
    """End PROJECT's deployment, with everything as it was before."""
    _steer(context, project, "cancel", _TAKEN_BACK, number=number, **how)


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def abort(context: click.Context, /, project: str, **how: Any) -> None:
    """Take PROJECT's release back: canaries and new copies end, the former ones serve."""
    _steer(context, project, "abort", _TAKEN_BACK, **how)


@click.command()
@click.argument("project")
@click.option("-n", "--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="Newest deployments.")
@talks
@reads
@click.pass_context
def history(context: click.Context, project: str, lines: int, form: Format) -> None:
    """Show PROJECT's deployments: who, when, what changed, how long, result."""
    from protocol.api import HistoryEntry
    from ropeteam.rows import history_lines

    found = client(context).get(f"projects/{project}/history", list[HistoryEntry], limit=lines)
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(str(entry.deployment) for entry in found)
        case "table":
            print_lines(line for entry in found for line in history_lines(entry))


def _steer(
    context: click.Context,
    project: str,
    verb: str,
    good: frozenset[str],
    *,
    detach: bool,
    timeout: str,
    progress: "Style",
    form: Format,
    number: int | None = None,
) -> None:
    """Ask for it, wait for the end unless `detach`, and print what came of it."""
    from ropeteam.asking import seconds
    from ropeteam.follow import follow, outcome

    timeout_s, began, center = seconds(timeout, "--timeout"), time.monotonic(), client(context)
    made = _order(center, project, verb, number)
    if detach:
        note(f"Deployment {made.id} goes on. Look at it: rope history {project}")
    else:
        made = follow(center, made, timeout_s, good=good, style=progress)
    _show(made, form, "" if detach else outcome(center, made, time.monotonic() - began))


def _order(center: "Client", project: str, verb: str, number: int | None = None) -> "DeploymentView":
    """Do it to the project's deployment that runs now; "" only looks."""
    from protocol.api import DeploymentView, ProjectView
    from ropeteam.fault import Exit, Fault

    found = number or center.get(f"projects/{project}", ProjectView).deployment
    if found is None:
        raise Fault(f"no deployment of {project} runs now", f"See: rope history {project}", Exit.CONFLICT)
    if not verb:
        return center.get(f"deployments/{found}", DeploymentView)
    return center.send("POST", f"deployments/{found}/{verb}", DeploymentView)


def _show(made: "DeploymentView", form: Format, line: str) -> None:
    match form:
        case "json":
            print_json(made)
        case "name":
            print_lines([str(made.id)])
        case "table":
            print_lines([line] if line else [])
