"""What the NIM tells about itself: metadata, version, licence, manifest and metrics."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from triton_embed import __version__
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.gateway.api.errors import RESPONSES
from triton_embed.gateway.services import state

router = APIRouter(tags=["about"], responses=RESPONSES)

LICENSE = Path(__file__).resolve().parents[2] / "LICENSE"


@router.get("/v1/version", summary="Version of the server and of its API")
async def version() -> dict[str, str]:
    """Return the release, and the version of the NIM's API that it follows."""
    return {"release": __version__, "api": "1.0.0"}


@router.get("/v1/metadata", summary="What is being served")
async def metadata(request: Request) -> dict[str, Any]:
    """Return version and models; clients of the NIM read ``modelInfo[0].shortName``."""
    models = [
        {"modelUrl": model.spec.model_id, "shortName": f"{model.spec.model_id}:{__version__}"}
        for model in state(request).catalog.models
    ]
    return {
        "id": "triton-embed",
        "version": __version__,
        "modelInfo": models,
        "licenseInfo": {"name": _license()["name"], "url": _license()["url"]},
        "repository_override": "",
        "assetInfo": [],
    }


@router.get("/v1/manifest", summary="The models and what they can do")
async def manifest(request: Request) -> dict[str, Any]:
    """Return every model's spec."""
    specs = [spec_to_parameters(model.spec) for model in state(request).catalog.models]
    return {"manifest_version": "1", "models": specs}


@router.get("/v1/license", summary="The licence of the server")
async def license() -> dict[str, Any]:
    """Return the licence with its text."""
    return _license()


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
@router.get("/v1/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return the gateway's metrics in Prometheus' text format."""
    return Response(state(request).metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


@cache
def _license() -> dict[str, Any]:
    text = LICENSE.read_text(encoding="utf-8")
    return {
        "name": "Apache License 2.0",
        "path": "LICENSE",
        "sha": hashlib.sha256(text.encode()).hexdigest(),
        "size": len(text.encode()),
        "url": "https://www.apache.org/licenses/LICENSE-2.0",
        "type": "file",
        "content": text,
    }
