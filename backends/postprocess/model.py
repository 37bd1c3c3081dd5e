"""Triton backend ``postprocess``: float vectors in, what each request asked for out."""

from __future__ import annotations

import numpy as np
import triton_python_backend_utils as pb_utils

from backends.postprocess.quantization import convert
from backends.triton import error_response, model_card, request_options
from contract import names
from contract.errors import InvalidRequest


class TritonPythonModel:
    """Applies ``dimensions`` and ``embedding_type`` request by request."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Leave the configuration as the exporter wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Read the model card from the configuration."""
        self._card = model_card(args)

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Convert each request's vectors on its own, so that none disturbs another."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: pb_utils.InferenceRequest) -> pb_utils.InferenceResponse:
        vectors = pb_utils.get_input_tensor_by_name(request, names.EMBEDDINGS).as_numpy()
        try:
            converted = convert(vectors, request_options(request), self._card)
        except InvalidRequest as error:
            return error_response(error)
        tensor = pb_utils.Tensor(names.EMBEDDINGS, np.ascontiguousarray(converted))
        return pb_utils.InferenceResponse([tensor])
