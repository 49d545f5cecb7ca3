"""The operators' hands: the Center's HTTP API with idempotency keys, asked again until there is an answer."""

import asyncio
import http.client
import json
import uuid
from typing import Any, NamedTuple

from tests.torture.process import ENVIRONMENT

ANSWER_S = 30.0
AGAIN_S = 0.5
BUSY = 429
"""We ask faster than one caller may."""

NOT_NOW = frozenset({BUSY, 500, 502, 503, 507})


class Reply(NamedTuple):
    """What was answered at last. `doubtful`: an earlier try broke off, so it may have been obeyed before."""

    status: int
    body: Any
    doubtful: bool

    @property
    def good(self) -> bool:
        """It was acknowledged."""
        return self.status < 300


class Api:
    """One Center's API. Anybody may use it at any time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.broken = 0
        """Tries that ended without an answer."""
        self.internal = 0
        """Answers that were 500: a fault of the Center."""

    def once(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        """One try. Raises OSError, HTTPException. Blocks."""
        headers = {"authorization": f"Bearer {ENVIRONMENT['ROPE_ADMIN_TOKEN']}", "content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status == 500:
            self.internal += 1
        return answer.status, json.loads(data) if data[:1] in (b"{", b"[") else data.decode()

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        """The same request with the same key until there is an answer that is one."""
        key, doubtful = uuid.uuid4().hex, False
        while True:
            try:
                status, answer = await asyncio.to_thread(self.once, method, f"/api/v1{path}", body, key)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                doubtful = True
            else:
                under_way = status == 409 and "still under way" in str(answer)
                if status not in NOT_NOW and not under_way:
                    return Reply(status, answer, doubtful)
            await asyncio.sleep(AGAIN_S)

    async def get(self, path: str) -> Any:
        """What is there now. Raises OSError, HTTPException, AssertionError."""
        status, answer = await self.look(path)
        assert status == 200, (path, status, answer)
        return answer

    async def look(self, path: str) -> tuple[int, Any]:
        """Status and body of what is there now, or is not. Raises OSError, HTTPException."""
        while True:
            status, answer = await asyncio.to_thread(self.once, "GET", path)
            if status != BUSY:
                return status, answer
            await asyncio.sleep(AGAIN_S)
