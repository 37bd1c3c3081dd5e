"""OpenTelemetry spans, one for each embedding request, as parents of Triton's own spans.

The standard ``OTEL_*`` variables configure the exporter. Needs the extra ``otel``.
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

TRACED_PATH = "/v1/embeddings"


class TracingMiddleware:
    """Wraps each embedding request in a span, continuing the caller's trace if it has one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over these attributes.
        resource = Resource.create({"service.name": "triton-embed-gateway"})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("triton-embed")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, or the application's start and shutdown."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, SpanFlush(send, self._provider).send)
        elif scope["type"] != "http" or scope["path"] != TRACED_PATH:
            await self._app(scope, receive, send)
        else:
            parent = propagate.extract(dict(Headers(scope=scope)))
            with self._tracer.start_as_current_span(
                f"{scope['method']} {scope['path']}", parent, kind=trace.SpanKind.SERVER
            ) as span:
                await self._app(scope, receive, TracingResponder(send, span).send)


class TracingResponder:
    """The response to one traced request.

    Args:
        send: The server's callable.
        span: The span of the request.
    """

    def __init__(self, send: Send, span: trace.Span) -> None:
        self._send = send
        self._span = span

    async def send(self, message: Message) -> None:
        """Send `message` and add its status to the span."""
        if message["type"] == "http.response.start":
            self._span.set_attribute("http.response.status_code", message["status"])
        await self._send(message)


class SpanFlush:
    """Exports the remaining spans before the application reports that its shutdown is complete.

    Uvicorn then lets the process end by a signal, so that no exit handler runs.

    Args:
        send: The server's callable.
        provider: The source of the spans.
    """

    def __init__(self, send: Send, provider: TracerProvider) -> None:
        self._send = send
        self._provider = provider

    async def send(self, message: Message) -> None:
        """Send `message`, after the spans if it ends the application."""
        if message["type"].startswith("lifespan.shutdown"):
            await asyncio.to_thread(self._provider.shutdown)
        await self._send(message)


def current_trace_headers() -> tuple[tuple[str, str], ...]:
    """Return the headers that continue the current trace in Triton."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())
