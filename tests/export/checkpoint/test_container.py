from __future__ import annotations

from pathlib import Path

import pytest

from testing.paths import ROOT
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.container import VARIABLE
from triton_embed.export.checkpoint.source import resolve_source
from triton_embed.export.errors import ExportError
from triton_embed.export.usage import usage


def missing(folder: str) -> str:
    with pytest.raises(ExportError) as raised:
        resolve_source(folder)
    return str(raised.value)


def test_export_image_sets_the_variable() -> None:
    text = (ROOT / "docker" / "export.Dockerfile").read_text(encoding="utf-8")
    assert f"\nENV {VARIABLE}=1\n" in text


def test_missing_folder_in_the_image_is_reported_with_the_mount(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert "in the container (to export a folder of the host, mount it: docker" in missing("./mine")


def test_missing_folder_elsewhere_is_reported_without_it() -> None:
    assert missing("./mine").startswith("there is no folder './mine', and it is not a hub id")


def test_usage_in_the_image_names_compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert "docker compose up" in usage(ModelSpec("tiny", 64, 30522, 32), tmp_path)
