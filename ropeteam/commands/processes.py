"""`rope center` and `rope agent`: this process becomes the Center or the agent.

The options are declared here for `--help`; their meaning, and the `ROPE_…` variables, are the process's own.
"""

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _passed(option: str, metavar: str, text: str, *, multiple: bool = False) -> Callable[[F], F]:
    """An option that is handed over as it is. Its variable is read by the process, which inherits it."""
    note = f"{text}  [env: {_variable(option)}]"
    return click.option(option, metavar=metavar, multiple=multiple, help=note)


def _insecure(text: str) -> Callable[[F], F]:
    return click.option("--insecure", is_flag=True, help=f"{text}  [env: ROPE_INSECURE]")


def _variable(option: str) -> str:
    return "ROPE_" + option.removeprefix("--").replace("-", "_").upper()


@click.command()
@_passed("--data", "DIR", "Folder for everything that must survive.")
@_passed("--listen", "HOST:PORT", "Where to serve; 127.0.0.1:8080 unless told otherwise.")
@_passed("--public-url", "URL", "How browsers and agents reach it.")
@_passed("--image", "REF", "The agent's image, which join lines name.")
@_passed("--join-file", "FILE", "Leave a join token there for an agent on this machine.")
@_insecure("Serve plain HTTP beyond this machine.")
@_passed("--backup-every", "HOURS", "Hours between two backups it makes by itself; 24, and 0 is never.")
@_passed("--backup-keep", "N", "How many of these are kept; 7 unless told otherwise.")
@_passed("--backup-dir", "DIR", "Where they go; `backups` in the data folder unless told otherwise.")
@_passed("--metrics-replicas", "N", "Replicas named in /metrics; 2000 unless told otherwise, 0 is none.")
@click.option("--restored", is_flag=True, help="Once, after the data were restored from a backup.")
@click.pass_context
def center(context: click.Context, /, **options: object) -> None:
    """Run the Center: API, scheduler, failure detector, state.

    The admin token is taken from ROPE_ADMIN_TOKEN, or printed once at the first start.
    """
    become("controlplane", arguments(context))


@click.command()
@_passed("--center", "URL", "Where the Center answers.")
@_passed("--join", "TOKEN", "Join token; needed once.")
@_passed("--join-file", "FILE", "File with the join token, if it is there.")
@_passed("--data", "DIR", "Folder for key and journal.")
@_passed("--docker", "URL", "The Docker Engine; unix:///var/run/docker.sock unless told otherwise.")
@_passed("--name", "N", "Name of this node; the host name unless told otherwise.")
@_passed("--address", "IP", "Where people reach this node's ports.")
@_passed("--label", "K=V", "Label of this node; repeatable, in the variable with commas.", multiple=True)
@_passed("--weight", "W", "How much work it gets beside others; 1 is usual.")
@_passed("--bind-root", "DIR", "Folder below which bind mounts are allowed; repeatable.", multiple=True)
@_passed("--port-range", "FROM-TO", "Host ports to give out; 20000-29999 unless told otherwise.")
@_passed("--subnet-pool", "CIDR", "Addresses for the projects' networks; 10.213.0.0/16 unless told otherwise.")
@click.option("--no-exec", is_flag=True, help="Nobody may run commands in containers here.  [env: ROPE_NO_EXEC]")
@_insecure("Speak plain HTTP to a Center on another machine.")
@click.pass_context
def agent(context: click.Context, /, **options: object) -> None:
    """Run the agent of this machine: it drives the local Docker Engine for the Center."""
    become("nodeagent", arguments(context))


def arguments(context: click.Context) -> list[str]:
    """The options that were given, as an argument list for the process."""
    found: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        option = parameter.opts[0]
        if value is True:
            found.append(option)
        elif value not in (None, False, ()):
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
