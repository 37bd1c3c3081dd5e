from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import onnx
import pytest

from triton_embed.backends.onnxruntime.session import open_session

IDENTITY = """
<ir_version: 8, opset_import: ["" : 17]>
identity (float[n] x) => (float[n] y) { y = Identity(x) }
"""

PACKED_ATTENTION = """
<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
attention (float[t,8] q, int32[b,s] offsets, int32[c] lengths) => (float[t,8] y) {
    y = com.microsoft.PackedMultiHeadAttention<num_heads = 2>(q, q, q, , offsets, lengths)
}
"""
"""A model with an operator that ONNX Runtime has for CUDA only."""


def write_model(folder: Path, text: str) -> Path:
    onnx.save(onnx.parser.parse_model(text), folder / "model.onnx")
    return folder / "model.onnx"


async def test_session_uses_the_given_number_of_threads(tmp_path: Path) -> None:
    path = write_model(tmp_path, IDENTITY)
    # The session makes its thread flush denormals to zero, which NumPy warns about.
    session = await asyncio.to_thread(open_session, path, {"intra_op_thread_count": "3"}, gpu=0)
    assert session.get_session_options().intra_op_num_threads == 3
    (result,) = await asyncio.to_thread(session.run, None, {"x": np.ones(1, np.float32)})
    assert result.tolist() == [1.0]


async def test_model_for_a_gpu_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    path = write_model(tmp_path, PACKED_ATTENTION)
    with pytest.raises(RuntimeError, match="--target cuda, it needs a GPU"):
        await asyncio.to_thread(open_session, path, {})
