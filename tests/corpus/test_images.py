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


def test_jpeg_is_declared_as_such(tmp_path: Path) -> None:
    assert data_url(b"\xff\xd8\xff\xe0", tmp_path).startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((value, "empty or null") for value in (None, "", b"", {"bytes": None})),
        (7, "of the type int, not a path"),
        (b"RIFF....WEBP", "the image is neither PNG nor JPEG"),
        ("a.gif", "'a.gif' is neither PNG nor JPEG"),
        ("empty.png", "'empty.png' is empty"),
        ("none.png", "none.png' cannot be read: No such file"),
        ("a\0.png", "cannot be read: embedded null byte"),
        ("https://host/a.png", "is a URL, which is not fetched"),
    ],
)
def test_unusable_image_has_a_reason(value: Any, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    (tmp_path / "empty.png").touch()
    with pytest.raises(UnusableImage, match=reason):
        data_url(value, tmp_path)


def test_image_that_is_too_large_is_unusable(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    for value in ("large.png", PNG.ljust(MAX_IMAGE_BYTES + 1)):
        with pytest.raises(UnusableImage, match=f"has more than {MAX_IMAGE_BYTES} bytes"):
            data_url(value, tmp_path)
