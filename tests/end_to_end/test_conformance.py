"""Conformance with our OpenAPI document: requests generated from it get documented responses."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from testing.minilm import MINILM
from testing.server import RunningServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_generated_requests_get_documented_responses(service: RunningServer) -> None:
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operations = [
        operation.ok() for operation in schema.get_all_operations() if isinstance(operation, Ok)
    ]
    assert len(operations) >= 10
    for operation in operations:

        @settings(
            max_examples=100 if operation.method == "post" else 10,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case[Any]) -> None:
            # Only a request that names a served model passes the check of the model.
            if isinstance(case.body, dict) and len(case.body) % 4:
                case.body["model"] = MINILM
            case.call_and_validate(checks=CHECKS)

        send()
