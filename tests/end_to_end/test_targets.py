"""A model for hardware that this machine lacks is reported, and other models are served."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from testing.server import RunningServer
from triton_embed.export.exporter import export
from triton_embed.export.request import ExportRequest


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="may have a GPU"
)
def test_cuda_model_without_a_gpu_is_reported_with_its_needs(
    own_tiny_repository: Path, tiny_folder: Path
) -> None:
    export(ExportRequest(str(tiny_folder), own_tiny_repository, model_id="fast", target="cuda"))
    # Triton itself rejects KIND_GPU without a GPU; KIND_AUTO reaches ONNX Runtime, as on a GPU
    # that the installed ONNX Runtime cannot use.
    config = own_tiny_repository / "fast_encoder" / "config.pbtxt"
    config.write_text(config.read_text().replace("KIND_GPU", "KIND_AUTO"))
    with RunningServer(own_tiny_repository) as service:
        reason = next(line for line in service.output if "fast cannot be served" in line)
        assert "needs a GPU and the package onnxruntime-gpu" in reason
        assert service.post(model="tiny", input="a").status_code == 200
