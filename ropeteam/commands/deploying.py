"""`rope plan`, `rope deploy` and `rope compose config`: Compose files to the Center, or to the screen."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ropeteam.commands.operating import operate, waits
from ropeteam.fault import Exit
from ropeteam.output import Format, note, print_json, print_lines, print_table
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    from protocol.api import PlanAnswer
    from ropeteam.client import Client
    from ropeteam.composing import Composed

F = TypeVar("F", bound=Callable[..., Any])

_STRATEGIES = ["least_loaded", "labels", "affinity"]
_PATH = click.Path(allow_dash=True)  # a variable with several is split at ':', as COMPOSE_FILE is


def _images(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for text in given:
        service, _equals, image = text.partition("=")
        if not service or not image:
            raise click.BadParameter(f"{text!r} is not SERVICE=IMAGE")
        wanted[service] = image
    return wanted


def _from_files(command: F) -> F:
    """Add what says which files, and how they are worked out: `-f`, `--env-file`, `--profile`, `--set-image`, `-p`."""
    for option in (
        click.option(
            "--set-image", multiple=True, metavar="SERVICE=IMAGE", callback=_images,
            help="Another image for a service; may be repeated.",
        ),
        click.option(
            "--profile", multiple=True, metavar="NAME",
            help="Deploy its services too; * = all.  [default: COMPOSE_PROFILES]",
        ),
        click.option(
            "--env-file", multiple=True, type=_PATH, metavar="FILE",
            help="Variables for the file.  [default: .env beside the first file]",
        ),
        click.option("-p", "--project", default="", metavar="CODE", help="Project.  [default: name: or folder]"),
        click.option(
            "-f", "--file", multiple=True, type=_PATH, metavar="FILE|-",
            help="Compose file; each over the one before; - is stdin.  [default: compose.yaml]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _strategic(command: F) -> F:
    choice = click.Choice(_STRATEGIES)
    return click.option("--strategy", type=choice, default=None, help="For this dispatch, over the file's.")(command)


@click.command()
@_from_files
@_strategic
@click.option("--exit-code", is_flag=True, help="Exit with 3 when a deploy would change something.")
@click.option("--print", "printed", is_flag=True, help="Print the file that would be sent, and ask nobody.")
@talks
@reads
@click.pass_context
def plan(
    context: click.Context, /, strategy: str | None, exit_code: bool, printed: bool, form: Format, **said: Any
) -> None:
    """Show what a deploy would do now, with the ranking of every node."""
    composed = _compose(said)
    if printed:
        _print(composed)
    elif not _show_plan(context, composed, strategy, form) and exit_code:
        context.exit(Exit.CHANGES)


@click.group(invoke_without_command=True)
@_from_files
@_strategic
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also when replicas are to be stopped.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@waits
@talks
@click.pass_context
def deploy(
    context: click.Context, /, strategy: str | None, yes: bool, dry_run: bool, form: Format, **given: Any
) -> None:
    """Make the project be as the Compose file says, and wait until it is.

    On a terminal it asks first when replicas are to be stopped. Ctrl-C stops the waiting, not the deployment. The
    commands below steer a deployment that is under way.
    """
    if context.invoked_subcommand is not None:
        return
    how = {name: given.pop(name) for name in ("detach", "timeout", "progress")}
    composed = _compose(given)
    if dry_run:
        _show_plan(context, composed, strategy, form)
        return
    _warn(composed)
    if not yes and sys.stdin.isatty():
        _ask_about_stops(client(context), composed, strategy)
    with _named(composed.file):
        operate(
            context, "PUT", f"projects/{composed.project}", composed.body(),
            query={"strategy": strategy or ""}, told=composed.warnings, form=form, **how,
        )  # fmt: skip


@click.group("compose")
def compose_group() -> None:
    """Work with Compose files on this machine."""


@compose_group.command("config")
@_from_files
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; say only what is wrong.")
def config(quiet: bool, **said: Any) -> None:
    """Print the file that would be sent: everything merged and filled in. The Center is not asked."""
    composed = _compose(said)
    if quiet:
        _warn(composed)
    else:
        _print(composed)


def _compose(said: dict[str, Any]) -> "Composed":
    from ropeteam.composing import Said, compose

    return compose(
        Said(
            files=said["file"],
            env_files=said["env_file"],
            profiles=said["profile"],
            images=said["set_image"],
            project=said["project"],
        )
    )


def _warn(composed: "Composed") -> None:
    from ropeteam.complaint import warnings

    for line in warnings(composed.file, composed.warnings):
        note(line)


def _print(composed: "Composed") -> None:
    _warn(composed)
    print_lines(composed.resolved.text.splitlines())


def _show_plan(context: click.Context, composed: "Composed", strategy: str | None, form: Format) -> bool:
    """Print the plan; True when a deploy would change nothing."""
    from ropeteam.complaint import warnings
    from ropeteam.rows import PLAN_COLUMNS, plan_ranking, plan_row, release_line

    _warn(composed)
    found = _plan(client(context), composed, strategy)
    for line in warnings(composed.file, found.warnings, composed.warnings):
        note(line)
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(f"{s.service}/{s.replica}" for s in found.steps if s.action != "keep")
        case "table":
            print_table(PLAN_COLUMNS, map(plan_row, found.steps), f"{found.project}: nothing to do")
            print_lines(map(release_line, found.releases))
            ranked = [s for s in found.steps if s.candidates]
            print_lines(line for s in ranked for line in (f"{s.service}/{s.replica}:", *plan_ranking(s)))
    return found.unchanged


def _ask_about_stops(center: "Client", composed: "Composed", strategy: str | None) -> None:
    from ropeteam.asking import confirm

    stops = [f"{s.service}/{s.replica}" for s in _plan(center, composed, strategy).steps if s.action == "stop"]
    if stops:
        confirm(f"This stops {', '.join(stops)} of {composed.project}. Go on?", yes=False)


def _plan(center: "Client", composed: "Composed", strategy: str | None) -> "PlanAnswer":
    from protocol.api import PlanAnswer

    path = f"projects/{composed.project}/plan"
    with _named(composed.file):
        return center.send("POST", path, PlanAnswer, composed.body(), {"strategy": strategy or ""})


class _named:
    """Inside it, details of a refusal point into this file where they name none."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from ropeteam.client import Refusal

        if isinstance(error, Refusal):
            error.file = self._file
