"""The tree of commands. Each command is declared in `commands/`; what is heavy is imported when it runs."""

import click

from ropeteam.commands import (
    auditing,
    deploying,
    execing,
    inspecting,
    looking,
    nodes,
    operating,
    processes,
    releasing,
    saving,
    shell,
    signing,
    tokens,
    upgrading,
    watching,
)
from ropeteam.completing import Known, attach
from ropeteam.session import talks


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        try:
            click.echo(f"rope {metadata.version('ropeteam')}")
        except metadata.PackageNotFoundError:
            click.echo("rope, run from a source tree")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@talks
def rope() -> None:
    """Deploy Compose projects onto your machines; when one machine falls, the others hold."""


for command in (
    processes.center,
    processes.agent,
    signing.login,
    signing.logout,
    signing.whoami,
    signing.context_group,
    looking.status,
    nodes.nodes,
    nodes.node,
    tokens.token,
    deploying.plan,
    deploying.deploy,
    deploying.compose_group,
    looking.ls,
    looking.ps,
    looking.events,
    releasing.history,
    watching.logs,
    watching.top,
    execing.exec_command,
    auditing.audit,
    operating.restart,
    operating.scale,
    operating.stop,
    operating.start,
    operating.rollback,
    operating.failover,
    operating.rm,
    inspecting.inspect,
    inspecting.doctor,
    saving.backup,
    saving.restore,
    saving.adoption,
    shell.completion,
    shell.version,
):
    rope.add_command(command)

nodes.node.add_command(nodes.nodes, "ls")
nodes.node.add_command(upgrading.upgrade)
for verb in (releasing.watch, releasing.pause, releasing.resume, releasing.cancel, releasing.promote, releasing.abort):
    deploying.deploy.add_command(verb)
attach(rope, {"project": Known("project", "projects")})
attach(nodes.node, {"name": Known("node", "nodes")})
