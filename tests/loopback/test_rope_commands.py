"""Every command of `rope` against a real Center with agents, for people and for programs, with its exit code.

Those about signing in are in `test_rope_signing`, following and terminals in `test_rope_live`; a test counts that none
is left out.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from ropeteam.fault import Exit
from ropeteam.root import rope as root
from tests.loopback.test_cluster import Team, team
from tests.loopback.test_rope_live import Ended, rope

ELSEWHERE = {
    *("agent", "center", "completion", "login", "logout", "whoami", "doctor"),
    *("context ls", "context use", "context rm"),
    *("events -f", "logs -f", "exec -it"),
}
FILE = """name: {code}
services:
  web:
    image: web:1
    command: [run, "{version}"]
    deploy: {{replicas: {replicas}, update_config: {{monitor: 0s, parallelism: 2}}}}
    {canary}
"""
CANARY = "x-rope: {canary: {replicas: 1, promote: manual}}"


class Asked(NamedTuple):
    """A command, how it shall end, and what people shall read."""

    line: str
    code: int = 0
    said: str = ""


READING = (
    Asked("status", said="nothing is wrong"),
    Asked("ls", said="shop"),
    Asked("ps shop", said="shop/web/1"),
    Asked("nodes", said="node-1"),
    Asked("node ls", said="node-2"),
    Asked("node show node-1", said="node-1  online"),
    Asked("token ls", said="open"),
    Asked("events --project shop", said="deployment 1"),
    Asked("audit", said="asked by admin"),
    Asked("history shop", said="deploy"),
    Asked("adoption", said="Nothing is being adopted"),
    Asked("plan -f FILES/shop.yaml", said="keep"),
    Asked("logs shop", said=""),
    Asked("ps none", Exit.NOT_FOUND),
    Asked("node show none", Exit.NOT_FOUND),
    Asked("history none", Exit.NOT_FOUND),
    Asked("plan -p shop -f FILES/broken.yaml", Exit.ERROR),
)
"""Each is run in table and in JSON form."""

CHANGING = (
    Asked("deploy -f FILES/shop.yaml -y", said="unchanged"),
    Asked("scale shop web=3", said="3 of 3"),
    Asked("scale shop web", Exit.USAGE),
    Asked("scale shop none=1", Exit.ERROR),
    Asked("restart shop", said="3 of 3"),
    Asked("rollback shop --to 1", said="revision"),
    Asked("rollback shop --to 99", Exit.NOT_FOUND),
    Asked("failover shop", Exit.CONFLICT),
    Asked("stop shop", said="shop"),
    Asked("start shop", said="shop"),
    Asked("deploy watch shop", Exit.CONFLICT),
    Asked("deploy pause shop", Exit.CONFLICT),
    Asked("deploy resume shop", Exit.CONFLICT),
    Asked("deploy cancel shop", Exit.CONFLICT),
    Asked("deploy promote shop", Exit.CONFLICT),
    Asked("deploy abort shop", Exit.CONFLICT),
    Asked("node drain node-2", said=""),
    Asked("node resume node-2", said=""),
    Asked("node label node-1 region=eu", said="region=eu"),
    Asked("node weight node-1 2", said="weight 2"),
    Asked("node confirm-down node-1", Exit.CONFLICT),
    Asked("node rm node-1", Exit.USAGE),
    Asked("node upgrade node-1 --image agent:2", Exit.CONFLICT),  # its agent is a process, no container
    Asked("token create", said="rope agent"),
    Asked("token rm 00", Exit.NOT_FOUND),
    Asked("compose config -f FILES/shop.yaml", said="image: web:1"),
    Asked("version", said="Center"),
    Asked("backup FILES/b.tar.gz", said="b.tar.gz"),
    Asked("backup FILES/b.tar.gz", Exit.ERROR),
    Asked("restore FILES/b.tar.gz --show", said="incarnation 1"),
    Asked("restore FILES/b.tar.gz --data FILES", Exit.ERROR),
    Asked("inspect project/shop", said='"code": "shop"'),
    Asked("inspect shop", Exit.USAGE),
    Asked("exec shop/none -- true", Exit.NOT_FOUND),
    Asked("top --every 1s -n 1", Exit.USAGE),
    Asked("rm -y none", Exit.NOT_FOUND),
)


def leaves(group: click.Group, before: str = "") -> Iterator[str]:
    """Every command there is, as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield f"{before}{name}"
            yield from leaves(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def has_json(line: str) -> bool:
    """True when the command takes `-o`."""
    command: click.Command = root
    for word in line.split():
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        command = command.commands[word]
    return any("--output" in parameter.opts for parameter in command.params)


async def run(it: Team, folder: Path, line: str, *more: str) -> Ended:
    words = line.replace("FILES", str(folder)).split(" ")
    at = words.index("--") if "--" in words else len(words)
    return await rope(it, *words[:at], *more, *words[at:])


def files(folder: Path) -> None:
    """Compose files of a project, of its next version with a canary, and one that is broken."""
    (folder / "shop.yaml").write_text(FILE.format(code="shop", version=1, replicas=2, canary=""))
    (folder / "canary.yaml").write_text(FILE.format(code="shop", version=2, replicas=2, canary=CANARY))
    (folder / "broken.yaml").write_text("services: {web: {imagee: x}}\n")


def judged(asked: Asked, ended: Ended, *, as_json: bool) -> list[str]:
    """What is wrong with the end of a command."""
    where = f"rope {asked.line}{' -o json' if as_json else ''}"
    if "Traceback" in ended.err or ended.code != asked.code:
        return [f"{where}: code {ended.code}, not {int(asked.code)}: {ended.err[-300:]}"]
    if asked.code:
        return [] if ended.err and not ended.out else [f"{where}: refused, but says {ended.out[:80]!r} on stdout"]
    if as_json:
        try:
            for text in [ended.out] if ended.out.startswith(("{\n", "[")) else ended.out.splitlines():
                json.loads(text)
        except ValueError:
            return [f"{where}: no JSON: {ended.out[:200]!r}"]
        return []
    return [] if asked.said in ended.out + ended.err else [f"{where}: {asked.said!r} is not in {ended.out[:300]!r}"]


async def test_every_command_for_people_and_for_programs(tmp_path: Path) -> None:
    files(tmp_path)
    wrong: list[str] = []
    async with team(tmp_path, "node-1", "node-2") as it:
        first = await run(it, tmp_path, "deploy -f FILES/shop.yaml -y --progress plain")
        assert first.code == 0 and "2 of 2" in first.out, first.err
        await run(it, tmp_path, "token create")
        limit = asyncio.Semaphore(os.cpu_count() or 1)

        async def read(asked: Asked, as_json: bool) -> None:
            async with limit:
                wrong.extend(judged(asked, await run(it, tmp_path, asked.line, *_form(as_json)), as_json=as_json))

        async with asyncio.TaskGroup() as tasks:
            for asked in READING:
                for as_json in (False, True):
                    tasks.create_task(read(asked, as_json))
        for asked in CHANGING:
            forms = (False, True) if has_json(asked.line) and not asked.code else (False,)
            for as_json in forms:
                ended = await run(it, tmp_path, asked.line, *_form(as_json))
                wrong += judged(asked, ended, as_json=as_json)
        wrong += await _a_canary(it, tmp_path)
        removed = await run(it, tmp_path, "rm -y shop")
        assert removed.code == 0 and removed.out.startswith("shop removed"), removed.err
    assert not wrong, "\n".join(wrong)


async def _a_canary(it: Team, folder: Path) -> list[str]:
    """A canary waits for a person, is paused, resumed, promoted; another is aborted."""
    wrong = []
    for line, said in (
        ("deploy -f FILES/canary.yaml -y", "waits for a person"),
        ("deploy pause shop", "paused"),
        ("deploy resume shop --detach", ""),
        ("deploy promote shop", "2 of 2"),
        ("rollback shop --detach", ""),
    ):
        wrong += judged(Asked(line, said=said), await run(it, folder, line), as_json=False)
    return wrong


def _form(as_json: bool) -> tuple[str, ...]:
    return ("-o", "json") if as_json else ()


def test_no_command_is_left_out() -> None:
    typed = {" ".join(asked.line.split()) for asked in (*READING, *CHANGING)} | {"rm -y", "top"}
    for command in leaves(root):
        assert command in ELSEWHERE or any(line == command or line.startswith(f"{command} ") for line in typed), command
