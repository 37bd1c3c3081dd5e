"""``/``: a page for browsers with the models, a trial of them and live figures.

Its files are in `gateway/page/`. They are served as they are: there is no build step, and a browser
loads nothing from another server.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from fastapi import Request, Response

from triton_embed.contract.errors import NotFound
from triton_embed.gateway.api import routes

router = routes.router("page")

INDEX = "index.html"

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""Types of the files; `mimetypes` depends on the machine."""

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    # Chosen images are shown from their data URLs.
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # No text can become a part of the page's code, or HTML.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

HEADERS = {
    "content-security-policy": "; ".join(POLICY),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Browsers request the file again, so that an upgrade of the server replaces it.
    "cache-control": "no-cache",
}


class File(NamedTuple):
    """A file of the page.

    Attributes:
        content: Its bytes.
        etag: A quoted hash of them.
        media_type: Its type.
    """

    content: bytes
    etag: str
    media_type: str


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """Return the page."""
    return _response(request, page_files(request.app.state.root_path)[INDEX])


@router.get("/page/{name}", include_in_schema=False)
async def file(request: Request) -> Response:
    """Return one of the files that the page loads.

    Raises:
        NotFound: there is no such file.
    """
    name = request.path_params["name"]
    found = page_files(request.app.state.root_path)
    if name == INDEX or name not in found:
        raise NotFound(f"The path {request.scope['path']} does not exist")
    return _response(request, found[name])


@cache
def page_files(root_path: str) -> dict[str, File]:
    """Return the files by their names.

    Args:
        root_path: Prefix of all paths behind a proxy. If it is empty, the addresses in the page are
            relative to that of the page.
    """
    folder = files("triton_embed.gateway") / "page"
    found = {}
    for item in folder.iterdir():
        content = item.read_bytes()
        if item.name == INDEX and root_path:
            content = content.replace(b'="./', f'="{root_path}/'.encode())
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        found[item.name] = File(content, etag, MEDIA_TYPES[item.name.rpartition(".")[2]])
    return found


def _response(request: Request, found: File) -> Response:
    headers = HEADERS | {"etag": found.etag}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
