"""``/docs``: Swagger UI, served by the gateway instead of a content delivery network."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from mimetypes import guess_type
from pathlib import Path

from fastapi import Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from triton_embed.contract.errors import NotFound
from triton_embed.gateway.api import routes

router = routes.router("documentation")

PACKAGE = "fastapi_offline"
"""Package with the files of Swagger UI (Apache License 2.0); its own code is not used."""

ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Return the HTML page of Swagger UI."""
    prefix = request.app.state.root_path
    script, style, icon = (f"{prefix}/docs/{name}" for name in ASSETS)
    return get_swagger_ui_html(
        openapi_url=f"{prefix}{request.app.openapi_url}",
        title=request.app.title,
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
    )


@router.get("/docs/{name}", include_in_schema=False)
async def asset(request: Request) -> Response:
    """Return one of the files that the page loads."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise NotFound(f"The path {request.scope['path']} does not exist")
    return Response(asset_content(name), media_type=guess_type(name)[0])


@cache
def asset_content(name: str) -> bytes:
    """Return one of the files. Not Starlette's response for files, whose errors have no body."""
    return (assets_folder() / name).read_bytes()


@cache
def assets_folder() -> Path:
    """Return the folder with the files, without importing the package, which would take longer."""
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None, f"'{PACKAGE}' is a dependency"
    return Path(spec.origin).parent / "static"
