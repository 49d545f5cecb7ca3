"""Options that every talking command has, and the client made from them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ropeteam.client import Client
    from ropeteam.contexts import Context


DEFAULT_URL = "http://127.0.0.1:8080"

F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """What was said before the command's name; a command's own options win."""

    def __init__(self, url: str = "", token: str = "", context: str = "") -> None:
        self.url = url
        self.token = token
        self.context = context


def talks(command: F) -> F:
    """Add `--url`, `--token` and `--context` to a command; all may also stand before its name."""
    command = click.option(
        "--context", envvar="ROPE_CONTEXT", default="", metavar="NAME", expose_value=False, callback=_keep,
        help="A Center you signed in to.  [env: ROPE_CONTEXT]",
    )(command)  # fmt: skip
    command = click.option(
        "--token", envvar="ROPE_TOKEN", default="", metavar="TOKEN", help="Admin token.  [env: ROPE_TOKEN]",
        expose_value=False, callback=_keep,
    )(command)  # fmt: skip
    return click.option(
        "--url", envvar="ROPE_URL", default="", metavar="URL", expose_value=False, callback=_keep,
        help=f"The Center.  [env: ROPE_URL; default: that of the context, else {DEFAULT_URL}]",
    )(command)  # fmt: skip


def reads(command: F) -> F:
    """Add `-o table|json|name` to a command."""
    choice = click.Choice(["table", "json", "name"])
    return click.option("-o", "--output", "form", type=choice, default="table", show_default=True, help="Format.")(
        command
    )


def client(context: click.Context) -> "Client":
    """The client for this command."""
    from ropeteam.client import Client

    known = spoken_to(context)
    return Client(known.url, known.token)


def spoken_to(context: click.Context) -> "Context":
    """The Center this command speaks to: by `--url`, else by the context. A context's token goes to its own URL only.

    Raises Fault when the context named is not known, or the file of contexts cannot be read.
    """
    from ropeteam import contexts

    said = context.ensure_object(Session)
    if said.url and said.token and not said.context:
        return contexts.Context(url=said.url, token=said.token)
    known = contexts.load()
    name = said.context or known.current
    chosen = known.named(name) if name else contexts.Context(url=DEFAULT_URL)
    url = said.url or chosen.url
    return contexts.Context(url=url, token=said.token or (chosen.token if url == chosen.url else ""))


def _keep(context: click.Context, parameter: click.Parameter, value: str) -> None:
    """An option wins over one before the command's name, and both over the variable."""
    name, session = parameter.name or "", context.ensure_object(Session)
    by_variable = context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
    if value and not (by_variable and getattr(session, name)):
        setattr(session, name, value)
