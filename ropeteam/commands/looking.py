"""Commands that only look: status, projects, replicas, events."""

from typing import TYPE_CHECKING

import click

from ropeteam.fault import Exit
from ropeteam.output import Format, note, print_json, print_json_line, print_lines, print_table
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    from ropeteam.client import Client


@click.command()
@click.option("--check", is_flag=True, help="Exit with 1 when something is wrong.")
@talks
@reads
@click.pass_context
def status(context: click.Context, check: bool, form: Format) -> None:
    """One screen: what is wrong first, then nodes and projects."""
    from protocol.api import NodeView, ProjectView
    from ropeteam.summary import counted, wrong

    center = client(context)
    nodes, projects = center.get("nodes", list[NodeView]), center.get("projects", list[ProjectView])
    troubles = [*_adopting(center), *wrong(nodes, projects)]
    match form:
        case "json":
            print_json({"nodes": nodes, "projects": projects, "wrong": troubles})
        case "name":
            print_lines(troubles)
        case "table":
            print_lines([*(troubles or ["nothing is wrong"]), counted("nodes", nodes), counted("projects", projects)])
    if check and troubles:
        context.exit(Exit.ERROR)


def _adopting(center: "Client") -> list[str]:
    from protocol.adoption import AdoptionView
    from ropeteam.client import Refusal

    try:
        found = center.get("adoption", AdoptionView)
    except Refusal as refusal:
        if refusal.status == 404:  # a Center of a former version
            return []
        raise
    if found.state == "none":
        return []
    told = f"{len(found.differences)} differences, {len(found.away)} nodes not back"
    return [f"the Center was restored and adopts what runs, nothing is changed: {told}; see rope adoption"]


@click.command()
@talks
@reads
@click.pass_context
def ls(context: click.Context, form: Format) -> None:
    """List the projects."""
    from protocol.api import ProjectView
    from ropeteam.rows import PROJECT_COLUMNS, project_row

    found = client(context).get("projects", list[ProjectView])
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(p.code for p in found)
        case "table":
            print_table(PROJECT_COLUMNS, map(project_row, found), "No projects yet: rope deploy -f compose.yaml")


@click.command()
@click.argument("project", required=False)
@talks
@reads
@click.pass_context
def ps(context: click.Context, project: str | None, form: Format) -> None:
    """List the replicas of PROJECT, or of all."""
    from protocol.api import ProjectView
    from ropeteam.rows import REPLICA_COLUMNS, now, replica_row

    center = client(context)
    one = center.get(f"projects/{project}", ProjectView) if project else None
    found = [one] if one else center.get("projects", list[ProjectView])
    match form:
        case "json":
            print_json(one or found)
        case "name":
            print_lines(f"{p.code}/{r.service}/{r.replica}" for p in found for r in p.replicas)
        case "table":
            at = now()
            rows = (replica_row(p.code, r, at) for p in found for r in p.replicas)
            print_table(REPLICA_COLUMNS, rows, "No replicas.")
            for shown in found:
                note(f"{shown.code} {shown.state}: {shown.message}")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens.")
@click.option("--project", default="", help="Only of this project.")
@click.option("--node", default="", help="Only of this node.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 1000), default=50, show_default=True, help="Newest lines first shown."
)
@talks
@reads
@click.pass_context
def events(context: click.Context, follow: bool, project: str, node: str, lines: int, form: Format) -> None:
    """Show the journal: what happened, to what, when."""
    from protocol.api import EventView, Page
    from ropeteam.rows import event_lines
    from ropeteam.stream import Wanted, live

    def show(event: EventView) -> None:
        match form:
            case "json":
                print_json_line(event)
            case "name":
                print(event.seq, flush=True)
            case "table":
                print_lines(event_lines(event))

    center = client(context)
    page = center.get("events", Page, limit=max(1, lines), project=project, node=node)
    for event in page.events if lines else ():
        show(event)
    if follow:
        live(center, page.next_after, Wanted(project, node), show)
    elif not page.events:
        note("No events.")
