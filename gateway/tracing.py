"""OpenTelemetry: one span per embedding request, which Triton's own spans hang below.

Where spans go is said by the standard ``OTEL_*`` variables. Needs the extra ``otel``.
"""

from __future__ import annotations

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
        """Handle one connection."""
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


def outgoing() -> tuple[tuple[str, str], ...]:
    """Return the headers that continue the current trace in Triton."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())
