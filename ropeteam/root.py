"""The tree of commands. Each command is declared in `commands/`; what is heavy is imported when it runs."""

import click

from ropeteam.commands import deploying, looking, nodes, operating, processes
from ropeteam.session import talks


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ropeteam", prog_name="rope")
@talks
def rope() -> None:
    """Deploy Compose projects onto your machines; when one machine falls, the others hold."""


for command in (
    processes.center,
    processes.agent,
    looking.status,
    nodes.nodes,
    nodes.node,
    nodes.token,
    deploying.plan,
    deploying.deploy,
    looking.ls,
    looking.ps,
    looking.events,
    operating.restart,
    operating.scale,
    operating.rollback,
    operating.rm,
):
    rope.add_command(command)
