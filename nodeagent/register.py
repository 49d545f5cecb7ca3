"""Joining: `POST /api/agent/register` with a join token, signatures checked both ways (DESIGN §3.1).

Asked again for ever while the Center cannot be reached; a refusal or a Center that is not the token's ends it with a
sentence. Keeps nothing: `app` saves the identity. Called once in an agent's life.
"""

import asyncio
import logging
from collections.abc import Callable

import aiohttp
import msgspec

from nodeagent.docker.text import clean
from nodeagent.identity import Identity
from nodeagent.keys import is_signed
from nodeagent.pauses import full_jitter_s, retry_after_s, wished_s
from protocol import handshake
from protocol.api import ErrorAnswer, RegisterAnswer, RegisterRequest
from protocol.handshake import JoinToken
from protocol.versions import spoken_with_center

REQUEST_S = 15.0
ANSWER_MAX = 64 * 1024

log = logging.getLogger(__name__)


class JoinRefused(Exception):
    """The Center will not have this agent, or is not the Center the token speaks of. The text is for people."""


class _Busy(Exception):
    """Not now; `after_s` None = when we like."""

    def __init__(self, text: str, after_s: float | None) -> None:
        super().__init__(text)
        self.after_s = after_s


async def join(
    center: str,
    token: JoinToken,
    request: RegisterRequest,
    seed: str,
    *,
    pause_s: Callable[[int], float] = full_jitter_s,
) -> Identity:
    """Register until it succeeds. `request` carries the claim signed with the key of `seed`; asking again with it is
    idempotent. Raises JoinRefused.
    """
    failures = 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as http:
        while True:
            try:
                answer = await _ask(http, f"{center}/api/agent/register", request)
            except (_Busy, aiohttp.ClientError, TimeoutError, OSError) as error:
                after_s = error.after_s if isinstance(error, _Busy) else None
                wait_s = max(pause_s(failures), wished_s(after_s or 0.0))
                failures += 1
                log.warning("cannot join at %s: %s; again in %.1f s", center, _sentence(error), wait_s)
                await asyncio.sleep(wait_s)
            else:
                _check(answer, token, request)
                return Identity(
                    seed=seed,
                    agent_id=answer.agent_id,
                    node=answer.node,
                    cluster=answer.cluster,
                    center_key=answer.center_key,
                    center_url=center,
                    session_path=answer.session_path,
                    admitted=answer.signature,
                    address=request.address,
                )


async def _ask(http: aiohttp.ClientSession, url: str, request: RegisterRequest) -> RegisterAnswer:
    headers = {"Content-Type": "application/json"}
    async with http.post(url, data=msgspec.json.encode(request), headers=headers, allow_redirects=False) as response:
        body = await _bounded(response)
        if response.status in (429, 500, 502, 503, 504, 507):
            raise _Busy(_reason(response.status, body), retry_after_s(response.headers.get("Retry-After")))
        if response.status not in (200, 201):
            raise JoinRefused(f"the Center refused to let this node join: {_reason(response.status, body)}")
        try:
            return msgspec.json.decode(body, type=RegisterAnswer)
        except ValueError as error:
            raise JoinRefused(f"{url} does not answer as a Center does: {error}") from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > ANSWER_MAX:
            raise JoinRefused("the answer to the registration is far too long; is this a Center?")
    return bytes(body)


def _reason(status: int, body: bytes) -> str:
    try:
        return clean(msgspec.json.decode(body, type=ErrorAnswer).error.message)
    except ValueError:
        return f"HTTP {status}"


def _check(answer: RegisterAnswer, token: JoinToken, request: RegisterRequest) -> None:
    try:
        fingerprint = handshake.key_fingerprint(answer.center_key)
    except ValueError:
        fingerprint = ""
    claim = handshake.registered_claim(answer.cluster, answer.agent_id, request.public_key)
    if fingerprint != token.fingerprint or not is_signed(answer.center_key, answer.signature, claim):
        raise JoinRefused(
            "the Center that answered is not the one the join token comes from: its identity key is another. "
            "Check --center; someone may be in between."
        )
    try:
        spoken_with_center(answer.protocol)
    except ValueError as error:
        raise JoinRefused(str(error)) from error


def _sentence(error: BaseException) -> str:
    return str(error) or type(error).__name__
