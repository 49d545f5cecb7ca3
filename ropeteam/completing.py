"""What the shell may offer for an argument: names of projects and nodes, asked of the Center, quickly or not at all."""

import click
from click.shell_completion import CompletionItem

TIMEOUT_S = 1.0
"""Nobody waits longer for a completion."""


class Known(click.ParamType[str]):
    """A name that the Center knows. Any text is taken; only completion asks. `plural`: `projects` or `nodes`."""

    def __init__(self, name: str, plural: str) -> None:
        self.name = name
        self._plural = plural

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that begin so; none when the Center does not answer."""
        from ropeteam.client import Client
        from ropeteam.fault import Fault
        from ropeteam.session import spoken_to

        try:
            known = spoken_to(ctx)
            found = Client(known.url, known.token, TIMEOUT_S).get(self._plural, list[dict[str, object]])
        except Fault:
            return []
        names = (str(item.get("code") or item.get("name")) for item in found)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def attach(group: click.Group, kinds: dict[str, Known]) -> None:
    """Let the arguments of these names, of all commands below, be completed. `kinds`: argument -> what it names."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            attach(command, kinds)
        for parameter in command.params:
            if isinstance(parameter, click.Argument) and parameter.name in kinds and parameter.nargs == 1:
                parameter.type = kinds[parameter.name]
