"""Commands about nodes."""

from typing import TYPE_CHECKING

import click

from ropeteam.output import Format, note, print_json, print_lines, print_table
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    pass


@click.command()
@talks
@reads
@click.pass_context
def nodes(context: click.Context, form: Format) -> None:
    """List the nodes."""
    from protocol.api import NodeView
    from ropeteam.rows import NODE_COLUMNS, node_row

    found = client(context).get("nodes", list[NodeView])
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(n.name for n in found)
        case "table":
            print_table(NODE_COLUMNS, map(node_row, found), "No nodes yet. Make a join token: rope token create")


@click.group()
def node() -> None:
    """Look at or change one node."""


@node.command()
@click.argument("name")
@talks
@reads
@click.pass_context
def show(context: click.Context, name: str, form: Format) -> None:
    """Show one node with what it runs."""
    from protocol.api import NodeView
    from ropeteam.rows import NODE_TASK_COLUMNS, node_facts, node_task_row

    found = client(context).get(f"nodes/{name}", NodeView)
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines([found.name])
        case "table":
            print_lines(node_facts(found))
            print_table(NODE_TASK_COLUMNS, map(node_task_row, found.tasks), "It runs nothing.")


@node.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what would move where, and what stays; change nothing.")
@click.option("--deadline", default="", metavar="TIME", help="Give up after so long, like 10m; what is left stays.")
@talks
@reads
@click.pass_context
def drain(context: click.Context, name: str, dry_run: bool, deadline: str, form: Format) -> None:
    """Start everything elsewhere first, then stop it here; nothing new comes."""
    from protocol.api import DrainPlan, DrainRequest, NodeView
    from ropeteam.asking import seconds
    from ropeteam.rows import drain_lines, drain_plan_lines

    center = client(context)
    if dry_run:
        plan = center.get(f"nodes/{name}/drain-plan", DrainPlan)
        match form:
            case "json":
                print_json(plan)
            case "name":
                print_lines(move.replica for move in plan.moves)
            case "table":
                print_lines(drain_plan_lines(plan))
        return
    request = DrainRequest(deadline_s=seconds(deadline, "--deadline") if deadline else 0.0)
    found = center.send("POST", f"nodes/{name}/drain", NodeView, request)
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines([found.name])
        case "table":
            for line in drain_lines(found):
                note(line)


@node.command()
@click.argument("name")
@talks
@click.pass_context
def resume(context: click.Context, name: str) -> None:
    """End a drain: the node takes work again."""
    _order(context, name, "resume", "takes work again")


@node.command("confirm-down")
@click.argument("name")
@talks
@click.pass_context
def confirm_down(context: click.Context, name: str) -> None:
    """Say that a held node is really down: its replicas move now."""
    _order(context, name, "confirm-down", "is taken as down")


@node.command()
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Also while it is online and has replicas.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.pass_context
def rm(context: click.Context, name: str, force: bool, yes: bool) -> None:
    """Forget a node and revoke its key."""
    from ropeteam.asking import confirm

    confirm(f"Remove node {name} and revoke its key?", yes)
    client(context).send("DELETE", f"nodes/{name}", type(None), query={"force": "true"} if force else None)
    note(f"{name} is removed")


@node.command()
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="K=V|K-...")
@talks
@click.pass_context
def label(context: click.Context, name: str, changes: tuple[str, ...]) -> None:
    """Set labels (region=eu) or remove them (region-)."""
    from protocol.api import NodePatch, NodeView

    labels: dict[str, str | None] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals and not change.endswith("-"):
            raise click.BadParameter(f"{change!r} is neither K=V nor K-", param_hint="K=V")
        labels[key if equals else change[:-1]] = value if equals else None
    found = client(context).send("PATCH", f"nodes/{name}", NodeView, NodePatch(labels=labels))
    print_lines([f"{found.name}  " + " ".join(f"{k}={v}" for k, v in sorted(found.labels.items()))])


@node.command()
@click.argument("name")
@click.argument("weight", type=float)
@talks
@click.pass_context
def weight(context: click.Context, name: str, weight: float) -> None:
    """Set a node's weight in scheduling; 1 is usual, 2 gets about twice the work."""
    from protocol.api import NodePatch, NodeView

    found = client(context).send("PATCH", f"nodes/{name}", NodeView, NodePatch(weight=weight))
    print_lines([f"{found.name}  weight {found.weight:g}"])


def _order(context: click.Context, name: str, order: str, done: str) -> None:
    from protocol.api import NodeView

    found = client(context).send("POST", f"nodes/{name}/{order}", NodeView)
    note(f"{found.name} {done}")
