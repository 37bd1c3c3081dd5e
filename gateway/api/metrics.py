"""``/metrics``, for Prometheus."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from triton_embed.gateway.api import routes
from triton_embed.gateway.services import get_services

router = routes.router("metrics")


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
@router.get("/v1/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return the gateway's metrics in Prometheus' text format."""
    services = get_services(request)
    for model in services.catalog.models:
        # Its series exist before its first request.
        services.metrics.of_model(model.spec.model_id)
    return Response(services.metrics.render(), headers={"content-type": CONTENT_TYPE_LATEST})
