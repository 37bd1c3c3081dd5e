from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """A separate thread: a session makes its thread flush denormals to zero, so NumPy warns."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


def test_session_uses_the_given_number_of_threads(
    tmp_path: Path, thread: ThreadPoolExecutor
) -> None:
    path = write_model(tmp_path, IDENTITY)
    session = thread.submit(open_session, path, {"intra_op_thread_count": "3"}, gpu=0).result()
    assert session.get_session_options().intra_op_num_threads == 3
    (result,) = thread.submit(session.run, None, {"x": np.ones(1, np.float32)}).result()
    assert result.tolist() == [1.0]


def test_model_for_a_gpu_is_rejected_with_the_remedy(
    tmp_path: Path, thread: ThreadPoolExecutor
) -> None:
    path = write_model(tmp_path, PACKED_ATTENTION)
    with pytest.raises(RuntimeError, match="--target cuda, it needs a GPU"):
        thread.submit(open_session, path, {}).result()


def test_onnx_runtime_before_1_20_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path, IDENTITY)
    open_session(model, {})
    monkeypatch.setattr("onnxruntime.__version__", "1.19.2")
    with pytest.raises(RuntimeError, match=r"ONNX Runtime 1\.19\.2 .* 'onnxruntime>=1\.20'"):
        open_session(model, {})
