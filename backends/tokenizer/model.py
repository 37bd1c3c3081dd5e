"""Triton backend ``tokenizer``: from texts to padded token ids and their lengths."""

from __future__ import annotations

import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

from triton_embed.backends.adapter import (
    error_response,
    model_spec,
    request_options,
    version_folder,
)
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request, Rows
from triton_embed.backends.tokenizer.padding import pad
from triton_embed.contract import pipelines, tensors
from triton_embed.contract.errors import InvalidRequest


class TritonPythonModel:
    """One instance of a tokenizer; the model's version folder holds ``tokenizer.json``."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Return the configuration as the export wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer; an error keeps the model from being served."""
        path = version_folder(args) / pipelines.TOKENIZER.files[0]
        self._tokenizer = BatchTokenizer(Tokenizer.from_file(str(path)), model_spec(args))

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Tokenize all requests of an execution together; an invalid one fails alone."""
        valid: list[Request] = []
        responses: list[pb_utils.InferenceResponse | None] = []
        for request in requests:
            try:
                valid.append(_read(request))
                responses.append(None)
            except InvalidRequest as error:
                responses.append(error_response(error))
        encoded = iter(self._tokenizer.encode(valid))
        return [
            response or _respond(request, next(encoded))
            for request, response in zip(requests, responses, strict=True)
        ]


def _read(request: pb_utils.InferenceRequest) -> Request:
    inputs = pb_utils.get_input_tensor_by_name(request, tensors.TEXT)
    modalities = pb_utils.get_input_tensor_by_name(request, tensors.MODALITY)
    return Request(
        inputs.as_numpy().reshape(-1).tolist(),
        request_options(request),
        None if modalities is None else modalities.as_numpy().reshape(-1).tolist(),
    )


def _respond(
    request: pb_utils.InferenceRequest, rows: Rows | InvalidRequest
) -> pb_utils.InferenceResponse:
    if isinstance(rows, InvalidRequest):
        return error_response(rows)
    token_ids, lengths = pad(rows)
    values = {tensors.TOKEN_IDS: token_ids, tensors.LENGTH: lengths, tensors.TOKEN_COUNT: lengths}
    # Each output takes time, and the direct ensemble does not use the last output.
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, values[name]) for name in request.requested_output_names()]
    )
