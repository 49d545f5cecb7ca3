"""Options that every talking command has, and the client made from them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ropeteam.client import Client


DEFAULT_URL = "http://127.0.0.1:8080"

F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """What was said before the command's name; a command's own options win."""

    def __init__(self, url: str = "", token: str = "") -> None:
        self.url = url
        self.token = token


def talks(command: F) -> F:
    """Add `--url` and `--token` to a command; both may also stand before its name."""
    command = click.option(
        "--token", envvar="ROPE_TOKEN", default="", metavar="TOKEN", help="Admin token.  [env: ROPE_TOKEN]",
        expose_value=False, callback=_keep,
    )(command)  # fmt: skip
    return click.option(
        "--url", envvar="ROPE_URL", default="", metavar="URL", expose_value=False, callback=_keep,
        help=f"The Center.  [env: ROPE_URL; default: {DEFAULT_URL}]",
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

    session = context.ensure_object(Session)
    return Client(session.url or DEFAULT_URL, session.token)


def _keep(context: click.Context, parameter: click.Parameter, value: str) -> None:
    """An option wins over one before the command's name, and both over the variable."""
    name, session = parameter.name or "", context.ensure_object(Session)
    by_variable = context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
    if value and not (by_variable and getattr(session, name)):
        setattr(session, name, value)
