"""Opens an exported model for the parity gate, on what will serve it or on the nearest thing."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError

from export.substitute import substitute
from export.target import Target

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

WITHOUT_GPU = (
    "measured without a GPU, on standard operators in the place of packed attention: its CUDA "
    "kernel was not run. An export with onnxruntime-gpu on a machine with a GPU runs it"
)
WITHOUT_ENGINE = "measured in ONNX Runtime on a CPU: the TensorRT engine was not run"


def open_session(model: Path, target: Target) -> tuple[onnxruntime.InferenceSession, str | None]:
    """Return a session of the ONNX file `model`, and how it differs from what will be served.

    Needs to write beside `model` where the target is a GPU that is not there.
    """
    if target.name == "cuda":
        session = _on_gpu(model)
        return (session, None) if session else (_substituted(model), WITHOUT_GPU)
    return _on_cpu(model), WITHOUT_ENGINE if target.name == "tensorrt" else None


def _on_cpu(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model), providers=[CPU])


def _on_gpu(model: Path) -> onnxruntime.InferenceSession | None:
    if CUDA not in onnxruntime.get_available_providers():
        return None
    try:
        session = onnxruntime.InferenceSession(str(model), providers=[CUDA, CPU])
    except NoKernelError:
        # There is the package but no GPU: ONNX Runtime fell back to the CPU.
        return None
    return session if CUDA in session.get_providers() else None


def _substituted(model: Path) -> onnxruntime.InferenceSession:
    # In the same folder, because there the weights are looked for that lie beside the model.
    path = model.with_name("substitute.onnx")
    onnx_model = ir.load(model)
    substitute(onnx_model)
    try:
        ir.save(onnx_model, path)
        return _on_cpu(path)
    finally:
        path.unlink(missing_ok=True)
