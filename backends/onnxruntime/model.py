"""Triton backend ``onnxruntime`` in Python: the same config.pbtxt and model.onnx as the C++ one.

Triton prefers the C++ library where there is one, so this file is used only with the server
bundled in ``nvidia-pytriton``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as pb_utils
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError

from triton_embed.backends.adapter import model_config, model_parameters, version_folder
from triton_embed.backends.onnxruntime.batching import Batcher

GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


class TritonPythonModel:
    """One ONNX Runtime session."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Leave the configuration as the exporter wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model; a mismatch between model and configuration keeps it from being served."""
        config = model_config(args)
        parameters = model_parameters(args)
        path = version_folder(args) / (config.get("default_model_filename") or "model.onnx")
        self._session = open_session(
            path,
            session_options(config, parameters),
            providers(args["model_instance_kind"], int(args["model_instance_device_id"])),
        )
        self._run_options = run_options(parameters)
        self._outputs = [output["name"] for output in config["output"]]
        self._batcher = Batcher(config)
        self._batcher.check({node.name: len(node.shape) for node in self._session.get_inputs()})

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Run all requests of an execution as one batch."""
        tensors = {
            name: [
                pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests
            ]
            for name in self._batcher.input_names
        }
        try:
            results = self._session.run(
                self._outputs, self._batcher.feed(tensors), self._run_options
            )
        except Exception as error:
            # One for each: Triton frees an error that responses share more than once, and crashes.
            failures = [pb_utils.TritonError(f"onnx runtime error: {error}") for _ in requests]
            return [pb_utils.InferenceResponse(error=failure) for failure in failures]
        responses = []
        start = 0
        for first in tensors[self._batcher.input_names[0]]:
            stop = start + first.shape[0]
            responses.append(
                pb_utils.InferenceResponse(
                    [
                        pb_utils.Tensor(name, result[start:stop])
                        for name, result in zip(self._outputs, results, strict=True)
                    ]
                )
            )
            start = stop
        return responses


def open_session(
    path: Path, options: onnxruntime.SessionOptions, chosen: list[Any]
) -> onnxruntime.InferenceSession:
    """Return a session of the model in `path` on the `chosen` execution providers.

    Raises:
        RuntimeError: the model is for a GPU, and there is none that ONNX Runtime can use.
    """
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=chosen)
    except NoKernelError as error:
        raise RuntimeError(
            f"{path} has operators that ONNX Runtime cannot run here. If it was exported with "
            "--target cuda, it needs a GPU and the package onnxruntime-gpu; export it with "
            f"--target cpu otherwise ({error})"
        ) from error


def session_options(
    config: Mapping[str, Any], parameters: Mapping[str, str]
) -> onnxruntime.SessionOptions:
    """Return the session options that the C++ backend derives from the same configuration."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    if int(parameters.get("execution_mode", 0)):
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    options.enable_cpu_mem_arena = bool(int(parameters.get("enable_mem_arena", 1)))
    options.enable_mem_pattern = bool(int(parameters.get("enable_mem_pattern", 1)))
    # The masked part of a padded attention is full of denormals, which processors are slow at.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Between executions the cores belong to the other processes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    level = config.get("optimization", {}).get("graph", {}).get("level", 0)
    options.graph_optimization_level = GRAPH_LEVELS[level]
    return options


def run_options(parameters: Mapping[str, str]) -> onnxruntime.RunOptions:
    """Return the run options that the C++ backend derives from the same configuration."""
    options = onnxruntime.RunOptions()
    shrinkage = parameters.get("memory.enable_memory_arena_shrinkage")
    if shrinkage:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", shrinkage)
    return options


def providers(kind: str, device: int) -> list[Any]:
    """Return ONNX Runtime's execution providers for an instance of `kind` ("CPU" or "GPU")."""
    chosen: list[Any] = ["CPUExecutionProvider"]
    if kind == "GPU" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        chosen.insert(0, ("CUDAExecutionProvider", {"device_id": device}))
    return chosen
