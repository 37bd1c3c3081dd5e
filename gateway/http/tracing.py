"""OpenTelemetry: one span per embedding request, which Triton's own spans hang below.

Where spans go is said by the standard ``OTEL_*`` variables. Needs the extra ``otel``.
"""

from __future__ import annotations

import asyncio

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Tracing:
    """Wraps each HTTP request in a span, continuing the caller's trace if it has one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # The SDK puts OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES before these attributes.
        resource = Resource.create({"service.name": "triton-embed-gateway"})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("triton-embed")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, or the application's start and stop."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._after_spans(send))
            return
        if scope["type"] != "http" or scope["path"] != "/v1/embeddings":
            await self._app(scope, receive, send)
            return
        parent = propagate.extract(dict(Headers(scope=scope)))
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}", parent, kind=trace.SpanKind.SERVER
        ) as span:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, send_and_note)

    def _after_spans(self, send: Send) -> Send:
        async def send_after_spans(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                # Uvicorn lets the process end by a signal, with which nothing is run at exit.
                await asyncio.to_thread(self._provider.shutdown)
            await send(message)

        return send_after_spans


def outgoing() -> tuple[tuple[str, str], ...]:
    """Return the headers that continue the current trace in Triton."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())
