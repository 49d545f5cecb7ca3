"""`rope logs`, `exec`, `top` and `status` as people run them: a real Center and agents, with engines in memory."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.loopback.center import ADMIN_TOKEN, running_center
from tests.loopback.test_cluster import Team, team
from tests.loopback.test_streams import deployed, placed, write

WAIT_S = 20.0


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(it: Team) -> dict[str, str]:
    return {
        **os.environ,
        "ROPE_URL": it.center.url,
        "ROPE_TOKEN": ADMIN_TOKEN,
        "ROPE_CONFIG": "/nonexistent",
        "NO_COLOR": "1",
        "TERM": "xterm",
    }


async def rope(it: Team, *arguments: str, given: bytes | None = None) -> Ended:
    """Run a command to its end."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ropeteam", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(it)
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await child.communicate(given)
    return Ended(child.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def following(it: Team, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """A command that goes on; its output."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ropeteam", *arguments, stdout=asyncio.subprocess.PIPE, env=environment(it)
    )
    assert child.stdout is not None
    try:
        yield child.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            child.terminate()
        await child.wait()


async def line(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(WAIT_S):
        return (await reader.readline()).decode().rstrip("\n")


async def test_logs_are_merged_by_time_with_replica_and_node(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2") as it:
        await deployed(it)
        for number in range(3):
            for name in ("node-2", "node-1"):
                for container_id in it.engines[name].held:
                    it.engines[name].write(container_id, f"{name} says {number}")
        ended, at = await rope(it, "logs", "shop"), placed(it)
        assert ended.code == 0, ended.err
        assert ended.out.splitlines() == [
            f"web/{at[name]} {name} | {name} says {number}" for number in range(3) for name in ("node-2", "node-1")
        ]
        assert [t.rpartition(" ")[2] for t in (await rope(it, "logs", "shop", "-n1")).out.splitlines()] == ["2", "2"]
        assert "node-2" not in (await rope(it, "logs", f"shop/web/{at['node-1']}")).out
        found = (await rope(it, "logs", "shop", "--grep", "1 says [01]", "-n", "1", "-o", "json")).out
        assert [json.loads(text)["text"] for text in found.splitlines()] == ["node-1 says 1"]
        assert (await rope(it, "logs", "shop", "--node", "node-9")).code == 5
        assert (await rope(it, "logs", "other")).code == 5
        assert (await rope(it, "logs", "Shop!")).code == 2
        assert "no traceback" not in ended.err and ended.err == ""


async def test_hostile_lines_do_not_reach_the_terminal(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        write(it, "a\x1b[2J\x1b]0;owned\x07b\x1b[31mc\x08\u202ed")
        ended = await rope(it, "logs", "shop")
        assert ended.out == "web/1 node-1 | abc\\x08\\u202ed\n"


async def test_followed_logs_go_on_over_a_move_and_a_node_that_is_away(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2") as it:
        await deployed(it)
        async with following(it, "logs", "-f", "shop", "-n", "5") as out:
            one, two = (f"web/{placed(it)[name]} {name}" for name in ("node-1", "node-2"))
            write(it, "one")
            assert {await line(out), await line(out)} == {f"{one} | one", f"{two} | one"}
            it.cut("node-2")
            await it.until(lambda: it.center.center.hub.sessions() == 1, "node-2 is away")
            write(it, "two")
            assert await line(out) == f"{one} | two"
            it.start("node-2")
            await it.until(lambda: it.center.center.hub.sessions() == 2, "node-2 is back")
            assert await line(out) == f"{two} | two", "what was written meanwhile comes, once"
            write(it, "three")
            assert {await line(out), await line(out)} == {f"{one} | three", f"{two} | three"}


async def test_followed_logs_take_new_replicas_in_and_end_with_the_project(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        async with following(it, "logs", "-f", "shop/web") as out:
            write(it, "one")
            assert await line(out) == "web/1 node-1 | one"
            await it.call("/projects/shop/scale", {"services": {"web": 2}}, "POST")
            await it.until(lambda: it.running() == {"node-1": 2}, "two run")
            write(it, "two")
            assert {await line(out), await line(out)} == {"web/1 node-1 | two", "web/2 node-1 | two"}
            await it.call("/projects/shop", None, "DELETE")
            async with asyncio.timeout(WAIT_S):
                assert await out.read() == b"", "it ends with the project"
            ended = await rope(it, "logs", "shop/web/2")
            assert (ended.code, ended.out) == (0, "web/2 node-1 | two\n"), "what was removed remains readable"


async def test_followed_logs_go_on_over_a_restart_of_the_center(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        async with running_center(tmp_path / "data") as center:
            it = Team(center, tmp_path, tasks)
            await it.join("node-1")
            await it.until(lambda: it.states() == {"online"}, "online")
            await deployed(it, 1)
            out = await stack.enter_async_context(following(it, "logs", "-f", "shop"))
            write(it, "one")
            assert await line(out) == "web/1 node-1 | one"
        write(it, "meanwhile")
        async with running_center(tmp_path / "data", center.port) as center:
            it.center = center
            assert await line(out) == "web/1 node-1 | meanwhile"
            write(it, "two")
            assert await line(out) == "web/1 node-1 | two", "each line once"
            for life in it.lives.values():
                life.cancel()


async def test_exec_passes_input_output_and_exit_code(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        assert await rope(it, "exec", "shop/web", "--", "echo", "hello") == Ended(0, "hello\n", "")
        assert await rope(it, "exec", "shop/web/1", "--", "sh", "-c", "exit 7") == Ended(7, "", "")
        big = b"0123456789abcdef\n" * 10_000
        ended = await rope(it, "exec", "-i", "shop/web", "--", "cat", given=big)
        assert (ended.code, len(ended.out)) == (0, len(big)), ended.err
        ended = await rope(it, "exec", "shop/web", "--", "sh", "-c", "echo bad >&2; exit 1")
        assert ended == Ended(1, "", "bad\n")
        assert (await rope(it, "exec", "shop/db", "--", "ls")).code == 5
        assert (await rope(it, "exec", "-it", "shop/web", "--", "sh")).code == 2, "no terminal"


async def test_exec_has_a_terminal_of_the_right_size(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 43, 132, 0, 0))
        environ = {k: v for k, v in environment(it).items() if k not in ("COLUMNS", "LINES")}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ropeteam", "exec", "-it", "shop/web", "--", "stty", "size",
            stdin=theirs, stdout=theirs, stderr=theirs, env=environ,
        )  # fmt: skip
        os.close(theirs)
        async with asyncio.timeout(WAIT_S):
            assert await child.wait() == 0
        assert os.read(ours, 100) == b"43 132\r\n"
        os.close(ours)


async def test_an_agent_may_forbid_exec(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        it.cut("node-1")
        it.no_exec = True
        it.start("node-1")
        await it.until(lambda: it.center.center.hub.sessions() == 1, "the agent is back")
        ended = await rope(it, "exec", "shop/web", "--", "echo", "hello")
        assert (ended.code, ended.out) == (125, "")
        assert "--no-exec" in ended.err


async def test_top_and_status_tell_what_there_is(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1", "node-2") as it:
        await deployed(it)

        def told(name: str) -> bool:
            beat = it.center.center.hub.figures(name).heartbeat
            return beat is not None and len(beat.containers) > 0

        await it.until(lambda: all(map(told, it.engines)), "heartbeats tell of replicas")
        found = json.loads((await rope(it, "top", "--once", "-o", "json")).out)
        assert [n["node"] for n in found["nodes"]] == ["node-1", "node-2"]
        table = (await rope(it, "top")).out
        assert table.startswith("NODE") and "\nPROJECT" in table and "\nshop" in table
        assert (await rope(it, "status", "--check")).code == 0
        it.cut("node-2")
        await it.until(lambda: it.cluster.nodes["node-2"].state == "suspect", "suspect")
        ended = await rope(it, "status", "--check")
        assert ended.code == 1
        assert ended.out.splitlines()[0].startswith("node-2 suspect"), "what is wrong comes first"


async def test_top_is_drawn_in_place_and_obeys_keys(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        await deployed(it, 1)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
        environ = {k: v for k, v in environment(it).items() if k not in ("COLUMNS", "LINES")}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ropeteam", "top", "--every", "0.5s",
            stdin=theirs, stdout=theirs, stderr=theirs, env=environ,
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(ours, False)
        await screen(ours, "most cpu first", "node-1", "shop")
        os.write(ours, b"m")
        await screen(ours, "most mem first")
        os.write(ours, b"q")
        async with asyncio.timeout(WAIT_S):
            assert await child.wait() == 0
        os.close(ours)


async def screen(fd: int, *wanted: str) -> None:
    """Read what is drawn until all of this was."""
    seen = ""
    async with asyncio.timeout(WAIT_S):
        while not all(text in seen for text in wanted):
            try:
                seen += os.read(fd, 65536).decode(errors="replace")
            except BlockingIOError:
                await asyncio.sleep(0.02)
