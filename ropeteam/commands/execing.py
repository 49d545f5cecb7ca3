"""`rope exec`: a command in a replica, with its own exit code."""

import sys

import click

from ropeteam.fault import Exit, Fault
from ropeteam.session import client, talks


@click.command("exec", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="The command reads what you type, or what is piped in.")
@click.option("-t", "--tty", is_flag=True, help="It has a terminal: yours.")
@click.argument("target", metavar="PROJECT/SERVICE[/REPLICA]")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...")
@talks
@click.pass_context
def exec_command(context: click.Context, interactive: bool, tty: bool, target: str, command: tuple[str, ...]) -> None:
    """Run a command in a replica: rope exec -it shop/web -- sh. Ends with the command's exit code, 125 when it could
    not be run. Every command is written into the journal.
    """
    import asyncio

    from ropeteam.executing import Order, run
    from ropeteam.target import parse_target

    where = parse_target(target, service=True)
    if tty and interactive and not sys.stdin.isatty():
        raise Fault("the input is no terminal", "Leave -t out to pipe something in.", Exit.USAGE)
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise click.UsageError("Missing argument '-- COMMAND...'.")
    order = Order(where=where, command=command, tty=tty, stdin=interactive)
    try:
        context.exit(asyncio.run(run(client(context), order)))
    except KeyboardInterrupt:
        context.exit(Exit.INTERRUPTED)
