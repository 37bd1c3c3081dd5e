"""A model that this machine cannot run is refused with a reason, and the others are served."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from testing.server import RunningServer
from triton_embed.export.exporter import export


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="may have a GPU"
)
def test_a_model_for_cuda_without_a_gpu_says_what_it_needs(
    own_tiny_repository: Path, tiny_folder: Path
) -> None:
    export(str(tiny_folder), own_tiny_repository, model_id="fast", target="cuda")
    # As on a GPU that this ONNX Runtime cannot use: Triton itself refuses KIND_GPU without one.
    config = own_tiny_repository / "fast_encoder" / "config.pbtxt"
    config.write_text(config.read_text().replace("KIND_GPU", "KIND_AUTO"))
    with RunningServer(own_tiny_repository) as service:
        reason = next(line for line in service.output if "fast cannot be served" in line)
        assert "needs a GPU and the package onnxruntime-gpu" in reason
        assert service.post(model="tiny", input="a").status_code == 200
