"""`rope plan` and `rope deploy`: a Compose file to the Center."""

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

F = TypeVar("F", bound=Callable[..., Any])

_STRATEGIES = ["least_loaded", "labels", "affinity"]


def _from_file(command: F) -> F:
    strategy = click.Choice(_STRATEGIES)
    command = click.option("--strategy", type=strategy, default=None, help="For this dispatch, over the file's.")(
        command
    )
    command = click.option("-p", "--project", default="", metavar="CODE", help="Project.  [default: name: or folder]")(
        command
    )
    return click.option(
        "-f", "--file", default="compose.yaml", show_default=True, metavar="FILE|-", help="Compose file; - is stdin."
    )(command)


@click.command()
@_from_file
@click.option("--exit-code", is_flag=True, help="Exit with 3 when a deploy would change something.")
@talks
@reads
@click.pass_context
def plan(
    context: click.Context, /, file: str, project: str, strategy: str | None, exit_code: bool, form: Format
) -> None:
    """Show what a deploy would do now, with the ranking of every node."""
    from ropeteam.composing import project_of, read_text
    from ropeteam.rows import PLAN_COLUMNS, plan_ranking, plan_row

    text = read_text(file)
    found = _plan(client(context), text, file, project_of(text, file, project), strategy)
    for warning in found.warnings:
        note(f"warning: {warning.message} {warning.fix}".rstrip())
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(f"{s.service}/{s.replica}" for s in found.steps if s.action != "keep")
        case "table":
            print_table(PLAN_COLUMNS, map(plan_row, found.steps), f"{found.project}: nothing to do")
            ranked = [s for s in found.steps if s.candidates]
            print_lines(line for s in ranked for line in (f"{s.service}/{s.replica}:", *plan_ranking(s)))
    if exit_code and not found.unchanged:
        context.exit(Exit.CHANGES)


@click.command()
@_from_file
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also when replicas are to be stopped.")
@waits
@talks
@click.pass_context
def deploy(context: click.Context, /, file: str, project: str, strategy: str | None, yes: bool, **how: Any) -> None:
    """Make the project be as the Compose file says, and wait until it is.

    On a terminal it asks first when replicas are to be stopped. Ctrl-C stops the waiting, not the deployment.
    """
    from ropeteam.composing import project_of, read_text

    text = read_text(file)
    code = project_of(text, file, project)
    if not yes and sys.stdin.isatty():
        _ask_about_stops(client(context), text, file, code, strategy)
    with _named(file):
        operate(context, "PUT", f"projects/{code}", text, query={"strategy": strategy or ""}, **how)


def _ask_about_stops(center: "Client", text: bytes, file: str, code: str, strategy: str | None) -> None:
    from ropeteam.asking import confirm

    stops = [f"{s.service}/{s.replica}" for s in _plan(center, text, file, code, strategy).steps if s.action == "stop"]
    if stops:
        confirm(f"This stops {', '.join(stops)} of {code}. Go on?", yes=False)


def _plan(center: "Client", text: bytes, file: str, code: str, strategy: str | None) -> "PlanAnswer":
    from protocol.api import PlanAnswer

    with _named(file):
        return center.send("POST", f"projects/{code}/plan", PlanAnswer, text, {"strategy": strategy or ""})


class _named:
    """Inside it, details of a refusal point into this file."""

    def __init__(self, file: str) -> None:
        self._file = "stdin" if file == "-" else file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from ropeteam.client import Refusal

        if isinstance(error, Refusal):
            error.file = self._file
