"""``/v1/health/live`` and ``/v1/health/ready``; never delayed by a busy Triton."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from triton_embed.gateway.api import routes
from triton_embed.gateway.services import get_services

router = routes.router("health")


class Health(BaseModel):
    """The body of both probes; NIM sends it with status 503, too."""

    object: Literal["health-response"] = "health-response"
    message: str


@router.get("/v1/health/live", summary="Is the gateway running?", response_model=Health)
async def live(request: Request) -> JSONResponse:
    """Respond with status 200 while the process runs."""
    return _health("Service is live.", 200)


@router.get(
    "/v1/health/ready",
    summary="Is a model available?",
    response_model=Health,
    responses={503: {"model": Health, "description": "No model is available."}},
)
async def ready(request: Request) -> JSONResponse:
    """Respond with status 200 while Triton serves a model, otherwise 503.

    The query parameter ``model`` requests the readiness of that model.
    """
    catalog = get_services(request).catalog
    model = request.query_params.get("model")
    if catalog.ready if model is None else catalog.is_ready(model):
        return _health("Service is ready.", 200)
    return _health("Service is not ready.", 503)


def _health(message: str, status: int) -> JSONResponse:
    return JSONResponse(Health(message=message).model_dump(), status_code=status)
