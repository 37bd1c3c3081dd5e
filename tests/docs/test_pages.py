"""Pages that list what the code defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import metadata
from pathlib import Path

import pytest

from testing.paths import ROOT
from triton_embed.contract import errors
from triton_embed.contract.errors import ApiError
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings as GatewaySettings
from triton_embed.serve.settings import Settings as ServeSettings

ROW = re.compile(r"^\| (\d{3}) \| `(\w+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
FOLDERS = ("backends", "contract", "gateway")


def documented() -> set[tuple[int, str]]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return {(int(status), code) for status, code in ROW.findall(text)}


def raised() -> Iterator[tuple[int, str]]:
    """Yield status and code of every error that the code defines or constructs."""
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, ApiError)
    }
    for kind in kinds.values():
        yield kind.http_status, kind.default_code
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            yield from ((kinds[name].http_status, code) for name, code in constructed(path))


def constructed(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the class and the literal ``code`` of each call in a module that has one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield node.func.id, str(keyword.value.value)


def test_errors_page_lists_every_status_and_code() -> None:
    assert documented() == set(raised())
    assert (400, "context_length_exceeded") in documented()


def test_readme_lists_every_path() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = create(GatewaySettings()).openapi()["paths"]
    assert "/v1/embeddings" in paths
    assert [path for path in paths if f"{path}`" not in text] == []


def test_operation_page_names_every_setting() -> None:
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    settings = (GatewaySettings, ServeSettings)
    names = {field.name for kind in settings for field in fields(kind)}
    spelled = re.compile(r"(?:TRITON_EMBED_|--)?([a-zA-Z][a-zA-Z0-9_-]+)")
    found = {name.lower().replace("-", "_").removeprefix("no_") for name in spelled.findall(text)}
    assert names - found == set()


@pytest.mark.parametrize("package", ["openai", "tritonclient"])
def test_readme_states_the_python_that_its_snippets_need(package: str) -> None:
    needed = metadata(package)["Requires-Python"].removeprefix(">=")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, _ = text.partition(f"import {'OpenAI' if package == 'openai' else package}")
    assert re.findall(r"needs Python (\d\.\d+)\s+or\s+newer", before)[-1] == needed


def test_links_between_documents_exist() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links {target}"


def test_links_to_headings_exist() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        for target, heading in re.findall(r"\]\(([^):#]*)#([^)]+)\)", text):
            document = path.parent / target if target else path
            assert heading in headings(document), f"{path.name} links {target}#{heading}"


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in names}
