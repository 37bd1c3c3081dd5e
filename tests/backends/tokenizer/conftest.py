from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tokenizer_file(minilm_folder: Path) -> str:
    """The path of MiniLM's tokenizer.json."""
    return str(minilm_folder / "tokenizer.json")
