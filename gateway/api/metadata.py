"""NIM's informational endpoints: metadata, version, license and manifest."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import distribution
from typing import Any

from fastapi import APIRouter, Request

from triton_embed import __version__
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.gateway.api.errors import RESPONSES
from triton_embed.gateway.services import get_services

router = APIRouter(tags=["metadata"], responses=RESPONSES)

DISTRIBUTION = "triton-embed"

LICENSE = "LICENSE"

LICENSE_NAME = "Apache License 2.0"

LICENSE_URL = "https://www.apache.org/licenses/LICENSE-2.0"


@router.get("/v1/version", summary="Version of the server and of its API")
async def version() -> dict[str, str]:
    """Return the release, and the version of NIM's API that it implements."""
    return {"release": __version__, "api": "1.0.0"}


@router.get("/v1/metadata", summary="The served models")
async def metadata(request: Request) -> dict[str, Any]:
    """Return version and models; NIM's clients read ``modelInfo[0].shortName``."""
    models = [
        {"modelUrl": model.spec.model_id, "shortName": f"{model.spec.model_id}:{__version__}"}
        for model in get_services(request).catalog.models
    ]
    return {
        "id": "triton-embed",
        "version": __version__,
        "modelInfo": models,
        "licenseInfo": {"name": LICENSE_NAME, "url": LICENSE_URL},
        "repository_override": "",
        "assetInfo": [],
    }


@router.get("/v1/manifest", summary="The models and their abilities")
async def manifest(request: Request) -> dict[str, Any]:
    """Return every model's spec."""
    specs = [spec_to_parameters(model.spec) for model in get_services(request).catalog.models]
    return {"manifest_version": "1", "models": specs}


@router.get("/v1/license", summary="The license of the server")
async def license() -> dict[str, Any]:
    """Return the license with its text."""
    text = license_text()
    return {
        "name": LICENSE_NAME,
        "path": LICENSE,
        "sha": hashlib.sha256(text.encode()).hexdigest(),
        "size": len(text.encode()),
        "url": LICENSE_URL,
        "type": "file",
        "content": text,
    }


@cache
def license_text() -> str:
    """Return the license that was installed with the package, from a wheel or a checkout.

    Raises:
        PackageNotFoundError: the package is not installed.
        FileNotFoundError: it was installed without its license.
    """
    # Its folder differs: an editable install also leaves metadata in the checkout.
    for path in distribution(DISTRIBUTION).files or ():
        if path.name == LICENSE:
            return path.read_text()
    raise FileNotFoundError(f"the package '{DISTRIBUTION}' was installed without its license")
