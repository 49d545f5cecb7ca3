"""What logs and exec of a Docker must keep, the real one and the fake alike. Part of `DockerContract`."""

import asyncio
import re
from contextlib import aclosing

import pytest

from nodeagent.core.container import Docker, DockerFault, Exec
from tests.contract.bench import PRINTS, RUNS, Bench, eventually, want

STAMPED = re.compile(rb"[oe](\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (.*)")
WAIT_S = 10.0


async def started(docker: Docker, image: str, command: tuple[str, ...] = RUNS) -> str:
    """A running container."""
    container_id = await docker.create(want(image, command), {})
    await docker.start(container_id)
    return container_id


async def logged(docker: Docker, container_id: str, lines: int = -1, since_ns: int = 0) -> list[bytes]:
    """The lines so far."""
    async with aclosing(docker.read_logs(container_id, lines=lines, since_ns=since_ns)) as read:
        return b"".join([piece async for piece in read]).splitlines()


async def said(running: Exec) -> dict[int, bytes]:
    """All it writes, by channel."""
    found: dict[int, bytes] = {1: b"", 2: b""}
    async with asyncio.timeout(WAIT_S):
        while (piece := await running.read()) is not None:
            found[piece[0]] += piece[1]
    return found


async def finished(running: Exec) -> tuple[dict[int, bytes], int | None]:
    """What it wrote, and its exit code."""
    try:
        return await said(running), await running.exit_code()
    finally:
        await running.close()


class StreamsContract:
    """Logs as they travel, and commands in containers."""

    async def test_logs_are_whole_lines_with_their_time_and_channel(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image, PRINTS)
        found = await eventually(lambda: logged(bench.docker, container_id), lambda got: len(got) >= 3)
        matches = [STAMPED.fullmatch(line) for line in found]
        assert all(matches), found
        assert {m[2][:2] for m in matches if m} == {b"on", b"tw", b"th"}
        assert len(await logged(bench.docker, container_id, lines=1)) == 1
        assert await logged(bench.docker, container_id, lines=0) == []
        assert await logged(bench.docker, container_id, since_ns=4 * 10**18) == []

    async def test_followed_logs_end_with_the_container(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image, PRINTS)
        await eventually(lambda: logged(bench.docker, container_id), lambda got: len(got) >= 3)
        followed = asyncio.Event()
        found: list[bytes] = []

        async def follow() -> None:
            async with aclosing(bench.docker.read_logs(container_id, lines=10, follow=True)) as read:
                async for piece in read:
                    found.extend(piece.splitlines())
                    followed.set()

        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            await followed.wait()
            await bench.docker.stop(container_id, 1.0)
        assert len(found) == 3

    async def test_logs_of_nothing_are_not_found(self, bench: Bench) -> None:
        with pytest.raises(DockerFault) as raised:
            await logged(bench.docker, "f" * 64)
        assert raised.value.kind == "not_found"

    async def test_a_command_writes_and_ends_with_its_code(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image)
        out, code = await finished(await run(bench.docker, container_id, "echo", "hello", "there"))
        assert (out[1], code) == (b"hello there\n", 0)
        assert (await finished(await run(bench.docker, container_id, "sh", "-c", "exit 3")))[1] == 3
        out, code = await finished(await run(bench.docker, container_id, "sh", "-c", "echo bad >&2; exit 1"))
        assert (out, code) == ({1: b"", 2: b"bad\n"}, 1)

    async def test_a_command_reads_its_input_to_the_end(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image)
        running = await run(bench.docker, container_id, "cat", stdin=True)
        await running.write(b"one\n")
        await running.write(b"two\n")
        await running.end_input()
        out, code = await finished(running)
        assert (out[1], code) == (b"one\ntwo\n", 0)

    async def test_a_terminal_has_its_size(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image)
        running = await bench.docker.exec(container_id, ("stty", "size"), tty=True, stdin=True, cols=132, rows=43)
        out, code = await finished(running)
        assert out[1].endswith(b"\r\n"), "a terminal ends lines its own way"
        assert code == 0

    async def test_a_command_that_is_not_there_says_so(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image)
        out, code = await finished(await run(bench.docker, container_id, "no-such-command"))
        assert code in (126, 127)
        assert b"executable file not found" in out[1]

    async def test_no_command_runs_in_what_does_not_run(self, bench: Bench) -> None:
        container_id = await started(bench.docker, bench.image)
        await bench.docker.stop(container_id, 1.0)
        with pytest.raises(DockerFault) as raised:
            await run(bench.docker, container_id, "echo", "hello")
        assert "not running" in str(raised.value)
        with pytest.raises(DockerFault) as raised:
            await run(bench.docker, "f" * 64, "echo", "hello")
        assert raised.value.kind == "not_found"


async def run(docker: Docker, container_id: str, *command: str, stdin: bool = False) -> Exec:
    """A command without a terminal."""
    return await docker.exec(container_id, command, tty=False, stdin=stdin, cols=80, rows=24)
