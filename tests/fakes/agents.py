"""Containers of agents on an engine in memory: keeps `tests/contract/agents_contract.py`, with knobs for tests."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from nodeagent.core.container import DockerFault
from nodeagent.core.replacing import Look

Raw = dict[str, Any]


class FakeAgents:
    """`images`: reference -> what Docker says of it. `lives`: what a container does once it runs, by its image."""

    def __init__(self) -> None:
        self.images: dict[str, Raw] = {}
        self.boxes: dict[str, Raw] = {}
        self.words: dict[str, str] = {}
        self.lives: dict[str, Callable[[str], None]] = {}
        self.faults: list[DockerFault] = []
        """Raised by the next calls, one each."""
        self.most_alive = 0
        """The most that ran at one time, but for those that replace."""
        self._numbers = itertools.count(1)

    def add_image(self, reference: str, **config: Any) -> None:
        self.images[reference] = {"Id": f"sha256:{len(self.images) + 1:064x}", "Config": config}

    async def inspect(self, ref: str) -> Raw | None:
        self._fail()
        return self._find(ref)

    async def look(self, ref: str) -> Look | None:
        self._fail()
        found = self._find(ref)
        if found is None:
            return None
        state = found["State"]
        return Look(
            id=found["Id"],
            name=found["Name"].lstrip("/"),
            status=state["Status"],
            restarts=found["RestartCount"],
            exit_code=state["ExitCode"],
        )

    async def image(self, ref: str) -> Raw:
        self._fail()
        return self._image(ref)

    async def make(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]) -> str:
        self._fail()
        image = self._image(body["Image"])
        there = self._find(name)
        if there is not None:
            if there["State"]["Status"] == "running":
                raise DockerFault("name_taken", f"a container named {name} runs already")
            del self.boxes[there["Id"]]
        number = f"{next(self._numbers):064x}"
        config = {key: value for key, value in body.items() if key not in ("HostConfig", "NetworkingConfig")}
        self.boxes[number] = {
            "Id": number,
            "Name": f"/{name}",
            "Image": image["Id"],
            "Config": {"Labels": {}, "Env": [], **config},
            "HostConfig": dict(body.get("HostConfig", {})),
            "Mounts": [],
            "State": {"Status": "created", "ExitCode": 0},
            "RestartCount": 0,
            "NetworkSettings": {"Networks": dict(networks)},
        }
        return number

    async def start(self, ref: str) -> None:
        self._fail()
        found = self._there(ref)
        if found["Config"].get("Cmd") == ["no-such-command"]:
            raise DockerFault("error", "no-such-command: not found")
        found["State"]["Status"] = "running"
        alive = [b for b in self.boxes.values() if b["State"]["Status"] == "running"]
        self.most_alive = max(self.most_alive, sum(not b["Name"].endswith("-replacing") for b in alive))
        if "exit 3" in str(found["Config"].get("Cmd")):
            self.end(ref, 3, "no such option")
        live = self.lives.get(found["Config"]["Image"])
        if live is not None:
            live(found["Id"])

    async def stop(self, ref: str) -> None:
        self._fail()
        found = self._there(ref)
        if found["State"]["Status"] in ("running", "restarting"):
            found["State"]["Status"] = "exited"

    async def name(self, ref: str, name: str) -> None:
        self._fail()
        if self._find(name) is not None:
            raise DockerFault("name_taken", f"the name {name} is taken")
        self._there(ref)["Name"] = f"/{name}"

    async def remove(self, ref: str) -> None:
        self._fail()
        found = self._find(ref)
        if found is not None and found["State"]["Status"] == "running":
            raise DockerFault("error", "it runs: stop it first")
        if found is not None:
            del self.boxes[found["Id"]]

    async def last_words(self, ref: str) -> str:
        found = self._find(ref)
        return self.words.get(found["Id"], "") if found is not None else ""

    async def close(self) -> None:
        return

    def end(self, ref: str, code: int, words: str = "") -> None:
        """It ends by itself."""
        found = self._there(ref)
        found["State"] = {"Status": "exited", "ExitCode": code}
        self.words[found["Id"]] = words

    def names(self) -> set[str]:
        return {box["Name"].lstrip("/") for box in self.boxes.values()}

    def _find(self, ref: str) -> Raw | None:
        return self.boxes.get(ref) or next((b for b in self.boxes.values() if b["Name"] == f"/{ref}"), None)

    def _there(self, ref: str) -> Raw:
        found = self._find(ref)
        if found is None:
            raise DockerFault("not_found", f"there is no container {ref}")
        return found

    def _image(self, ref: str) -> Raw:
        found = self.images.get(ref) or next((i for i in self.images.values() if i["Id"] == ref), None)
        if found is None:
            raise DockerFault("image_missing", f"the image {ref} is not on this node")
        return found

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)
