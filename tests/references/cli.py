"""docs/cli.md: every command of `rope` with the help that it prints itself, at a width that no terminal changes."""

from collections.abc import Iterator

import click

from ropeteam.fault import Exit
from ropeteam.root import rope

WIDTH = 100

_EXITS = {
    Exit.OK: "done",
    Exit.ERROR: "it went wrong; stderr says what and what to do next",
    Exit.USAGE: "the command line or the Compose file is not right",
    Exit.CHANGES: "`plan --exit-code`: a deploy would change something",
    Exit.SIGNED_OUT: "not signed in, or not allowed",
    Exit.NOT_FOUND: "there is no such project, node, deployment, …",
    Exit.CONFLICT: "something else is under way, or it changed meanwhile",
    Exit.ROLLED_BACK: "the deployment went back to the revision before",
    Exit.FAILED: "the deployment failed",
    Exit.TIMEOUT: "`--timeout` was over; what was asked for goes on",
    Exit.INTERRUPTED: "Ctrl-C; what was asked for goes on",
}

_HEAD = """# The command line

*Made from the commands themselves by `make references`; a test compares.*

Data go to stdout, everything else to stderr; `-o json` gives the API's own objects. `--url`, `--token` and `--context`
may stand before a command's name, too. Ctrl-C ends the looking, never what was asked for. Variables are in
[configuration](configuration.md), and completion for your shell in `rope completion --help`.
"""


def page() -> str:
    """The text of docs/cli.md."""
    found = list(commands())
    parts = [_HEAD, "| command | |\n| --- | --- |"]
    parts += [f"| [`{name}`](#{_anchor(name)}) | {_cell(command)} |" for name, command in found]
    parts.append("\n## Exit codes\n\n| code | |\n| --- | --- |")
    parts += [f"| {code.value} | {_EXITS[code]} |" for code in Exit]
    parts += [f"\n## {name}\n\n```text\n{_help(name, command)}\n```" for name, command in found]
    return "\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that is shown, with its whole name, groups before what is in them."""
    yield from _below("rope", rope)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if command.hidden:
        return
    yield name, command
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from _below(f"{name} {child}", command.commands[child])


def _help(name: str, command: click.Command) -> str:
    settings = {**rope.context_settings, **command.context_settings, "max_content_width": WIDTH}
    context = command.context_class(command, info_name=name, terminal_width=WIDTH, color=False, **settings)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def _cell(command: click.Command) -> str:
    return command.get_short_help_str(limit=200).replace("|", "\\|")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
