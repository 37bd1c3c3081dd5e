"""Opens an ONNX model with the options of Triton's C++ onnxruntime backend that we use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError

MIN_VERSION = (1, 20)
"""Minimum version of ONNX Runtime: in older ones, the bias of ``MultiHeadAttention`` is wrong for
the later texts of a batch, which changes the vectors of MPNet and T5."""


def open_session(
    path: Path, parameters: Mapping[str, str], *, gpu: int | None = None
) -> onnxruntime.InferenceSession:
    """Open the model in `path`.

    Args:
        path: The ONNX file.
        parameters: The Triton model's parameters: ``intra_op_thread_count`` is the number of
            threads, by default one for each core.
        gpu: Number of the GPU to use, if ONNX Runtime supports it.

    Raises:
        RuntimeError: ONNX Runtime is too old, or the model is for a GPU, and it has none.
    """
    _check_version()
    providers: list[str | tuple[str, dict[str, int]]] = ["CPUExecutionProvider"]
    if gpu is not None and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": gpu}))
    try:
        return onnxruntime.InferenceSession(str(path), _options(parameters), providers=providers)
    except NoKernelError as error:
        raise RuntimeError(
            f"{path} has operators that ONNX Runtime cannot run here. If it was exported with "
            "--target cuda, it needs a GPU and the package onnxruntime-gpu; export it with "
            f"--target cpu otherwise ({error})"
        ) from error


def _check_version() -> None:
    major, minor, *_ = onnxruntime.__version__.split(".")
    if (int(major), int(minor)) < MIN_VERSION:
        raise RuntimeError(
            f"ONNX Runtime {onnxruntime.__version__} computes wrong vectors for some models; run: "
            f"pip install 'onnxruntime>={'.'.join(map(str, MIN_VERSION))}'"
        )


def _options(parameters: Mapping[str, str]) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    # The masked part of a padded attention is full of denormals, which slow processors down.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Between executions the cores belong to the other processes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
