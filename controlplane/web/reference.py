"""The API's own description: the OpenAPI document, and the same as a page (open to all), and who asks."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from controlplane.web.answers import answer
from controlplane.web.call import Call
from controlplane.web.dashboard import Dashboard
from controlplane.web.openapi import document
from controlplane.web.visit import Visit
from protocol.api import WhoAnswer

_REF = "#/components/schemas/"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One field or parameter, as the page shows it."""

    name: str
    kind: str
    """`integer`, `NodeView`, `list of string`, …"""
    needed: bool = False
    text: str = ""
    where: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, as the page shows it. `answers`: (status, what it says, type of the body)."""

    id: str
    method: str
    path: str
    summary: str
    parameters: tuple[Line, ...]
    body: str
    answers: tuple[tuple[str, str, str], ...]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One type, as the page shows it."""

    name: str
    text: str
    fields: tuple[Line, ...]


async def openapi(call: Call) -> Response:
    """`GET /api/v1/openapi.json`."""
    return Response(document(call.door.settings.version), media_type="application/json")


async def whoami(call: Call) -> Response:
    """`GET /api/v1/whoami`."""
    cluster, version = call.cluster.meta.cluster, call.door.settings.version
    return answer(WhoAnswer(name=call.who.name, cluster=cluster, version=version))


class Reference:
    """The handler of the page."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def page(self, visit: Visit) -> Response:
        """`GET /api/v1/docs`."""
        described = msgspec.json.decode(document(self._dashboard.door.settings.version))
        groups: dict[str, list[Entry]] = {}
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                groups.setdefault(operation["tags"][0], []).append(_entry(method.upper(), path, operation))
        shapes = [_shape(name, schema) for name, schema in sorted(described["components"]["schemas"].items())]
        return visit.page(self._dashboard.draw(visit, "reference", groups=groups, shapes=shapes))


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> Entry:
    body = operation.get("requestBody", {}).get("content", {})
    return Entry(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        parameters=tuple(
            Line(
                name=p["name"],
                kind=kind_of(p["schema"]),
                needed=p.get("required", False),
                text=p["description"],
                where=p["in"],
            )
            for p in operation["parameters"]
        ),
        body=", ".join(f"{kind_of(content['schema'])} ({media})" for media, content in body.items()),
        answers=tuple(
            (status, found["description"], next((kind_of(c["schema"]) for c in found.get("content", {}).values()), ""))
            for status, found in sorted(operation["responses"].items())
        ),
    )


def _shape(name: str, schema: Mapping[str, Any]) -> Shape:
    needed = schema.get("required", ())
    fields = schema.get("properties", {}).items()
    return Shape(
        name=name,
        text=schema.get("description", ""),
        fields=tuple(Line(name=key, kind=kind_of(value), needed=key in needed) for key, value in fields),
    )


def kind_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: `integer`, `NodeView`, `list of string`, `one of "a", "b"`, `string or null`."""
    match schema:
        case {"$ref": str(ref)}:
            return ref.removeprefix(_REF)
        case {"anyOf": list(options)}:
            return " or ".join(kind_of(option) for option in options)
        case {"enum": list(values)}:
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case {"type": "array", "items": {} as items}:
            return f"list of {kind_of(items)}"
        case {"type": "object", "additionalProperties": {} as values}:
            return f"map to {kind_of(values)}"
        case _:
            return str(schema.get("type", "anything"))
