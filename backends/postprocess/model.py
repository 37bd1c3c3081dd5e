"""Triton backend ``postprocess``: from float vectors to the form that each request specifies."""

from __future__ import annotations

import numpy as np
import triton_python_backend_utils as pb_utils

from triton_embed.backends.adapter import error_response, model_spec, request_options
from triton_embed.backends.postprocess.conversion import convert
from triton_embed.contract import tensors
from triton_embed.contract.errors import InvalidRequest


class TritonPythonModel:
    """Applies ``dimensions`` and ``embedding_type`` to each request."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Return the configuration as the export wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Read the model spec from the configuration."""
        self._spec = model_spec(args)

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Convert each request's vectors separately; an invalid request fails alone."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: pb_utils.InferenceRequest) -> pb_utils.InferenceResponse:
        vectors = pb_utils.get_input_tensor_by_name(request, tensors.EMBEDDINGS).as_numpy()
        try:
            converted = convert(vectors, request_options(request), self._spec)
        except InvalidRequest as error:
            return error_response(error)
        tensor = pb_utils.Tensor(tensors.EMBEDDINGS, np.ascontiguousarray(converted))
        return pb_utils.InferenceResponse([tensor])
