from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from testing.asgi import asgi_client
from triton_embed.gateway.api import metadata

METADATA = "Metadata-Version: 2.4\nName: triton-embed\nVersion: 9\n"

WHEEL = {
    "triton_embed-9.dist-info/METADATA": METADATA,
    "triton_embed-9.dist-info/RECORD": "triton_embed-9.dist-info/licenses/LICENSE,,\n",
    "triton_embed-9.dist-info/licenses/LICENSE": "of a wheel",
}
"""Files next to the package after an installation with pip."""

CHECKOUT = {
    "triton_embed.egg-info/PKG-INFO": METADATA,
    "triton_embed.egg-info/SOURCES.txt": "LICENSE\npyproject.toml\n",
    "LICENSE": "of a checkout",
    "pyproject.toml": "",
}
"""Files that an editable install leaves in the current folder of ``make serve``."""


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    metadata.license_text.cache_clear()
    yield
    metadata.license_text.cache_clear()


def install(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(("files", "text"), [(WHEEL, "of a wheel"), (CHECKOUT, "of a checkout")])
async def test_license_is_that_of_the_installed_package(
    files: Mapping[str, str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    app = FastAPI(routes=metadata.router.routes)
    async with asgi_client(app) as client:
        body = (await client.get("/v1/license")).json()
    assert body["content"] == text
    assert body["size"] == len(text)
    assert body["sha"] == hashlib.sha256(text.encode()).hexdigest()


def test_missing_license_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"triton_embed-9.dist-info/METADATA": METADATA})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileNotFoundError, match="'triton-embed' was installed without its license"):
        metadata.license_text()


async def test_metadata_needs_no_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "DISTRIBUTION", "not-installed")
    app = FastAPI(routes=metadata.router.routes)
    app.state.services = SimpleNamespace(catalog=SimpleNamespace(models=[]))
    async with asgi_client(app) as client:
        body = (await client.get("/v1/metadata")).json()
    assert body["licenseInfo"]["name"] == "Apache License 2.0"
    assert body["licenseInfo"]["content"] == ""
    assert body["modelInfo"] == []


async def test_metadata_has_all_license_fields_of_nim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, WHEEL)
    monkeypatch.syspath_prepend(tmp_path)
    app = FastAPI(routes=metadata.router.routes)
    app.state.services = SimpleNamespace(catalog=SimpleNamespace(models=[]))
    async with asgi_client(app) as client:
        info = (await client.get("/v1/metadata")).json()["licenseInfo"]
        own = (await client.get("/v1/license")).json()
    assert list(info) == ["name", "path", "sha", "size", "url", "type", "content"]
    assert info == own
