"""Commands that show everything: inspect one thing as the API has it, doctor for what is wrong on the way to it."""

from typing import Any

import click

from ropeteam.fault import Exit, Fault
from ropeteam.output import print_json, print_lines
from ropeteam.session import client, talks

JOURNAL_LINES = 1000
EVENTS_SHOWN = 20

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
    """Show one thing as the API has it: inspect project/shop, node/fra-1, deployment/41, replica/shop/web/1.

    Of a replica also what the journal says of it lately, with the last lines of its log where it was given up.
    """
    kind, slash, name = what.partition("/")
    if kind == "replica":
        print_json(_replica(context, name))
        return
    if not slash or kind not in _KINDS or not name or "/" in name:
        raise click.BadParameter(
            f"{what!r} is not one of " + ", ".join(f"{k}/NAME" for k in (*_KINDS, "replica")), param_hint="WHAT"
        )
    print_json(client(context).get(_KINDS[kind].format(name), dict[str, Any]))


def _replica(context: click.Context, name: str) -> dict[str, Any]:
    import msgspec

    from protocol.api import Page, ProjectView
    from ropeteam.target import parse_target

    center = client(context)
    target = parse_target(name, service=True)
    project = center.get(f"projects/{target.project}", ProjectView)
    found = [r for r in project.replicas if (r.service, r.replica) == (target.service, target.replica or 1)]
    if not found:
        raise Fault(f"there is no replica {name}", "rope ps shows the replicas.", Exit.NOT_FOUND)
    (replica,) = found
    page = center.get("events", Page, limit=JOURNAL_LINES, project=target.project)
    full_name = f"{target.project}/{replica.service}/{replica.replica}"
    events = [event for event in page.events if event.replica == full_name][-EVENTS_SHOWN:]
    return {"replica": msgspec.to_builtins(replica), "events": msgspec.to_builtins(events)}


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
