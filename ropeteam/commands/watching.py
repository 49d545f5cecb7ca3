"""Commands that look at what runs, live: logs and top."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from ropeteam.fault import Exit, Fault
from ropeteam.output import Format, coloured, print_json_line, print_lines
from ropeteam.session import client, reads, talks

if TYPE_CHECKING:
    from ropeteam.merging import Entry

LINES = 100


@click.command()
@click.argument("target", metavar="PROJECT[/SERVICE[/REPLICA]]")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written.")
@click.option("-n", "--lines", default=None, metavar="N|all", help=f"Newest lines of each replica.  [default: {LINES}]")
@click.option("--since", default="", metavar="TIME", help="Only newer: 90s, 15m, 2h ago, or 2026-11-22T20:00:00.")
@click.option("--grep", default="", metavar="RE", help="Only lines that this regular expression finds.")
@click.option("--node", default="", help="Only of this node.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@talks
@reads
@click.pass_context
def logs(
    context: click.Context,
    target: str,
    follow: bool,
    lines: str | None,
    since: str,
    grep: str,
    node: str,
    timestamps: bool,
    form: Format,
) -> None:
    """Show logs, merged in time order; also of replaced replicas and of lost nodes, as far as they are kept."""
    from ropeteam.logs import Asked, read
    from ropeteam.target import parse_target

    where = parse_target(target)
    wanted = _pattern(grep)
    asked = Asked(
        project=where.project,
        service=where.service,
        replica=where.replica,
        node=node,
        lines=_count(lines, since),
        since_ns=_since_ns(since),
        follow=follow,
        fits=lambda e: wanted is None or wanted.search(e.line.text.decode(errors="replace")) is not None,
        filtered=wanted is not None,
    )
    try:
        read(client(context), asked, _shower(form, timestamps=timestamps))
    except KeyboardInterrupt:
        context.exit(Exit.INTERRUPTED)


@click.command()
@click.argument("what", type=click.Choice(["all", "nodes", "projects", "replicas"]), default="all", required=False)
@click.option(
    "--sort",
    type=click.Choice(["cpu", "mem", "disk", "net", "name"]),
    default="cpu",
    show_default=True,
    help="Most first; on a terminal also by the keys c, m, d, n and a.",
)
@click.option("--every", default="2s", show_default=True, help="How often it looks.")
@click.option("--once", is_flag=True, help="One picture; the default where there is no terminal.")
@click.option(
    "--history",
    is_flag=True,
    help="With CPU of the last hour, a mark for 3 min, in the place of load and network. Not of single replicas.",
)
@talks
@reads
@click.pass_context
def top(context: click.Context, what: str, sort: str, every: str, once: bool, history: bool, form: Format) -> None:
    """Show what nodes and projects use: CPU, memory, disk, network. Live; q ends it."""
    from ropeteam.asking import seconds
    from ropeteam.top import Wanted, watch

    live = sys.stdout.isatty() and form == "table" and not once
    pause_s = max(0.5, seconds(every, "--every"))
    wanted = Wanted(what=what, sort=sort, every_s=pause_s, live=live, once=once, history=history)
    try:
        watch(client(context), wanted, form)
    except KeyboardInterrupt:
        context.exit(Exit.INTERRUPTED)


def _shower(form: Format, *, timestamps: bool) -> Callable[[Iterable["Entry"]], None]:
    from ropeteam.loglook import Look, record

    look = Look(colours=coloured(sys.stdout.isatty()), stamps=timestamps)

    def show(entries: Iterable["Entry"]) -> None:
        match form:
            case "json":
                for entry in entries:
                    print_json_line(record(entry))
            case "name" if sys.stdout.isatty():
                print_lines(e.line.text.decode(errors="replace") for e in entries)
            case "name":
                sys.stdout.buffer.write(b"".join(e.line.text + b"\n" for e in entries))
            case "table":
                sys.stdout.write("".join(line + "\n" for line in look.lines(entries)))
        sys.stdout.flush()

    def until_closed(entries: Iterable["Entry"]) -> None:
        """As in `rope logs … | head`: whoever read has enough."""
        try:
            show(entries)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(Exit.OK) from None

    return until_closed


def _count(text: str | None, since: str) -> int:
    if text is None:
        return -1 if since else LINES
    if text == "all":
        return -1
    if not (text.isascii() and text.isdigit()):
        raise click.BadParameter(f"{text!r} is neither a number nor 'all'", param_hint="-n")
    return int(text)


def _since_ns(text: str) -> int:
    from datetime import datetime

    from ropeteam.asking import seconds

    if not text:
        return 0
    if "-" in text:
        try:
            return int(datetime.fromisoformat(text).astimezone().timestamp() * 1e9)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is no time like 2026-11-22T20:00:00", param_hint="--since") from error
    return time.time_ns() - int(seconds(text, "--since") * 1e9)


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise Fault(f"--grep: {error}", "It is a regular expression, as in Python.", Exit.USAGE) from error
