"""The prober in real time: what it posts, and that nothing a container does holds it up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from nodeagent import checks
from nodeagent.core.events import Now, Probe, Probed
from nodeagent.core.probes import Result
from nodeagent.core.verdict import Target
from nodeagent.prober import Prober
from tests.fakes.docker import FakeDocker
from tests.unit.nodeagent.servers import OK, a_check, a_container, answers, command, http, server


class Bench:
    """A prober on a fake engine that notes what it posts."""

    def __init__(self) -> None:
        self.docker = FakeDocker()
        self.told: list[Probed] = []
        self.prober = Prober(self.docker, self._post, now=self._now)

    def aim(self, *targets: Target) -> None:
        self.prober.aim(Probe(targets=targets))

    async def until(self, look: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not look():  # noqa: ASYNC110  the prober has no events for tests
                await asyncio.sleep(0.01)

    async def _post(self, event: object) -> None:
        assert isinstance(event, Probed)
        self.told.append(event)

    @staticmethod
    def _now() -> Now:
        mono = asyncio.get_running_loop().time()
        return Now(mono, mono)


@asynccontextmanager
async def probing() -> AsyncIterator[Bench]:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.prober.run())
        yield bench
        task.cancel()


QUICK = {"interval_s": 0.1, "timeout_s": 0.1, "retries": 2}


async def test_a_real_server_is_seen_to_come_and_to_go() -> None:
    async with probing() as bench:
        async with server(answers(OK)) as port:
            bench.aim(a_check(http(port, **QUICK)).target)
            await bench.until(lambda: [e.verdict.health for e in bench.told] == ["healthy"])
        await bench.until(lambda: bench.told[-1].verdict.health == "unhealthy")
        assert bench.told[-1].verdict.output == f"probe http :{port}/healthz: connection refused"


async def test_a_server_that_says_nothing_fails_in_time() -> None:
    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(mute) as port, probing() as bench:
        bench.aim(a_check(http(port, **QUICK)).target)
        await bench.until(lambda: bool(bench.told) and bench.told[-1].verdict.health == "unhealthy")
        assert bench.told[-1].verdict.output.endswith("no answer within 0.1 s")


async def test_a_command_that_hangs_is_left_alone_and_not_piled_up() -> None:
    async with probing() as bench:
        container_id = await a_container(bench.docker)
        bench.aim(a_check(msgspec.structs.replace(command("sleep", "99"), **QUICK), container_id=container_id).target)
        await bench.until(lambda: bool(bench.told) and bench.told[-1].verdict.health == "unhealthy")
        assert len(bench.docker.engine.execs) == 1
        bench.docker.engine.execs[0]._end(0)
        await bench.until(lambda: len(bench.docker.engine.execs) == 2)


async def test_an_engine_that_is_down_makes_nobody_ill() -> None:
    async with probing() as bench:
        container_id = await a_container(bench.docker)
        bench.aim(a_check(msgspec.structs.replace(command("echo"), **QUICK), container_id=container_id).target)
        await bench.until(lambda: [e.verdict.health for e in bench.told] == ["healthy"])
        bench.docker.engine.down = True
        calls = bench.docker.engine.calls
        await bench.until(lambda: calls.count("exec") > 8)
        assert len(bench.told) == 1


async def test_a_probe_that_breaks_the_code_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Result:
        raise RuntimeError("a bug")

    monkeypatch.setattr(checks, "make", broken)
    async with probing() as bench:
        bench.aim(a_check(http(1, **QUICK)).target)
        await bench.until(lambda: bool(bench.told))
        assert "RuntimeError: a bug" in bench.told[0].verdict.output
