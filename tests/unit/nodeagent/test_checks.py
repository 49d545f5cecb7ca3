"""Checks against real servers on loopback, friendly and hostile, and commands on a fake engine."""

import asyncio

import pytest

from nodeagent import checks
from nodeagent.core.container import DockerFault, Exec
from nodeagent.core.probes import Result
from protocol import spec
from tests.fakes.docker import FakeDocker
from tests.unit.nodeagent.servers import OK, a_check, a_container, answers, command, http, server


async def make(probe: spec.Probe, **target: object) -> Result:
    async with asyncio.timeout(3):
        return await checks.make(a_check(probe, **target), FakeDocker(), {})  # type: ignore[arg-type]  # fields of the target by name


async def test_an_http_probe_asks_for_its_path_with_its_headers() -> None:
    asked: list[bytes] = []
    async with server(answers(OK, asked=asked)) as port:
        probe = http(port, path="/healthz?deep=1", headers={"Host": "shop.example", "X-Probe": "yes"})
        assert await make(probe) == Result(ok=True, output="200")
    lines = asked[0].decode().splitlines()
    assert lines[0] == "GET /healthz?deep=1 HTTP/1.1"
    assert "Host: shop.example" in lines and "X-Probe: yes" in lines and "Connection: close" in lines
    assert sum(line.lower().startswith("host:") for line in lines) == 1


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (302, True), (399, True), (404, False), (503, False)]
)
async def test_the_status_decides_and_redirects_are_not_followed(status: int, ok: bool) -> None:
    head = f"HTTP/1.1 {status} Whatever\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(answers(head)) as port:
        assert await make(http(port)) == Result(ok=ok, output=str(status))


async def test_the_range_of_good_statuses_is_the_probes() -> None:
    async with server(answers(b"HTTP/1.0 401 Who\r\n\r\n")) as port:
        assert (await make(http(port, status_from=401, status_to=401))).ok
        assert not (await make(http(port, status_from=200, status_to=299))).ok


async def test_interim_answers_are_passed_over() -> None:
    async with server(answers(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", OK)) as port:
        assert await make(http(port)) == Result(ok=True, output="200")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\xfe" * 1000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 999 Odd\r\n\r\n",
        b"HTTP/1.1 20x Odd\r\n\r\n",
        b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 100 Continue\r\n" + b"x: y\r\n" * 100_000,
    ],
)
async def test_what_is_not_http_is_said_so(answer: bytes) -> None:
    async with server(answers(answer)) as port:
        assert await make(http(port)) == Result(ok=False, output="the answer is not HTTP")


async def test_a_body_without_end_is_not_read_to_its_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    begun = asyncio.get_running_loop().time()
    async with server(endless) as port:
        assert (await make(http(port))).ok
    assert asyncio.get_running_loop().time() - begun < 2.5


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/a b"},
        {"path": "/x\r\nEvil: 1"},
        {"path": "nowhere"},
        {"headers": {"X": "a\r\nEvil: 1"}},
        {"headers": {"X\n": "a"}},
        {"headers": {"X": "ü"}},
    ],
)
async def test_nothing_can_be_smuggled_into_a_request(fields: dict[str, object]) -> None:
    asked: list[bytes] = []
    async with server(answers(OK, asked=asked)) as port:
        result = await make(http(port, **fields))
    assert not result.ok and "HTTP can carry" in result.output and asked == []


async def test_a_tcp_probe_wants_a_connection_and_nothing_else() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silent) as port:
        assert await make(spec.Probe(kind="tcp", port=port)) == Result(ok=True)
    assert await make(spec.Probe(kind="tcp", port=port)) == Result(ok=False, output="connection refused")


async def test_without_an_address_nothing_is_reached() -> None:
    result = await make(spec.Probe(kind="tcp", port=80), addresses=())
    assert result == Result(ok=False, output="the container has no address on a network")


async def test_a_command_is_judged_by_its_exit_code() -> None:
    docker, left = FakeDocker(), dict[str, Exec]()
    container_id = await a_container(docker)

    async def run(*words: str) -> Result:
        return await checks.make(a_check(command(*words), container_id=container_id), docker, left)

    assert (await run("echo", "fine")).ok
    assert await run("sh", "-c", "exit 3") == Result(ok=False, output="exit code 3")
    assert await run("sh", "-c", "echo bad >&2; exit 1") == Result(ok=False, output="exit code 1: bad")
    assert left == {} and all(made.closed for made in docker.engine.execs)


async def test_a_command_in_a_container_that_is_not_there_is_dockers_fault() -> None:
    with pytest.raises(DockerFault):
        await checks.make(a_check(command("true"), container_id="f" * 64), FakeDocker(), {})
