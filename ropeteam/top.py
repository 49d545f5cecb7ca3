"""`rope top`: asks for figures, draws them again and again on a terminal, or prints them as lines.

On a terminal keys choose the order: c CPU, m memory, d disk, n network, a name; q ends it.
"""

import os
import select
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from protocol import live
from protocol.live import NodeUse, ReplicaUse
from ropeteam.client import Client
from ropeteam.dialing import decode, dial_live, encode, fault_of
from ropeteam.keyboard import unbuffered
from ropeteam.output import Format, print_json_line, print_lines, print_table, safe
from ropeteam.sparkline import sparkline
from ropeteam.stream import lost

if TYPE_CHECKING:
    from rich.console import RenderableType

NODE_COLUMNS = ("NODE", "STATE", "REPLICAS", "CPU", "LOAD", "MEM", "DISK", "NET IN", "NET OUT", "ANSWER")
USE_COLUMNS = ("{}", "REPLICAS", "CPU", "MEM", "NET IN", "NET OUT")
LEFT_OUT = frozenset({"LOAD", "NET IN", "NET OUT"})
"""Columns that the last hour takes the place of."""
KEYS = {"c": "cpu", "m": "mem", "d": "disk", "n": "net", "a": "name"}
KEY_LOOK_S = 0.2


class Wanted(NamedTuple):
    """What to show, and how. `live`: drawn in place, for ever; `once`: one picture; `history`: with the last hour."""

    what: str
    sort: str
    every_s: float
    live: bool
    once: bool
    history: bool = False


class Row(NamedTuple):
    """A line of the table, with what it is sorted by."""

    cells: tuple[str, ...]
    by: dict[str, float]
    name: str


def watch(center: Client, wanted: Wanted, form: Format) -> None:
    """Show figures until the person has enough. Raises Fault."""
    tries = 0
    screen = _Screen(wanted)
    with screen.drawn():
        while True:
            try:
                with dial_live(center) as socket:
                    tries = 0
                    socket.send(encode(live.Top(id=1, every_s=wanted.every_s, history=wanted.history)))
                    while not screen.done:
                        try:
                            frame = decode(socket.recv(timeout=KEY_LOOK_S if wanted.live else None))
                        except TimeoutError:
                            screen.keys()
                            continue
                        if isinstance(frame, live.Over):
                            raise fault_of(frame)
                        if isinstance(frame, live.Usage):
                            _show(screen, frame, wanted, form)
                    return
            except (OSError, ConnectionClosed, InvalidHandshake):
                tries = lost(tries)


def _show(screen: "_Screen", usage: live.Usage, wanted: Wanted, form: Format) -> None:
    match form:
        case "json":
            more = {"projects": usage.projects} if wanted.history else {}
            print_json_line({"nodes": usage.nodes, "replicas": usage.replicas, **more})
        case "name":
            print_lines(row.name for _, rows in tables(usage, wanted) for row in rows)
        case "table" if wanted.live:
            screen.draw(usage)
        case "table":
            for place, (columns, rows) in enumerate(tables(usage, wanted)):
                if place:
                    print()
                print_table(columns, [row.cells for row in rows], f"no {columns[0].lower()}s")
    if not wanted.live and (wanted.once or form == "table"):
        screen.done = True


def tables(usage: live.Usage, wanted: Wanted) -> list[tuple[Sequence[str], list[Row]]]:
    """Columns and rows of each table that was asked for, most first."""
    found: list[tuple[Sequence[str], list[Row]]] = []
    what, sort = wanted.what, wanted.sort
    if what in ("all", "nodes"):
        found.append((NODE_COLUMNS, [_node(node) for node in usage.nodes]))
    if what in ("all", "projects"):
        found.append((_columns("PROJECT"), _grouped(usage.replicas, replicas=False)))
    if what == "replicas":
        found.append((_columns("REPLICA"), _grouped(usage.replicas, replicas=True)))
    for _, rows in found:
        rows.sort(key=lambda row: (-row.by.get(sort, 0.0), row.name))
    return with_history(found, usage) if wanted.history else found


def with_history(
    found: Sequence[tuple[Sequence[str], list[Row]]], usage: live.Usage
) -> list[tuple[Sequence[str], list[Row]]]:
    """The same tables with the last hour beside `CPU`, and without what would make them too wide for it. A node's marks
    go up to the whole machine, a project's to its own highest.
    """
    encoding = sys.stdout.encoding or "ascii"
    hours = {
        "NODE": {node.node: sparkline(node.cpu_hour, 100.0, encoding) for node in usage.nodes},
        "PROJECT": {one.project: sparkline(one.cpu_hour, 0.0, encoding) for one in usage.projects},
    }
    return [
        _beside(columns, rows, hours[columns[0]]) if columns[0] in hours else (columns, rows) for columns, rows in found
    ]


