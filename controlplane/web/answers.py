"""Answers: JSON of the API's types, and the one error shape with its table of statuses (DESIGN §9)."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from controlplane.core.record import Refused
from protocol.api import ErrorAnswer, ErrorBody, Problem

STATUS: Mapping[str, int] = {
    "bad_request": 400,
    "unsupported": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "conflict": 409,
    "gone": 410,
    "removed": 410,
    "expired": 410,
    "stale": 412,
    "too_large": 413,
    "unsupported_type": 415,
    "invalid": 422,
    "busy": 429,
    "internal": 500,
    "unavailable": 503,
    "timeout": 504,
    "full": 507,
}
"""Code of an error -> HTTP status. A code that is not here is a 400: somebody refused, and nothing was applied."""

CODE: Mapping[int, str] = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
"""For statuses that Starlette makes itself."""

_ENCODER = msgspec.json.Encoder()


class Rejected(Exception):
    """A request that is not served, and why. Raised anywhere in the web ring, answered in one place."""

    def __init__(self, code: str, message: str, *details: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(_ENCODER.encode(body), status, headers, "application/json")


def refusal(error: Rejected | Refused) -> Response:
    """The error shape of a rejection by the web ring or a refusal by the core."""
    match error:
        case Rejected():
            return failure(error.code, error.message, error.details, error.headers)
        case Refused():
            details = (Problem(message=error.message, field=error.field, fix=error.fix),) if error.field else ()
            return failure(error.code, error.message, details)


def failure(
    code: str,
    message: str,
    details: tuple[Problem, ...] = (),
    headers: Mapping[str, str] | None = None,
    status: int = 0,
) -> Response:
    """`{"error": {"code", "message", "details"}}` with the status that belongs to the code."""
    body = ErrorAnswer(error=ErrorBody(code=code, message=message, details=details))
    return answer(body, status or STATUS.get(code, 400), headers)
