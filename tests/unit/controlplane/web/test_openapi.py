"""The document of the API: complete, and true to the routes."""

import re

import msgspec
import pytest

from controlplane.web.contract import OPERATIONS
from controlplane.web.openapi import document, operation_id
from controlplane.web.reference import kind_of
from controlplane.web.routes import TABLE, Row

DOCUMENT = msgspec.json.decode(document("1.2.3"))


def test_every_route_is_described_and_no_other() -> None:
    served = {f"{row.method} {row.path}" for row in TABLE if isinstance(row, Row)} | {"GET /api/v1/docs"}
    assert set(OPERATIONS) == served


def test_every_reference_leads_somewhere() -> None:
    named = set(re.findall(r'"#/components/schemas/(\w+)"', document("1.2.3").decode()))
    assert named == set(DOCUMENT["components"]["schemas"])
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len(names) == len(set(names))
    assert operation_id("POST", "/api/v1/nodes/{name}/confirm-down") == "post_nodes_name_confirm_down"


def test_a_change_takes_a_key_and_a_token_and_says_how_it_is_refused() -> None:
    scale = DOCUMENT["paths"]["/api/v1/projects/{code}/scale"]["post"]
    assert {p["name"] for p in scale["parameters"]} >= {"code", "Idempotency-Key"}
    assert scale["security"] == [{"token": []}]
    assert set(scale["responses"]) >= {"200", "202", "400", "401", "404", "409", "422", "429", "507"}
    assert scale["requestBody"]["required"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "string"),
        ({"$ref": "#/components/schemas/NodeView"}, "NodeView"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}, "list of Problem"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "map to integer"),
        ({"enum": ["a", "b"]}, 'one of "a", "b"'),
        ({}, "anything"),
    ],
)
def test_a_schema_in_a_few_words(schema: dict[str, object], kind: str) -> None:
    assert kind_of(schema) == kind
