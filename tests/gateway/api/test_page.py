from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from testing.asgi import asgi_client
from testing.paths import ROOT
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings

FOLDER = ROOT / "gateway" / "page"

NAMES = sorted(path.name for path in FOLDER.iterdir())

SCRIPTS = [name for name in NAMES if name.endswith(".js")]

MAX_LINES = 400
"""Maximum lines of a file, as for modules in Python."""


async def get(path: str = "/", *, app: FastAPI | None = None, **headers: str) -> httpx.Response:
    """Request a path without an API key, by default from a server that requires one."""
    async with asgi_client(app or create(Settings(api_keys=("key",)))) as client:
        return await client.get(path, headers={n.replace("_", "-"): v for n, v in headers.items()})


def source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def addresses(html: str) -> list[str]:
    """Return the addresses of a page."""
    return re.findall(r'(?:href|src)="([^"]+)"', html)


async def test_page_loads_only_files_of_this_server() -> None:
    response = await get()
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    loaded = {url for url in addresses(response.text) if not url.startswith("#")}
    assert loaded == {
        *("./page/icon.svg", "./page/style.css", "./page/app.js"),
        *("./docs", "./metrics"),
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name != "index.html"])
async def test_file_of_the_page_is_served_without_a_key(name: str) -> None:
    response = await get(f"/page/{name}")
    assert (response.status_code, response.text) == (200, source(name))
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert response.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])


@pytest.mark.parametrize("path", ["/page/", "/page/index.html", "/page/x.js", "/page/../app.py"])
async def test_other_path_below_the_page_is_not_found(path: str) -> None:
    app = create(Settings())
    response = await get(path, app=app)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_requests_of_the_page_need_a_key() -> None:
    assert (await get("/v1/models")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
async def test_policy_allows_no_inline_code_and_no_other_server(path: str) -> None:
    headers = (await get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("img-src") == "'self' data:"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect")} == {"'self'"}
    assert {policy[name] for name in ("default-src", "base-uri", "frame-ancestors")} == {"'none'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_policy_is_not_sent_with_other_responses() -> None:
    assert "content-security-policy" not in (await get("/docs")).headers


@pytest.mark.parametrize("path", ["/", "/page/style.css"])
async def test_unchanged_file_is_not_sent_again(path: str) -> None:
    first = await get(path)
    assert first.headers["cache-control"] == "no-cache"
    second = await get(path, if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]


async def test_addresses_have_the_prefix_of_the_proxy() -> None:
    response = await get(app=create(Settings(root_path="/embed")))
    urls = [url for url in addresses(response.text) if not url.startswith("#")]
    assert urls and all(url.startswith("/embed/") for url in urls)


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
async def test_head_has_the_headers_of_get(path: str) -> None:
    async with asgi_client(create(Settings())) as client:
        head, whole = await client.head(path), await client.get(path)
    assert head.status_code == 200
    assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
async def test_page_can_be_switched_off(path: str) -> None:
    response = await get(path, app=create(Settings(page=False)))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/unknown.js"])
async def test_page_is_not_counted_as_traffic(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[Any, ...]] = []
    module = "triton_embed.gateway.metrics.Metrics.observe_http_request"
    monkeypatch.setattr(module, lambda metrics, *values: counted.append(values))
    app = create(Settings())
    app.state.services = SimpleNamespace(catalog=SimpleNamespace(models=[]))
    await get(path, app=app)
    assert counted == []
    await get("/docs", app=app)
    assert len(counted) == 1


async def test_page_is_not_in_the_description_of_the_api() -> None:
    assert not {"/", "/page/{name}"} & (await get("/openapi.json")).json()["paths"].keys()


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_imports_files_of_the_page(name: str) -> None:
    imported = re.findall(r'^(?:import|\}) .*from "(.+)";$', source(name), re.MULTILINE)
    assert source(name).count("\nimport ") + source(name).startswith("import ") == len(imported)
    assert {path.removeprefix("./") for path in imported} <= set(SCRIPTS)


@pytest.mark.parametrize("name", NAMES)
def test_file_of_the_page_is_short(name: str) -> None:
    assert len(source(name).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", NAMES)
def test_file_of_the_page_names_no_other_server(name: str) -> None:
    urls = set(re.findall(r"\w+://[^\s\"'`]+", source(name)))
    assert urls <= {"http://www.w3.org/2000/svg"}
