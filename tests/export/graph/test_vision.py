"""Image towers are exported for GPUs with the runtime of their encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.image_checkpoints import clip_checkpoint, siglip_checkpoint
from triton_embed.cli import main
from triton_embed.repository.config import read


@pytest.mark.parametrize("write", [clip_checkpoint, siglip_checkpoint])
def test_image_tower_for_cuda_equals_the_reference(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    repository = tmp_path / "repository"
    flags = ["--model-repository", str(repository), "--model-id", "m", "--target", "cuda"]
    flags += ["--precision", "fp32"]
    assert main(["export", str(write(tmp_path / "checkpoint")), *flags]) == 0
    for step in ("m_vision", "m_encoder"):
        config = read(repository / step)
        assert config.backend == "onnxruntime"
        (group,) = config.instance_group
        assert group.Kind.Name(group.kind) == "KIND_GPU"
    report = json.loads((repository / "m_encoder" / "1" / "parity.json").read_text())
    assert report["max_absolute_error"] < 1e-4
