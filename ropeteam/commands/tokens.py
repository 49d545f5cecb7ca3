"""Commands about the tokens with which machines join."""

import click

from ropeteam.output import Format, note, print_json, print_lines, print_table
from ropeteam.session import client, reads, talks


@click.group()
def token() -> None:
    """Tokens with which machines join."""


@token.command()
@click.option("--ttl", default="15m", show_default=True, help="How long it may be used, like 90s, 15m, 2h.")
@click.option("--name", default="", help="Only a node of this name may use it.")
@click.option("--process", is_flag=True, help="The line for `rope agent`, also when the Center names an image.")
@talks
@reads
@click.pass_context
def create(context: click.Context, ttl: str, name: str, process: bool, form: Format) -> None:
    """Make a join token: one use, shown once."""
    from protocol.api import JoinTokenAnswer, JoinTokenRequest
    from ropeteam.asking import seconds

    request = JoinTokenRequest(ttl_s=seconds(ttl, "--ttl"), name=name)
    made = client(context).send("POST", "join-tokens", JoinTokenAnswer, request)
    match form:
        case "json":
            print_json(made)
        case "name":
            print_lines([made.token])
        case "table":
            note(f"Token {made.id}, one use, until {made.expires_at}. On the new machine, as root:")
            print_lines([made.process_command or made.join_command if process else made.join_command])


@token.command("ls")
@talks
@reads
@click.pass_context
def list_tokens(context: click.Context, form: Format) -> None:
    """List the join tokens of the last day, without their secrets."""
    from protocol.api import JoinTokenView

    found = client(context).get("join-tokens", list[JoinTokenView])
    match form:
        case "json":
            print_json(found)
        case "name":
            print_lines(t.id for t in found)
        case "table":
            rows = [(t.id, t.state, t.name or "any", t.expires_at) for t in found]
            print_table(("TOKEN", "STATE", "NODE", "UNTIL"), rows, "No join tokens: rope token create")


@token.command("rm")
@click.argument("identity", metavar="ID")
@talks
@click.pass_context
def revoke(context: click.Context, identity: str) -> None:
    """Revoke a join token. A node that joined with it stays."""
    client(context).send("DELETE", f"join-tokens/{identity}", type(None))
    note(f"join token {identity} is revoked")
