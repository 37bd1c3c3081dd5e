from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.export.checkpoint import container
from triton_embed.export.checkpoint.source import resolve_source
from triton_embed.export.errors import ExportError


def missing(folder: str) -> str:
    with pytest.raises(ExportError) as raised:
        resolve_source(folder)
    return str(raised.value)


def test_missing_folder_in_a_container_is_reported_with_the_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / ".dockerenv"
    marker.touch()
    monkeypatch.setattr(container, "MARKERS", (marker,))
    assert "in the container (to export a folder of the host, mount it: docker" in missing("./mine")


def test_missing_folder_outside_a_container_is_reported_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "MARKERS", (tmp_path / "none",))
    assert missing("./mine").startswith("there is no folder './mine', and it is not a hub id")
