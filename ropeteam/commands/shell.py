"""Commands about rope itself: completion, version."""

import click

from ropeteam.output import note, print_lines
from ropeteam.session import client, talks

_SHELLS = ("bash", "zsh", "fish")
_HINT = {
    "bash": 'eval "$(rope completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(rope completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "rope completion fish > ~/.config/fish/completions/rope.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, projects and nodes."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = context.find_root().command
    print_script(found(root, {}, "rope", "_ROPE_COMPLETE").source())
    note(_HINT[shell], dim=True)


def print_script(text: str) -> None:
    """Lines as they are: rope's own words, tabs and all."""
    click.echo(text)


@click.command()
@talks
@click.pass_context
def version(context: click.Context) -> None:
    """Show the versions of rope and of the Center."""
    from importlib import metadata

    from ropeteam.client import Health
    from ropeteam.fault import Fault

    try:
        own = metadata.version("ropeteam")
    except metadata.PackageNotFoundError:
        own = "from a source tree"
    lines = [f"rope    {own}"]
    center = client(context)
    try:
        lines.append(f"Center  {center.root('healthz', Health).version}  {center.url}")
    except Fault as error:
        lines.append(f"Center  {error.what}")
    print_lines(lines)
