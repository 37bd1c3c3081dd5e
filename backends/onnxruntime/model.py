"""Triton backend ``onnxruntime`` in Python: the same config.pbtxt and model.onnx as the C++ one.

Triton prefers the C++ library if it is installed, so that this file is used only with the server
in ``nvidia-pytriton``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triton_embed.backends.adapter import (
    error_response,
    model_config,
    model_parameters,
    version_folder,
)
from triton_embed.backends.onnxruntime.batching import Batcher
from triton_embed.backends.onnxruntime.session import open_session
from triton_embed.contract import pipelines
from triton_embed.contract.errors import InvalidRequest


class TritonPythonModel:
    """One ONNX Runtime session."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Return the configuration as the export wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model; a mismatch between model and configuration keeps it from being served."""
        config = model_config(args)
        is_gpu = args["model_instance_kind"] == "GPU"
        self._session = open_session(
            version_folder(args) / pipelines.ENCODER.files[0],
            model_parameters(args),
            gpu=int(args["model_instance_device_id"]) if is_gpu else None,
        )
        self._outputs = [output["name"] for output in config["output"]]
        self._batcher = Batcher(config)
        self._batcher.check({node.name: len(node.shape) for node in self._session.get_inputs()})

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Run the valid requests of an execution as one batch; an invalid request fails alone."""
        inputs = [
            {
                name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in self._batcher.input_names
            }
            for request in requests
        ]
        errors = [self._batcher.error(tensors) for tensors in inputs]
        valid = [tensors for tensors, error in zip(inputs, errors, strict=True) if error is None]
        responses = iter(self._run(valid) if valid else ())
        return [
            next(responses) if error is None else error_response(InvalidRequest(error))
            for error in errors
        ]

    def _run(
        self, inputs: Sequence[Mapping[str, NDArray[Any]]]
    ) -> list[pb_utils.InferenceResponse]:
        """Return the response of each request, given its arrays by name."""
        names = self._batcher.input_names
        tensors = {name: [request[name] for request in inputs] for name in names}
        try:
            results = self._session.run(self._outputs, self._batcher.feed(tensors))
        except Exception as error:
            # Triton frees an error object once for each response, and crashes if two share it.
            failures = [pb_utils.TritonError(f"onnx runtime error: {error}") for _ in inputs]
            return [pb_utils.InferenceResponse(error=failure) for failure in failures]
        responses = []
        start = 0
        for first in tensors[names[0]]:
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
