"""What every implementation of the port `Boxes` does: run against the fake and against a real engine.

Subclass `AgentsContract` where the fixtures `boxes` and `image` give the port and a local image that has a shell.
"""

import asyncio
from typing import Any

import pytest

from nodeagent.core.container import DockerFault
from nodeagent.core.replacing import Boxes, Look

STAYS = ["sh", "-c", "trap 'exit 0' TERM; echo here I am; while :; do sleep 0.1; done"]
ENDS = ["sh", "-c", "echo no such option; exit 3"]
MISSING = "sha256:" + "0" * 64


def body(image: str, command: list[str], **more: Any) -> dict[str, Any]:
    return {"Image": image, "Cmd": command, **more}


async def becomes(boxes: Boxes, ref: str, status: str) -> Look:
    """Wait until it is so."""
    for _ in range(200):
        found = await boxes.look(ref)
        if found is not None and found.status == status:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{ref} is not {status}")


class AgentsContract:
    """One container's life, and what is refused."""

    async def test_a_container_is_made_started_named_stopped_and_removed(self, boxes: Boxes, image: str) -> None:
        made = await boxes.make("agent-next", body(image, STAYS), {})
        assert await boxes.look("agent-next") == Look(id=made, name="agent-next", status="created")
        await boxes.start(made)
        await boxes.start(made)
        assert (await becomes(boxes, made, "running")).alive
        await boxes.name(made, "agent")
        assert await boxes.look("agent-next") is None
        await boxes.stop("agent")
        await boxes.stop("agent")
        ended = await boxes.look(made)
        assert ended is not None and (ended.name, ended.status, ended.exit_code) == ("agent", "exited", 0)
        await boxes.remove(made)
        await boxes.remove(made)
        assert await boxes.look(made) is None and await boxes.inspect(made) is None

    async def test_one_that_ended_makes_room_and_one_that_runs_does_not(self, boxes: Boxes, image: str) -> None:
        first = await boxes.make("agent", body(image, STAYS), {})
        second = await boxes.make("agent", body(image, STAYS), {})
        assert first != second and await boxes.look(first) is None
        await boxes.start(second)
        with pytest.raises(DockerFault) as caught:
            await boxes.make("agent", body(image, STAYS), {})
        assert caught.value.kind == "name_taken"

    async def test_a_name_that_is_taken_is_not_given_twice(self, boxes: Boxes, image: str) -> None:
        await boxes.make("agent", body(image, STAYS), {})
        other = await boxes.make("agent-next", body(image, STAYS), {})
        with pytest.raises(DockerFault):
            await boxes.name(other, "agent")

    async def test_its_end_and_its_last_words_are_told(self, boxes: Boxes, image: str) -> None:
        made = await boxes.make("agent", body(image, ENDS), {})
        await boxes.start(made)
        assert (await becomes(boxes, made, "exited")).exit_code == 3
        assert await boxes.last_words(made) == "no such option"
        assert await boxes.last_words("nobody") == ""

    async def test_one_that_runs_is_not_removed(self, boxes: Boxes, image: str) -> None:
        made = await boxes.make("agent", body(image, STAYS), {})
        await boxes.start(made)
        with pytest.raises(DockerFault):
            await boxes.remove(made)
        assert await boxes.look(made) is not None

    async def test_what_was_asked_for_is_shown(self, boxes: Boxes, image: str) -> None:
        labels, env = {"ropeteam.replacing": "t1"}, ["COLOUR=blue"]
        host = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 10}, "NetworkMode": "none"}
        made = await boxes.make("agent", body(image, STAYS, Labels=labels, Env=env, HostConfig=host), {})
        shown = await boxes.inspect("agent")
        assert shown is not None and (shown["Id"], shown["Name"]) == (made, "/agent")
        config, how = shown["Config"], shown["HostConfig"]
        assert config["Labels"]["ropeteam.replacing"] == "t1" and "COLOUR=blue" in config["Env"]
        assert (config["Image"], shown["Image"]) == (image, (await boxes.image(image))["Id"])
        assert how["RestartPolicy"] == host["RestartPolicy"] and how["NetworkMode"] == "none"

    async def test_an_image_that_is_not_there_is_told(self, boxes: Boxes, image: str) -> None:
        for ask in (boxes.image(MISSING), boxes.make("agent", body(MISSING, STAYS), {})):
            with pytest.raises(DockerFault) as caught:
                await ask
            assert caught.value.kind == "image_missing"
        assert (await boxes.image(image))["Id"].startswith("sha256:")

    async def test_what_cannot_be_started_is_an_error_at_once(self, boxes: Boxes, image: str) -> None:
        made = await boxes.make("agent", body(image, ["no-such-command"]), {})
        with pytest.raises(DockerFault) as caught:
            await boxes.start(made)
        assert caught.value.kind in ("error", "refused")
