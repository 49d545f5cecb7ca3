"""`rope center` and `rope agent`: this process becomes the Center or the agent.

The options are declared here for `--help` and the `ROPE_…` variables; their meaning is checked by the process itself.
"""

import os
import sys
import sysconfig
from pathlib import Path

import click

_SECRET = frozenset({"join"})
"""Not put into the argument list when it came by the environment, where other users do not see it."""


@click.command()
@click.option("--data", required=True, envvar="ROPE_DATA", metavar="DIR", help="Folder for the state.")
@click.option("--listen", envvar="ROPE_LISTEN", metavar="HOST:PORT", help="Where to serve.  [default: 127.0.0.1:8080]")
@click.option("--public-url", envvar="ROPE_PUBLIC_URL", metavar="URL", help="How browsers and agents reach it.")
@click.option("--insecure", is_flag=True, envvar="ROPE_INSECURE", help="Serve plain HTTP beyond this machine.")
@click.pass_context
def center(context: click.Context, /, **options: object) -> None:
    """Run the Center: API, scheduler, failure detector, state."""
    become("controlplane", arguments(context))


@click.command()
@click.option("--center", required=True, envvar="ROPE_CENTER", metavar="URL", help="The Center.")
@click.option("--join", envvar="ROPE_JOIN", metavar="TOKEN", help="Join token; needed once.")
@click.option("--data", required=True, envvar="ROPE_DATA", metavar="DIR", help="Folder for key and journal.")
@click.option(
    "--docker", envvar="ROPE_DOCKER", metavar="URL", help="The Docker Engine, e.g. unix:///var/run/docker.sock."
)
@click.option("--name", envvar="ROPE_NAME", metavar="N", help="Name of this node.  [default: host name]")
@click.option("--address", envvar="ROPE_ADDRESS", metavar="IP", help="Where people reach this node's ports.")
@click.option("--label", multiple=True, envvar="ROPE_LABEL", metavar="K=V", help="Label of this node; repeatable.")
@click.option("--weight", type=float, envvar="ROPE_WEIGHT", metavar="W", help="Weight in scheduling.  [default: 1]")
@click.option(
    "--bind-root", multiple=True, envvar="ROPE_BIND_ROOT", metavar="DIR",
    help="Folder below which bind mounts are allowed; repeatable.",
)  # fmt: skip
@click.option(
    "--port-range", envvar="ROPE_PORT_RANGE", metavar="FROM-TO", help="Host ports to give out.  [default: 20000-29999]"
)
@click.option(
    "--subnet-pool", envvar="ROPE_SUBNET_POOL", metavar="CIDR",
    help="Addresses for the projects' networks.  [default: 10.213.0.0/16]",
)  # fmt: skip
@click.option("--insecure", is_flag=True, envvar="ROPE_INSECURE", help="Speak plain HTTP beyond this machine.")
@click.pass_context
def agent(context: click.Context, /, **options: object) -> None:
    """Run the agent of this machine: it drives the local Docker Engine for the Center."""
    become("nodeagent", arguments(context))


def arguments(context: click.Context) -> list[str]:
    """The options that were given, by argument or variable, as an argument list for the process."""
    found: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        by_variable = context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
        if value in (None, False, ()) or (name in _SECRET and by_variable):
            continue
        option = parameter.opts[0]
        if value is True:
            found.append(option)
        else:
            found += [f"{option}={one}" for one in (value if isinstance(value, tuple) else (value,))]
    return found


def become(package: str, given: list[str]) -> None:
    """Replace this process by `python -m <package>`; the current folder is kept off Python's path."""
    root = str(Path(__file__).resolve().parents[2])
    if root not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:  # run from a source tree
        known = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (root, known) if p)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", package, *given])  # noqa: S606 no shell, our own module
