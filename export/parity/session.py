"""Opens an exported model for the parity gate, on what will serve it or on the nearest thing."""

from __future__ import annotations

import weakref
from pathlib import Path

import onnx_ir as ir
import onnxruntime
from onnx_ir.passes.common import LiftSubgraphInitializersToMainGraphPass
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError

from triton_embed.export.parity.decomposition import substitute
from triton_embed.export.target import Target

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

WITHOUT_GPU = (
    "measured without a GPU, on standard operators in the place of packed attention: its CUDA "
    "kernel was not run. An export with onnxruntime-gpu on a machine with a GPU runs it"
)
WITHOUT_ENGINE = "measured in ONNX Runtime on a CPU: the TensorRT engine was not run"


def open_session(model: Path, target: Target) -> tuple[onnxruntime.InferenceSession, str | None]:
    """Return a session of the ONNX file `model`, and how it differs from what will be served.

    Nothing is written: `model` may be one that a server watches.
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
    onnx_model = ir.load(model)
    substitute(onnx_model)
    # Where the weights lie beside the model, only the main graph's can be handed over.
    LiftSubgraphInitializersToMainGraphPass()(onnx_model)
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
    # ONNX Runtime does not copy them, so they have to live as long as the session.
    weakref.finalize(session, weights.clear)
    return session
