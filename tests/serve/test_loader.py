from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from serve.loader import Loader
from serve.settings import Settings
from serve.triton import TritonClient


class RefusingTriton(TritonClient):
    """Loads nothing; with `removed`, because the folder has gone by then."""

    def __init__(self, removed: Path | None = None) -> None:
        self._removed = removed

    async def load(self, model: str, config: str | None = None) -> None:
        if self._removed:
            shutil.rmtree(self._removed)
        raise InferenceServerException(f"failed to open directory {model}")


async def test_a_model_that_goes_while_it_is_loaded_is_no_error(
    own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "serve")
    settings = Settings(model_repository=str(own_tiny_repository))
    triton = RefusingTriton(removed=own_tiny_repository / "tiny_float")
    assert await Loader(settings, triton).load_all() == []
    assert "tiny was changed or removed while it was being loaded" in caplog.text
    assert "cannot be served" not in caplog.text


async def test_why_a_model_is_not_loaded_is_told(
    own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(model_repository=str(own_tiny_repository))
    assert await Loader(settings, RefusingTriton()).load_all() == []
    assert "tiny cannot be served: failed to open directory tiny" in caplog.text
