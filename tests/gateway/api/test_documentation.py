from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from testing.asgi import asgi_client
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings


def app(root_path: str = "") -> FastAPI:
    return create(Settings(root_path=root_path, api_keys=("key",)))


async def get(path: str, root_path: str = "", **headers: str) -> httpx.Response:
    """Request a path, without an API key."""
    async with asgi_client(app(root_path)) as client:
        return await client.get(path, headers=headers)


def urls(page: str) -> list[str]:
    """Return the addresses that a browser loads."""
    return re.findall(r"(?:href|src)=\"([^\"]+)\"|url: '([^']+)'", page)


@pytest.mark.parametrize("root_path", ["", "/embed"])
async def test_documentation_page_loads_only_files_of_this_server(root_path: str) -> None:
    page = await get("/docs", root_path)
    assert "//" not in page.text.replace("<!--", "").replace("// ", "")
    found = ["".join(groups) for groups in urls(page.text)]
    assert len(found) == 4
    for url in found:
        assert url.startswith(f"{root_path}/")
        response = await get(url.removeprefix(root_path), root_path)
        assert response.status_code == 200 and len(response.content) > 1000


async def test_unknown_file_of_the_documentation_page_is_not_found() -> None:
    response = await get("/docs/redoc.standalone.js")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("ranges", ["bytes=5-1", "bytes=0-1,4-5", "lines=1"])
async def test_file_of_the_documentation_page_is_sent_whole(ranges: str) -> None:
    whole, response = [
        await get("/docs/swagger-ui.css", **headers) for headers in ({}, {"range": ranges})
    ]
    assert (response.status_code, response.content) == (200, whole.content)
    assert response.headers["content-type"].startswith("text/css")


async def test_documentation_page_sends_requests_with_the_prefix() -> None:
    document = (await get("/openapi.json", "/embed")).json()
    assert document["servers"] == [{"url": "/embed"}]
