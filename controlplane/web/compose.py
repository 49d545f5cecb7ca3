"""A request's Compose file -> specification. Parsing is in `composefile`; it runs in a thread, off the loop."""

import asyncio
from typing import cast, get_args

import msgspec

from composefile.errors import ComposeError
from composefile.places import place_of
from composefile.read import Compose, read
from composefile.sourcemap import in_sources
from controlplane.core.record import Refused
from controlplane.web.answers import Rejected
from controlplane.web.call import Call, decode, one_of
from protocol.api import DeployRequest, Problem, SourceMap
from protocol.spec import Strategy

STRATEGIES: tuple[str, ...] = get_args(Strategy)

_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


class _Top(msgspec.Struct):
    services: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a deploy or a plan was asked with."""

    compose: Compose
    source: str
    strategy: Strategy | None
    sources: SourceMap | None = None

    def pointed(self, error: Refused) -> Rejected:
        """A refusal of the core with the line of its field in the file."""
        line, column = place_of(self.source, error.field)
        problem = Problem(message=error.message, field=error.field, line=line, column=column, fix=error.fix)
        details = in_sources((problem,), self.sources) if error.field else ()
        return Rejected(error.code, error.message, *details)


async def asked(call: Call, code: str) -> Asked:
    """The body as a project's Compose file (YAML, the same written as JSON, or a JSON DeployRequest), and the strategy
    for this dispatch.

    Errors and warnings name the files that the request's source map names. Raises Rejected: bad_request for the
    request itself, invalid (422) with every error of the file.
    """
    wanted = await _request(call)
    strategy = call.choice("strategy", STRATEGIES) or one_of("strategy", wanted.strategy, STRATEGIES)
    try:
        compose = await asyncio.to_thread(read, wanted.compose, project=code, file="compose.yaml")
    except ComposeError as error:
        count = len(error.problems)
        message = f"the Compose file has {count} error{'s' if count != 1 else ''}; nothing was changed"
        raise Rejected("invalid", message, *in_sources(error.problems, wanted.sources)) from error
    compose = msgspec.structs.replace(compose, warnings=in_sources(compose.warnings, wanted.sources))
    return Asked(
        compose=compose,
        source=wanted.compose,
        strategy=cast(Strategy, strategy) if strategy else None,
        sources=wanted.sources,
    )


async def _request(call: Call) -> DeployRequest:
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await call.request.body()
    if kind == "application/json" and not _is_compose(data):
        return decode(data, DeployRequest)
    if kind == "application/json":
        kind = _YAML[0]  # JSON is YAML, and its lines are counted the same
    if kind not in _YAML:
        text = (
            f"a Compose file comes as {_YAML[0]} or text/yaml, or as application/json; not as {kind[:80] or 'nothing'}"
        )
        raise Rejected("unsupported_type", text)
    try:
        return DeployRequest(compose=data.decode())
    except UnicodeDecodeError as error:
        raise Rejected("bad_request", f"the body is not UTF-8: {error.reason} at byte {error.start}") from error


def _is_compose(data: bytes) -> bool:
    """True for a Compose file written as JSON."""
    try:
        return msgspec.json.decode(data, type=_Top).services is not msgspec.UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
