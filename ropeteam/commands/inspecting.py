"""Commands that show everything: inspect one thing as the API has it, doctor for what is wrong on the way to it."""

from typing import Any

import click

from ropeteam.fault import Exit
from ropeteam.output import print_json, print_lines
from ropeteam.session import client, talks

_KINDS = {
    "project": "projects/{}",
    "node": "nodes/{}",
    "deployment": "deployments/{}",
}


@click.command()
@click.argument("what", metavar="KIND/NAME")
@talks
@click.pass_context
def inspect(context: click.Context, what: str) -> None:
    """Show a project, node or deployment as the API has it: inspect project/shop, node/fra-1, deployment/41."""
    kind, slash, name = what.partition("/")
    if not slash or kind not in _KINDS or not name or "/" in name:
        raise click.BadParameter(f"{what!r} is not one of " + ", ".join(f"{k}/NAME" for k in _KINDS), param_hint="WHAT")
    print_json(client(context).get(_KINDS[kind].format(name), dict[str, Any]))


@click.command()
@talks
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look at everything between here and the nodes, and say what is wrong and what to do."""
    from ropeteam.doctor import examine

    findings = examine(client(context))
    print_lines(finding.line for finding in findings)
    if not all(finding.well for finding in findings):
        context.exit(Exit.ERROR)
