"""One request as a handler sees it: names, query and body checked and typed, the controller to ask. Nothing trusted."""

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from controlplane.core.cluster import Cluster
from controlplane.core.command import Command
from controlplane.core.record import Now
from controlplane.web.answers import Rejected
from controlplane.web.door import Door
from controlplane.web.policy import Who
from protocol.api import Problem
from protocol.names import is_legal

ASK_S = 30.0
"""How long a handler waits for the one writer; a decision takes milliseconds."""

QUERY_MAX = 1 << 62

T = TypeVar("T")

_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$?\.?(?P<path>[^`]*)`$")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its way through a handler."""

    door: Door
    request: Request
    who: Who

    @property
    def cluster(self) -> Cluster:
        """The tables as they are now."""
        return self.door.controller.cluster

    @property
    def now(self) -> Now:
        """The time."""
        return self.door.now()

    async def ask(self, command: Command) -> Any:
        """Ask the one writer. Raises Refused; Rejected when no answer came in time: then the outcome is not known."""
        try:
            async with asyncio.timeout(ASK_S):
                return await self.door.controller.ask(command)
        except TimeoutError as error:
            raise Rejected("timeout", f"no answer within {ASK_S:.0f} s; whether it was done is not known") from error

    def name(self, key: str, kind: re.Pattern[str], code: str = "not_found") -> str:
        """A name in the path. Raises Rejected(`code`) when it is not a legal one."""
        text: str = self.request.path_params[key]
        if not is_legal(kind, text):
            message = f"{text[:80]!r} is not a legal name: it must match {kind.pattern}"
            raise Rejected(code, message, Problem(field=key, message=message))
        return text

    def text(self, key: str, kind: re.Pattern[str]) -> str:
        """A name in the query, "" when it is not there."""
        text = self.request.query_params.get(key, "")
        if text and not is_legal(kind, text):
            raise bad(key, f"must match {kind.pattern}")
        return text

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of these words in the query, "" when it is not there."""
        return one_of(key, self.request.query_params.get(key, ""), choices)

    def number(self, key: str, default: int | None = None, *, least: int = 0, most: int = QUERY_MAX) -> int | None:
        """A whole number in the query, `default` when it is not there."""
        found = whole_number(key, self.request.query_params.get(key, ""), least=least, most=most)
        return default if found is None else found

    def flag(self, key: str) -> bool:
        """`true` or `1` in the query."""
        return self.choice(key, ("true", "1", "false", "0")) in ("true", "1")

    def if_revision(self, present: int) -> int | None:
        """The revision that `If-Match` names (`*` = `present`, which must be one), 0 for `If-None-Match: *`.

        Raises Rejected(stale) when it can fit none.
        """
        wanted, unwanted = self.request.headers.get("if-match"), self.request.headers.get("if-none-match")
        if unwanted is not None and unwanted.strip() == "*":
            return 0
        if wanted is None:
            return None
        if wanted.strip() == "*" and present:
            return present
        tags = [tag.strip() for tag in wanted.split(",")]
        if etag(present) in tags:
            return present
        raise Rejected("stale", f"the project is not as you saw it: its ETag is {etag(present)} now; look again")

    async def body(self, kind: type[T], *, optional: bool = False) -> T:
        """The body as this type, strictly. `optional`: no body counts as `{}`. Raises Rejected naming the field."""
        data = await self.request.body()
        return decode(b"{}" if optional and not data else data, kind)


def decode(data: bytes, kind: type[T]) -> T:
    """JSON as this type, strictly. Raises Rejected with the field that is wrong."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        problem = _problem(str(error))
        raise Rejected("bad_request", f"{problem.field or 'body'}: {problem.message}", problem) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("bad_request", f"the body is not JSON: {error}", Problem(message=str(error))) from error


def etag(revision: int) -> str:
    """The ETag of a project: its revision."""
    return f'"{revision}"'


def one_of(key: str, text: str, choices: tuple[str, ...]) -> str:
    """`text` when it is empty or one of these. Raises Rejected naming the field."""
    if text and text not in choices:
        raise bad(key, f"must be one of {', '.join(choices)}")
    return text


def whole_number(key: str, text: str, *, least: int = 0, most: int = QUERY_MAX) -> int | None:
    """`text` as a whole number, None when it is empty. Raises Rejected naming the field."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not least <= int(text) <= most:
        raise bad(key, f"must be a whole number from {least} to {most}")
    return int(text)


def _problem(text: str) -> Problem:
    """msgspec's sentence, e.g. "Expected `int`, got `str` - at `$.services[...]`", as a problem with its field."""
    where = _PATH.search(text)
    message = text[: where.start()] if where else text
    named = _UNKNOWN.search(message) or _MISSING.search(message)
    parts = [where["path"] if where else "", named["name"] if named else ""]
    return Problem(field=".".join(p for p in parts if p), message=message)


def bad(key: str, message: str) -> Rejected:
    """A field of the request that is wrong, and how."""
    return Rejected("bad_request", f"{key}: {message}", Problem(field=key, message=message))
