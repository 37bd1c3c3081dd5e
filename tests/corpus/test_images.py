from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from triton_embed.contract.image_input import MAX_IMAGE_BYTES
from triton_embed.corpus.images import UnusableImage, data_url

PNG = b"\x89PNG\r\n\x1a\n..."
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.mark.parametrize(
    "value", [URL, PNG, "a.png", {"bytes": PNG}, {"bytes": None, "path": "a.png"}]
)
def test_image_becomes_a_data_url(value: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert data_url(value, tmp_path) == URL


def test_file_other_than_png_is_declared_as_jpeg(tmp_path: Path) -> None:
    assert data_url(b"\xff\xd8", tmp_path).startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("value", [None, "", b"", {"bytes": None}, 7])
def test_value_without_an_image_is_unusable(value: Any, tmp_path: Path) -> None:
    with pytest.raises(UnusableImage, match="empty or null"):
        data_url(value, tmp_path)


def test_file_that_is_missing_or_too_large_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(UnusableImage, match=r"none.png' cannot be read: No such file"):
        data_url("none.png", tmp_path)
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(UnusableImage, match="the maximum is"):
        data_url("large.png", tmp_path)
