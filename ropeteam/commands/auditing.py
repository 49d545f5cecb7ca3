"""`rope audit`: who asked for what."""

import click

from ropeteam.output import Format, note, print_json, print_lines
from ropeteam.session import client, reads, talks


@click.command()
@click.option("--project", default="", help="Only about this project.")
@click.option("--node", default="", help="Only about this node.")
@click.option("-n", "--lines", type=click.IntRange(1, 1000), default=50, show_default=True, help="So many, the newest.")
@talks
@reads
@click.pass_context
def audit(context: click.Context, project: str, node: str, lines: int, form: Format) -> None:
    """Show who asked for what."""
    from protocol.api import Page
    from ropeteam.rows import event_line

    page = client(context).get("audit", Page, limit=lines, project=project, node=node)
    match form:
        case "json":
            print_json(page.events)
        case "name":
            print_lines(str(event.seq) for event in page.events)
        case "table":
            print_lines(event_line(event) for event in page.events)
            if not page.events:
                note("Nobody asked for anything yet.")
