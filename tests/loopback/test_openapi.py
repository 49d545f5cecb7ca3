"""Requests made from the API's own description, at a real Center: no 5xx, and no answer that it does not describe."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from controlplane.web.contract import OPERATIONS
from tests.loopback.center import ADMIN_TOKEN, fetch, running_center

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 25
COMPOSE = b'{"compose": "services: {web: {image: web:1, ports: [80]}}"}'


def _ask_everything(url: str, mode: GenerationMode) -> tuple[set[str], list[str]]:
    """The operations asked, and what was answered otherwise than described. Blocks."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    fetch(url, "/api/v1/projects/shop", COMPOSE, ADMIN_TOKEN, "PUT")
    asked: set[str] = set()
    wrong: list[str] = []
    session = requests.Session()
    session.headers.update(headers)
    for result in schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        asked.add(operation.label)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            response = case.call(session=session, timeout=10)
            case.validate_response(response, checks=CHECKS)

        try:
            ask()
        except FailureGroup as group:
            wrong.extend(f"{operation.label}: {failure}" for failure in group.exceptions)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE and not list(operation.iter_parameters())  # nothing to get wrong
    session.close()
    return asked, wrong


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_every_operation_answers_as_it_says(tmp_path: Path, mode: GenerationMode) -> None:
    async with running_center(tmp_path) as running:
        asked, wrong = await asyncio.to_thread(_ask_everything, running.url, mode)
    assert not wrong, "\n".join(wrong)
    assert asked == set(OPERATIONS) - {"GET /api/v1/openapi.json"}  # which is where it began