def _beside(columns: Sequence[str], rows: list[Row], hour: Mapping[str, str]) -> tuple[Sequence[str], list[Row]]:
    at = columns.index("CPU") + 1
    kept = [place for place, column in enumerate(columns) if column not in LEFT_OUT]

    def with_one_more(cells: Sequence[str], more: str) -> tuple[str, ...]:
        return (*(cells[n] for n in kept if n < at), more, *(cells[n] for n in kept if n >= at))

    wider = [row._replace(cells=with_one_more(row.cells, hour.get(row.name, "-"))) for row in rows]
    return with_one_more(columns, "CPU, LAST HOUR"), wider


def _columns(name: str) -> tuple[str, ...]:
    return tuple(column.format(name) for column in USE_COLUMNS)


def _node(node: NodeUse) -> Row:
    memory, disk = node.mem_used_mb, node.disk_used_gb
    net = (node.net_in_kb or 0.0) + (node.net_out_kb or 0.0)
    return Row(
        cells=(
            node.node,
            node.state,
            str(node.replicas),
            "-" if node.cpu is None else f"{node.cpu:.0f}% of {node.cpus:g}",
            "-" if node.load is None else f"{node.load:.2f}",
            "-" if memory is None else f"{size(memory)} / {size(node.mem_total_mb)}",
            "-" if disk is None else f"{size(disk * 1024)} / {size(node.disk_total_gb * 1024)}",
            rate(node.net_in_kb),
            rate(node.net_out_kb),
            "-" if node.answer_ms is None else f"{node.answer_ms:.0f} ms",
        ),
        by={
            "cpu": node.cpu or 0.0,
            "mem": (memory or 0.0) / (node.mem_total_mb or 1.0),
            "disk": (disk or 0.0) / (node.disk_total_gb or 1.0),
            "net": net,
        },
        name=node.node,
    )


def _grouped(found: Sequence[ReplicaUse], *, replicas: bool) -> list[Row]:
    """A row for each replica, or for each project."""
    by_name: dict[str, list[ReplicaUse]] = defaultdict(list)
    for use in found:
        name = f"{use.project}/{use.service}/{use.replica} {use.node}" if replicas else use.project
        by_name[name].append(use)
    return [_use(name, uses) for name, uses in by_name.items()]


def _use(name: str, uses: Sequence[ReplicaUse]) -> Row:
    cpu, memory = sum(u.cpu for u in uses), sum(u.mem_mb for u in uses)
    net_in, net_out = sum(u.net_in_kb for u in uses), sum(u.net_out_kb for u in uses)
    running = sum(u.state == "running" for u in uses)
    return Row(
        cells=(name, f"{running}/{len(uses)}", f"{cpu:.1f}%", size(memory), rate(net_in), rate(net_out)),
        by={"cpu": cpu, "mem": memory, "net": net_in + net_out},
        name=name,
    )


def size(mib: float) -> str:
    """`312 MB`, `1.5 GB`, `2.0 TB`, of MiB."""
    if mib < 1024:
        return f"{mib:.0f} MB"
    return f"{mib / 1024:.1f} GB" if mib < 1024 * 1024 else f"{mib / 1024 / 1024:.1f} TB"


def rate(kib: float | None) -> str:
    """`12 KB/s`, `1.5 MB/s`, of KiB a second."""
    if kib is None:
        return "-"
    return f"{kib:.0f} KB/s" if kib < 1024 else f"{kib / 1024:.1f} MB/s"


class _Screen:
    """The terminal while figures are drawn in place; nothing of it stays behind."""

    def __init__(self, wanted: Wanted) -> None:
        self.done = False
        self._wanted = wanted
        self._sort = wanted.sort
        self._usage: live.Usage | None = None
        self._keys = wanted.live and sys.stdin.isatty()

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Take the terminal over for drawing, and give it back."""
        if not self._wanted.live:
            yield
            return
        from rich.console import Console
        from rich.live import Live

        screen = Live(console=Console(highlight=False), screen=True, auto_refresh=False)
        with unbuffered(signals=True), screen as self._live:
            yield

    def draw(self, usage: live.Usage) -> None:
        """Draw these figures."""
        self._usage = usage
        self._live.update(self._picture(usage), refresh=True)
        self.keys()

    def keys(self) -> None:
        """Obey the keys that were pressed."""
        while self._keys and select.select([sys.stdin], [], [], 0)[0]:
            key = os.read(sys.stdin.fileno(), 1).decode(errors="replace").lower()
            if key in ("q", "", "\x03"):
                self.done = True
                return
            if key in KEYS and self._usage is not None:
                self._sort = KEYS[key]
                self._live.update(self._picture(self._usage), refresh=True)

    def _picture(self, usage: live.Usage) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        at = time.strftime("%H:%M:%S")
        hint = "sort by c cpu, m mem, d disk, n net, a name; q ends" if self._keys else ""
        parts: list[RenderableType] = [Text(f"{at}  most {self._sort} first  {hint}", style="dim")]
        for columns, rows in tables(usage, self._wanted._replace(sort=self._sort)):
            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
            for place, column in enumerate(columns):
                table.add_column(column, justify="left" if place < 2 else "right", no_wrap=True)
            for row in rows:
                table.add_row(*(Text(safe(cell), style="red" if cell == "offline" else "") for cell in row.cells))
            parts += [Text(""), table]
        return Group(*parts)
