"""NIM's informational endpoints: metadata, version, license and manifest."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from triton_embed import __version__
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.gateway.api import routes
from triton_embed.gateway.services import get_services

router = routes.router("metadata")

DISTRIBUTION = "triton-embed"

LICENSE = "LICENSE"

LICENSE_NAME = "Apache License 2.0"

LICENSE_URL = "https://www.apache.org/licenses/LICENSE-2.0"


@router.get(
    "/v1/version", summary="Version of the server and of its API", response_model=dict[str, str]
)
async def version(request: Request) -> JSONResponse:
    """Return the release, and the version of NIM's API that it implements."""
    return JSONResponse({"release": __version__, "api": "1.0.0"})


@router.get("/v1/metadata", summary="The served models", response_model=dict[str, Any])
async def metadata(request: Request) -> JSONResponse:
    """Return version and models; NIM's clients read ``modelInfo[0].shortName``."""
    try:
        text = license_text()
    except (PackageNotFoundError, FileNotFoundError):
        text = ""  # Not an error: clients read the other fields to find the models.
    models = [
        {"modelUrl": model.spec.model_id, "shortName": f"{model.spec.model_id}:{__version__}"}
        for model in get_services(request).catalog.models
    ]
    body = {
        "id": "triton-embed",
        "version": __version__,
        "modelInfo": models,
        "licenseInfo": _license_info(text),
        "repository_override": "",
        "assetInfo": [],
    }
    return JSONResponse(body)


@router.get("/v1/manifest", summary="The specs of all models", response_model=dict[str, Any])
async def manifest(request: Request) -> JSONResponse:
    """Return every model's spec."""
    specs = [spec_to_parameters(model.spec) for model in get_services(request).catalog.models]
    return JSONResponse({"manifest_version": "1", "models": specs})


@router.get("/v1/license", summary="The license of the server", response_model=dict[str, Any])
async def license(request: Request) -> JSONResponse:
    """Return the license with its text."""
    return JSONResponse(_license_info(license_text()))


def _license_info(text: str) -> dict[str, str | int]:
    content = text.encode()
    return {
        "name": LICENSE_NAME,
        "path": LICENSE,
        "sha": hashlib.sha256(content).hexdigest(),
        "size": len(content),
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
