"""``/v1/health/live`` and ``/v1/health/ready``; both answer at once, however busy Triton is."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from triton_embed.gateway.api.errors import RESPONSES
from triton_embed.gateway.services import state

router = APIRouter(tags=["health"], responses=RESPONSES)


class Health(BaseModel):
    """What probes are told; the NIM has this body for 503, too."""

    object: Literal["health-response"] = "health-response"
    message: str


# Some probes ask for the head alone, `wget --spider` for one.
@router.head("/v1/health/live", include_in_schema=False)
@router.get("/v1/health/live", summary="Is the gateway running?")
async def live() -> Health:
    """Answer whenever the process can."""
    return Health(message="Service is live.")


@router.head("/v1/health/ready", include_in_schema=False)
@router.get(
    "/v1/health/ready",
    summary="Can a model be asked?",
    response_model=Health,
    responses={503: {"model": Health, "description": "No model can be asked."}},
)
async def ready(request: Request) -> JSONResponse:
    """Answer 200 while Triton serves at least one model, else 503."""
    if state(request).catalog.ready:
        return JSONResponse(Health(message="Service is ready.").model_dump())
    return JSONResponse(Health(message="Service is not ready.").model_dump(), status_code=503)
