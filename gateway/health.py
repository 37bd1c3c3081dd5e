"""``/v1/health/live`` and ``/v1/health/ready``; both answer at once, however busy Triton is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.errors import RESPONSES
from gateway.state import state

router = APIRouter(tags=["health"], responses=RESPONSES)


@router.get("/v1/health/live", summary="Is the gateway running?")
async def live() -> dict[str, str]:
    """Answer whenever the process can."""
    return _health("Service is live.")


@router.get("/v1/health/ready", summary="Can a model be asked?")
async def ready(request: Request) -> JSONResponse:
    """Answer 200 while Triton serves at least one model, else 503."""
    if state(request).catalog.ready:
        return JSONResponse(_health("Service is ready."))
    return JSONResponse(_health("Service is not ready."), status_code=503)


def _health(message: str) -> dict[str, str]:
    return {"object": "health-response", "message": message}
