"""Opens an exported model for the parity gate, on its target or on the closest available one."""

from __future__ import annotations

import weakref
from pathlib import Path

import onnx_ir as ir
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError

from triton_embed.export.parity.decomposition import decompose_packed_attention
from triton_embed.export.target import Target

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

WITHOUT_GPU = (
    "measured without a GPU, with standard operators in place of packed attention: its CUDA "
    "kernel was not run. An export with onnxruntime-gpu on a machine with a GPU runs it"
)
WITHOUT_ENGINE = "measured in ONNX Runtime on a CPU: the TensorRT engine was not run"


def open_session(model: Path, target: Target) -> tuple[onnxruntime.InferenceSession, str | None]:
    """Open an ONNX file without writing anything, because a server may be polling its folder.

    Returns:
        The session, and its difference from the served model (`Parity.caveat`).
    """
    if target.name == "cuda":
        session = _on_gpu(model)
        return (session, None) if session else (_decomposed(model), WITHOUT_GPU)
    return _on_cpu(model), WITHOUT_ENGINE if target.name == "tensorrt" else None


def _on_cpu(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model), providers=[CPU])


def _on_gpu(model: Path) -> onnxruntime.InferenceSession | None:
    if CUDA not in onnxruntime.get_available_providers():
        return None
    try:
        session = onnxruntime.InferenceSession(str(model), providers=[CUDA, CPU])
    except NoKernelError:
        # onnxruntime-gpu without a GPU falls back to the CPU, which has no such kernel.
        return None
    return session if CUDA in session.get_providers() else None


def _decomposed(model: Path) -> onnxruntime.InferenceSession:
    onnx_model = ir.load(model)
    decompose_packed_attention(onnx_model)
    weights = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(value.const_value.numpy())
        for name, value in onnx_model.graph.initializers.items()
        if isinstance(value.const_value, ir.ExternalTensor)
    }
    options = onnxruntime.SessionOptions()
    options.add_external_initializers(list(weights), list(weights.values()))
    session = onnxruntime.InferenceSession(
        ir.to_proto(onnx_model).SerializeToString(), options, providers=[CPU]
    )
    # ONNX Runtime does not copy the weights, so they must live as long as the session.
    weakref.finalize(session, weights.clear)
    return session
