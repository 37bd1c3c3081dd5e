from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from testing.images import bomb, encoded, picture
from triton_embed.backends.multimodal import decoder as module
from triton_embed.backends.multimodal.decoder import Decoder
from triton_embed.backends.multimodal.tiles import decode
from triton_embed.contract.image_file import ImageFileError
from triton_embed.contract.image_spec import ImageSpec, Resize

SPEC = ImageSpec(64, Resize.TILES, max_tiles=6, thumbnail=True)
MAX_PIXELS = 4_000_000


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(SPEC, max_bytes=4 << 20, max_pixels=MAX_PIXELS, python=sys.executable)
    yield decoder
    decoder.close()


def test_tiles_of_the_worker_equal_those_of_this_process(decoder: Decoder) -> None:
    for size in ((64, 64), (192, 128), (30, 200)):
        data = encoded(picture(*size), "JPEG")
        assert np.array_equal(decoder.decode(data), decode(data, SPEC))


def test_rejected_image_does_not_end_the_worker(decoder: Decoder) -> None:
    data = encoded(picture())
    decoder.decode(data)
    worker = decoder.worker_id
    with pytest.raises(ImageFileError, match="cannot be decoded"):
        decoder.decode(data[: len(data) // 2])
    decoder.decode(data)
    assert decoder.worker_id == worker


def test_killed_worker_is_replaced(decoder: Decoder) -> None:
    data = encoded(picture())
    decoder.decode(data)
    os.kill(decoder.worker_id, signal.SIGKILL)
    assert np.array_equal(decoder.decode(data), decode(data, SPEC))


def test_image_over_the_memory_limit_is_rejected_and_the_next_one_decoded(
    decoder: Decoder,
) -> None:
    # Twenty times as many pixels as the worker has memory for.
    with pytest.raises(ImageFileError, match="memory"):
        decoder.decode(bomb(20_000))
    data = encoded(picture())
    assert np.array_equal(decoder.decode(data), decode(data, SPEC))


def test_large_image_waits_for_its_turn_before_its_time_limit_begins(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setattr(module, "__file__", str(lock))
    locked = []
    attempt = decoder._attempt

    def observed(data: bytes) -> NDArray[np.uint8]:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked.append(False)
            except BlockingIOError:
                locked.append(True)
        return attempt(data)

    monkeypatch.setattr(decoder, "_attempt", observed)
    decoder.decode(bomb(4200))
    decoder.decode(encoded(picture()))
    assert locked == [True, False]
