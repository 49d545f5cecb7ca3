"""Commands that operate a project; each makes a deployment and waits for it unless `--detach`."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from ropeteam.output import Format, note, print_json, print_lines
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    from protocol.api import Problem
    from ropeteam.progress import Style

F = TypeVar("F", bound=Callable[..., Any])


def waits(command: F) -> F:
    """Add `--detach`, `--timeout`, `--progress` and `-o` to a command."""
    command = click.option(
        "--progress", type=click.Choice(["auto", "tty", "plain", "json"]), default="auto", show_default=True,
        help="How it is shown; json: a line on stdout for each state.",
    )(command)  # fmt: skip
    command = click.option("--timeout", default="10m", show_default=True, help="Give up waiting after so long.")(
        command
    )
    command = click.option("-d", "--detach", is_flag=True, help="Do not wait.")(command)
    return reads(command)


@click.command()
@click.argument("project")
@click.argument("services", nargs=-1)
@waits
@talks
@click.pass_context
def restart(context: click.Context, /, project: str, services: tuple[str, ...], **how: Any) -> None:
    """Restart every replica of PROJECT, or of some SERVICES, one at a time."""
    from protocol.api import RestartRequest

    operate(context, "POST", f"projects/{project}/restart", RestartRequest(services=services), **how)


@click.command()
@click.argument("project")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE=N...")
@waits
@talks
@click.pass_context
def scale(context: click.Context, /, project: str, services: tuple[str, ...], **how: Any) -> None:
    """Set the number of replicas: rope scale shop web=5 worker=2."""
    from protocol.api import ScaleRequest

    wanted: dict[str, int] = {}
    for text in services:
        name, _, count = text.partition("=")
        if not name or not (count.isascii() and count.isdigit()):
            raise click.BadParameter(f"{text!r} is not SERVICE=N", param_hint="SERVICE=N")
        wanted[name] = int(count)
    operate(context, "POST", f"projects/{project}/scale", ScaleRequest(services=wanted), **how)


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def stop(context: click.Context, /, project: str, **how: Any) -> None:
    """Run none of PROJECT's replicas, dependents first; rope start brings them back."""
    operate(context, "POST", f"projects/{project}/stop", None, **how)


@click.command()
@click.argument("project")
@waits
@talks
@click.pass_context
def start(context: click.Context, /, project: str, **how: Any) -> None:
    """Run as many of PROJECT's replicas as before it was stopped."""
    operate(context, "POST", f"projects/{project}/start", None, **how)


@click.command()
@click.argument("project")
@click.option(
    "--to", type=click.IntRange(min=1), default=None, metavar="N", help="Revision.  [default: the one before]"
)
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted for scripts; nothing is asked.")
@waits
@talks
@click.pass_context
def rollback(context: click.Context, /, project: str, to: int | None, **how: Any) -> None:
    """Deploy an earlier revision again."""
    from protocol.api import RollbackRequest

    operate(context, "POST", f"projects/{project}/rollback", RollbackRequest(revision=to or 0), **how)


@click.command()
@click.argument("project", metavar="PROJECT[/SERVICE]")
@reads
@talks
@click.pass_context
def failover(context: click.Context, project: str, form: Format) -> None:
    """Start what is interrupted elsewhere now, also where x-rope.failover waits for a person."""
    from protocol.api import FailoverAnswer, FailoverRequest

    code, _, service = project.partition("/")
    body = FailoverRequest(services=(service,) if service else ())
    told = client(context).send("POST", f"projects/{code}/failover", FailoverAnswer, body)
    for name, why in told.stays.items():
        note(f"{name} stays: {why}")
    match form:
        case "json":
            print_json(told)
        case "name":
            print_lines(list(told.moving))
        case "table":
            print_lines([f"{name} is started elsewhere" for name in told.moving])


@click.command()
@click.argument("project")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@waits
@talks
@click.pass_context
def rm(context: click.Context, /, project: str, yes: bool, **how: Any) -> None:
    """Stop and forget a project; its named volumes stay."""
    from ropeteam.asking import confirm

    confirm(f"Stop and remove project {project}?", yes)
    operate(context, "DELETE", f"projects/{project}", None, **how)


def operate(
    context: click.Context,
    method: str,
    path: str,
    body: msgspec.Struct | bytes | None,
    *,
    detach: bool,
    timeout: str,
    progress: "Style",
    form: Format,
    query: dict[str, str | int] | None = None,
    told: "Sequence[Problem]" = (),
) -> None:
    """Ask for an operation, wait for its deployment unless `detach`, and print the outcome on stdout.

    `told`: warnings that were shown before.
    """
    from protocol.api import DeployAnswer
    from ropeteam.asking import seconds
    from ropeteam.complaint import warnings
    from ropeteam.follow import follow, outcome

    timeout_s, began = seconds(timeout, "--timeout"), time.monotonic()
    center = client(context)
    accepted = center.send(method, path, DeployAnswer, body, query)
    for line in warnings("compose.yaml", accepted.warnings, told):
        note(line)
    made = accepted.deployment
    if made is None or accepted.unchanged:
        print_json(accepted) if form == "json" else print_lines(
            [f"{accepted.project} revision {accepted.revision} is unchanged"]
        )
        return
    if detach:
        note(f"Deployment {made.id} runs. Look at it: rope ps {made.project}")
    else:
        made = follow(center, made, timeout_s, style=progress)
    match form:
        case "json":
            print_json(made)
        case "name":
            print_lines([str(made.id)])
        case "table" if detach:
            print_lines([f"{made.project} revision {made.revision}: deployment {made.id}"])
        case "table":
            print_lines([outcome(center, made, time.monotonic() - began)])
