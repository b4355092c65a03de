"""The published OpenAPI documents hold against a client that nobody here wrote (schemathesis)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.conftest import NewUser, System

DOCUMENTS = (
    "/api/auth/openapi.json",
    "/api/files/openapi.json",
    "/api/results/openapi.json",
    "/api/files/dicom-web/openapi.json",
    "/dicom-web/openapi.json",
)
# The stream of events does not end, so there is no whole answer to look at.
STREAMS = "/api/events"


@schemathesis.serializer("multipart/related", "application/dicom")
def as_it_is(_: Any, value: Any) -> bytes:
    """Bodies whose media type the generator knows nothing of: its bytes, or whatever it draws as text."""
    drawn = getattr(value, "data", value)
    return drawn if isinstance(drawn, bytes) else str(drawn).encode("utf-8", "surrogatepass")


EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "4"))
"""Inputs for each operation; `make fuzz` tries more."""


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
@pytest.mark.parametrize("path", DOCUMENTS)
async def test_answers_are_as_described(path: str, system: System, new_user: NewUser) -> None:
    caller = await new_user()
    base = caller.urls["ingest"]
    await asyncio.to_thread(explore, base, path, dict(caller.headers))


def explore(base: str, path: str, headers: dict[str, str]) -> None:
    """Call every operation with generated input, valid and invalid."""
    schema = schemathesis.openapi.from_url(base + path).exclude(path=STREAMS)
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    called = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def call(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=checks)

        call()
        called += 1
    assert called >= 2
