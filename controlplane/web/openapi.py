"""The OpenAPI 3.1 document, made from `contract` and the very types that decode requests and encode answers.

Served at `/api/v1/openapi.json` and as a page at `/api/v1/docs`. Made once; knows nothing of the cluster.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from controlplane.web.answers import STATUS
from controlplane.web.contract import IDEMPOTENCY_KEY, OPERATIONS, Operation, Parameter, Schema
from protocol.api import ErrorAnswer

_ALWAYS = ("bad_request", "too_slow", "too_large", "busy", "internal")
"""Codes that any operation may answer."""

_CHANGES = ("conflict", "unavailable", "timeout", "full")
"""Codes that any change may answer."""

_SAYING: Mapping[str, str] = {
    "bad_request": "something of the request is wrong; the field is named",
    "unauthorized": "no token, or a wrong one",
    "forbidden": "this token may not",
    "not_found": "there is no such thing",
    "conflict": "the state of things forbids it now",
    "stale": "the project is another one by now (If-Match)",
    "too_slow": "the body did not arrive in time",
    "too_large": "the body is too large",
    "unsupported_type": "a content type that is not read here",
    "invalid": "understood, but cannot be done; every reason is named",
    "busy": "too many requests; Retry-After says when to come back",
    "internal": "a mistake of the Center; its log says more",
    "unavailable": "the Center cannot make changes now",
    "timeout": "no answer in time; whether it was done is not known",
    "full": "the Center's disk is full; nothing was changed",
}

_COMPOSE_TYPES = ("application/yaml", "text/plain")
_HOLE = re.compile(r"\{(\w+)\}")


@cache
def document(version: str) -> bytes:
    """The document as JSON. `version`: the product's."""
    found, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for key, operation in OPERATIONS.items():
        method, path = key.split(" ", 1)
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, found)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Ropeteam",
                "version": version,
                "description": "Keeps containers up when machines fail. Everything live is told by the WebSocket "
                "`/api/v1/stream`. Times are UTC in ISO 8601; fields that end in `_s` are seconds.",
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _schemas() -> tuple[dict[Any, Schema], dict[str, Schema]]:
    kinds: dict[Any, None] = {ErrorAnswer: None}
    for operation in OPERATIONS.values():
        kinds.update(dict.fromkeys(kind for kind in (operation.body, *operation.answers.values()) if kind is not None))
    made, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return dict(zip(kinds, made, strict=True)), components


def _operation(method: str, path: str, operation: Operation, found: Mapping[Any, Schema]) -> dict[str, Any]:
    changes = method != "GET" and not path.endswith("/plan")
    parameters = (*operation.parameters, *((IDEMPOTENCY_KEY,) if changes else ()))
    shown: dict[str, Any] = {
        "operationId": operation_id(method, path),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(p) for p in parameters],
        "responses": _responses(operation, changes, found),
    }
    if not operation.open:
        shown["security"] = [{"token": []}]
    if operation.body is not None:
        content: dict[str, Any] = {"application/json": {"schema": found[operation.body]}}
        if operation.compose:
            content |= {media: {"schema": {"type": "string"}} for media in _COMPOSE_TYPES}
        shown["requestBody"] = {"required": operation.body_needed, "content": content}
    return shown


def _responses(operation: Operation, changes: bool, found: Mapping[Any, Schema]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for number, kind in operation.answers.items():
        shown[str(number)] = {"description": "done" if kind is None else "the answer"}
        if kind is not None:
            shown[str(number)]["content"] = {operation.media: {"schema": found[kind]}}
    refused = {"content": {"application/json": {"schema": found[ErrorAnswer]}}}
    for code in _codes(operation, changes):
        status = str(STATUS[code])
        text = f"`{code}`: {_SAYING[code]}"
        former = shown.get(status)
        shown[status] = {"description": f"{former['description']}; {text}" if former else text, **refused}
    return shown


def _codes(operation: Operation, changes: bool) -> Iterable[str]:
    yield from _ALWAYS
    if not operation.open:
        yield "unauthorized"
    if changes:
        yield from _CHANGES
    yield from (code for code in operation.errors if not (changes and code in _CHANGES) and code not in _ALWAYS)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    shown = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }
    return shown | {"required": True} if parameter.where == "path" else shown


def operation_id(method: str, path: str) -> str:
    """A name for an operation: `get_projects_code`."""
    words = [_HOLE.sub(r"\1", part) for part in path.removeprefix("/api/v1").split("/") if part]
    return "_".join([method.lower(), *words]).replace("-", "_").replace(".", "_")
