"""Commands about whom rope speaks to, and as whom: login, logout, whoami, context."""

import sys
from urllib.parse import urlsplit

import click

from ropeteam.fault import Exit, Fault
from ropeteam.output import Format, note, print_json, print_lines, print_table
from ropeteam.session import Session, client, reads, talks


@click.command()
@click.argument("url")
@click.option("--token-stdin", is_flag=True, help="Read the token from the first line of stdin.")
@click.option("--name", default="", help="Name of the context; the URL's host unless given.")
@click.pass_context
def login(context: click.Context, url: str, token_stdin: bool, name: str) -> None:
    """Sign in to the Center at URL, and speak to it from now on."""
    from protocol.api import WhoAnswer
    from ropeteam import contexts
    from ropeteam.client import Client

    asked = Client(url, _token(context, token_stdin))
    me = asked.get("whoami", WhoAnswer)
    name = name or (urlsplit(asked.url).hostname or "center").replace(":", "-")
    contexts.save(contexts.load().with_one(name, contexts.Context(url=asked.url, token=asked.token)))
    note(f"signed in to {asked.url} as {me.name}; context {name} is the current one")


def _token(context: click.Context, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().strip()
    if given := context.ensure_object(Session).token:
        return given
    if not sys.stdin.isatty():
        raise Fault("no token", "There is no terminal to ask on; use --token-stdin.", Exit.USAGE)
    return str(click.prompt("Token", hide_input=True, err=True)).strip()


@click.command()
@click.argument("name", required=False)
def logout(name: str | None) -> None:
    """Forget the token of the current context, or of NAME."""
    from ropeteam import contexts

    known = contexts.load()
    gone = name or known.current
    if not gone:
        raise Fault("not signed in anywhere", code=Exit.SIGNED_OUT)
    contexts.save(known.without(gone))
    note(f"signed out of {gone}")


@click.command()
@talks
@reads
@click.pass_context
def whoami(context: click.Context, form: Format) -> None:
    """Show as whom rope speaks, and to which Center."""
    from protocol.api import WhoAnswer

    center = client(context)
    me = center.get("whoami", WhoAnswer)
    match form:
        case "json":
            print_json(me)
        case "name":
            print_lines([me.name])
        case "table":
            print_lines([f"{me.name} at {center.url}  (Center {me.version}, cluster {me.cluster})"])


@click.group("context")
def context_group() -> None:
    """Centers you have signed in to."""


@context_group.command("ls")
@reads
def list_contexts(form: Format) -> None:
    """List them; * is the current one."""
    from ropeteam import contexts

    known = contexts.load()
    found = sorted(known.contexts.items())
    match form:
        case "json":
            print_json([{"name": name, "url": c.url, "current": name == known.current} for name, c in found])
        case "name":
            print_lines(name for name, _ in found)
        case "table":
            rows = [("*" if name == known.current else "", name, c.url) for name, c in found]
            print_table(("", "CONTEXT", "URL"), rows, "No contexts yet. Sign in with: rope login URL")


@context_group.command()
@click.argument("name")
def use(name: str) -> None:
    """Speak to this one from now on."""
    from ropeteam import contexts

    known = contexts.load()
    found = known.named(name)
    contexts.save(known.with_one(name, found))
    note(f"{name}: {found.url}")


@context_group.command("rm")
@click.argument("name")
def forget(name: str) -> None:
    """Forget this one and its token."""
    from ropeteam import contexts

    contexts.save(contexts.load().without(name))
    note(f"{name} is forgotten")
