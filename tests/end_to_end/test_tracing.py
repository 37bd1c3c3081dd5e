"""Spans of one request, from the client through gateway and Triton."""

from __future__ import annotations

from pathlib import Path

import httpx

from testing.otlp import Collector, collecting
from testing.server import RunningServer

TRACE = "0af7651916cd43dd8448eb211c80319c"


def environment(collector: Collector, *, delay_milliseconds: int) -> dict[str, str]:
    return {
        "NIM_ENABLE_OTEL": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": str(delay_milliseconds),
    }


def test_one_trace_spans_client_gateway_and_triton(tiny_repository: Path) -> None:
    with collecting() as collector:
        variables = environment(collector, delay_milliseconds=200)
        with RunningServer(tiny_repository, environment=variables) as service:
            response = httpx.post(
                # KServe's path gets the same span.
                f"{service.url}/openai/v1/embeddings",
                json={"model": "tiny", "input": "a"},
                headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
            )
            assert response.status_code == 200
            collector.wait_for("POST /v1/embeddings", "tiny", "tiny_tokenizer", "tiny_encoder")
        # In protobuf from the gateway, in JSON from Triton.
        assert bytes.fromhex(TRACE) in collector.received
        assert TRACE.encode() in collector.received


def test_stopping_service_sends_its_remaining_spans(tiny_repository: Path) -> None:
    with collecting() as collector:
        variables = environment(collector, delay_milliseconds=600000)
        with RunningServer(tiny_repository, environment=variables) as service:
            assert service.post(model="tiny", input="a").status_code == 200
        assert b"POST /v1/embeddings" in collector.received
