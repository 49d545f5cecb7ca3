"""One check of a probe: an HTTP request, a TCP connection or a command, with whatever the container answers bounded.

Connects to the container's own address on its bridge network, not to a published port: that works for services that
publish nothing, and Docker's proxy accepts connections on a published port although nothing listens behind it. Never
raises for what a container does. Called by `prober`, which sets the deadline.
"""

import asyncio
import os
import re
from contextlib import suppress

from nodeagent.core.container import Docker, DockerFault, Exec
from nodeagent.core.probes import Check, Result
from nodeagent.docker.text import clean
from protocol.spec import Probe

OUTPUT_MAX = 200
"""Characters of a container's own words in a verdict."""
LINE_MAX = 8 * 1024
"""Bytes of one line of an HTTP answer's head."""
INTERIM_MAX = 8
"""Answers such as `100 Continue` before the one that counts."""
HEAD_LINES_MAX = 100
BODY_MAX = 16 * 1024
BODY_S = 0.2
"""How much of a body is read, and for how long, so that a server need not see its answer refused."""
EXEC_BYTES = 4 * 1024

_PATH = re.compile(r"/[!-~]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t -~]*")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r?\n)")


async def make(check: Check, docker: Docker, left: dict[str, Exec]) -> Result:
    """Make the check. `left`: commands that outlived their deadline, by container; one that still runs fails the check,
    so that they do not pile up. May be cancelled at any time. Raises DockerFault from `exec` only.
    """
    probe, target = check.target.probe, check.target
    if probe.kind == "exec":
        return await _command(docker, target.container_id, probe.command, left)
    if not target.addresses:
        return Result(ok=False, output="the container has no address on a network")
    try:
        reader, writer = await asyncio.open_connection(target.addresses[0], probe.port, limit=LINE_MAX)
    except OSError as error:
        return Result(ok=False, output=reason(error))
    try:
        return await _http(reader, writer, probe, target.addresses[0]) if probe.kind == "http" else Result(ok=True)
    except OSError as error:
        return Result(ok=False, output=reason(error))
    finally:
        writer.close()


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: Probe, address: str) -> Result:
    head = request(probe, address)
    if head is None:
        return Result(ok=False, output="its path or a header is not one that HTTP can carry")
    writer.write(head)
    await writer.drain()
    status = await _status(reader)
    if status is None:
        return Result(ok=False, output="the answer is not HTTP")
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(BODY_S):
            await reader.readexactly(BODY_MAX)
    return Result(ok=probe.status_from <= status <= probe.status_to, output=str(status))


def request(probe: Probe, address: str) -> bytes | None:
    """The bytes of the request; None when path or headers hold what HTTP cannot carry, such as a line break."""
    host = f"[{address}]:{probe.port}" if ":" in address else f"{address}:{probe.port}"
    given = {"Host": host, "User-Agent": "ropeteam-probe", "Accept": "*/*"}
    for name, value in probe.headers.items():
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        given = {known: kept for known, kept in given.items() if known.lower() != name.lower()} | {name: value}
    if not _PATH.fullmatch(probe.path):
        return None
    lines = [f"GET {probe.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _status(reader: asyncio.StreamReader) -> int | None:
    """The status of the first answer that is final; None when this is not HTTP. A redirect is an answer like others."""
    for _ in range(INTERIM_MAX):
        line = await _line(reader)
        found = _STATUS.match(line)
        if found is None:
            return None
        if (status := int(found[1])) >= 200:
            return status
        for _ in range(HEAD_LINES_MAX):
            if (await _line(reader)).strip() == b"":
                break
    return None


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:  # longer than the limit
        return b""


async def _command(docker: Docker, container_id: str, command: tuple[str, ...], left: dict[str, Exec]) -> Result:
    former = left.get(container_id)
    if former is not None:
        if await _runs(former):
            return Result(ok=False, output="the check before it still runs")
        del left[container_id]
    running = await docker.exec(container_id, command, tty=False, stdin=False, cols=80, rows=24)
    left[container_id] = running  # until its end is seen: the deadline may come first
    try:
        output = bytearray()
        while (piece := await running.read()) is not None:
            output += piece[1][: EXEC_BYTES - len(output)]
        code = await running.exit_code()
    finally:
        await running.close()
    if code is None:
        return Result(ok=False, output="Docker does not say how it ended")
    del left[container_id]
    said = clean(output.decode(errors="replace"), OUTPUT_MAX)
    return Result(ok=code == 0, output=f"exit code {code}: {said}".removesuffix(": "))


async def _runs(former: Exec) -> bool:
    try:
        return await former.exit_code() is None
    except DockerFault as fault:
        if fault.kind == "not_found":  # it went with its container
            return False
        raise


def reason(error: OSError) -> str:
    """Why a connection failed, in few words: `connection refused`."""
    if error.errno is None:
        return clean(str(error), OUTPUT_MAX) or "the connection failed"
    return os.strerror(error.errno).lower()
