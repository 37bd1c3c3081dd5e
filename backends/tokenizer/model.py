"""Triton backend ``tokenizer``: from texts to padded token ids and their lengths."""

from __future__ import annotations

from functools import partial

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from tokenizers import Tokenizer

from triton_embed.backends.adapter import (
    error_response,
    model_spec,
    request_options,
    version_folder,
)
from triton_embed.backends.tokenizer.background import Background, divide
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request, Rows
from triton_embed.backends.tokenizer.padding import pack, pad
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
        self._spec = model_spec(args)
        self._tokenizer = BatchTokenizer(Tokenizer.from_file(str(path)), self._spec)
        self._background = Background()

    def finalize(self) -> None:
        """Wait until every request has its response."""
        self._background.close()

    def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse | None]:
        """Tokenize all small requests of an execution together; an invalid one fails alone.

        A large request gets its response later, from the background. Until then it has none.
        """
        calls = list(map(_Call, requests))
        now, later = divide(calls, [call.size for call in calls])
        for call in later:
            sender = call.request.get_response_sender()
            self._background.add(partial(self._respond_later, call, sender))
        responses = dict(zip(map(id, now), self._responses(now), strict=True))
        return [responses.get(id(call)) for call in calls]

    def _responses(self, calls: list[_Call]) -> list[pb_utils.InferenceResponse]:
        encoded = iter(self._tokenizer.encode([call.read for call in calls if call.read]))
        return [
            error_response(call.error) if call.error else self._respond(call.request, next(encoded))
            for call in calls
        ]

    def _respond(
        self, request: pb_utils.InferenceRequest, rows: Rows | InvalidRequest
    ) -> pb_utils.InferenceResponse:
        if isinstance(rows, InvalidRequest):
            return error_response(rows)
        token_ids, lengths = (
            pack(rows)
            if request_options(request).tokenize_only
            else pad(list(map(self._spec.padded, rows)))
        )
        counts = np.array(list(map(len, rows)), np.int32)[:, None]
        values: dict[str, NDArray[np.generic]] = {
            tensors.TOKEN_IDS: token_ids,
            tensors.LENGTH: lengths,
            tensors.TOKEN_COUNT: counts,
        }
        if tensors.FEATURES in request.requested_output_names():
            values[tensors.FEATURES] = np.zeros((len(rows), 1, self._spec.feature_size), np.float32)
        # Each output takes time, and the direct ensemble does not use the last output.
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, values[name]) for name in request.requested_output_names()]
        )

    def _respond_later(self, call: _Call, sender: pb_utils.InferenceResponseSender) -> None:
        try:
            (response,) = self._responses([call])
        except Exception as error:
            # Without a response, the client would wait indefinitely.
            response = pb_utils.InferenceResponse(error=pb_utils.TritonError(repr(error)))
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class _Call:
    """A request of Triton, and the request to the tokenizer in it.

    Args:
        request: The request of Triton.

    Attributes:
        read: The request to the tokenizer; ``None`` if it is invalid.
        error: The reason that it is invalid.
        size: Bytes of its texts.
    """

    def __init__(self, request: pb_utils.InferenceRequest) -> None:
        self.request = request
        self.read: Request | None = None
        self.error: InvalidRequest | None = None
        self.size = 0
        try:
            self.read = _read(request)
            self.size = sum(map(len, self.read.inputs))
        except InvalidRequest as error:
            self.error = error


def _read(request: pb_utils.InferenceRequest) -> Request:
    inputs = pb_utils.get_input_tensor_by_name(request, tensors.TEXT)
    modalities = pb_utils.get_input_tensor_by_name(request, tensors.MODALITY)
    grids = pb_utils.get_input_tensor_by_name(request, tensors.IMAGE_GRID)
    options = request_options(request)
    if options.tokenize_only and tensors.LENGTH in request.requested_output_names():
        raise InvalidRequest(
            "'tokenize_only' excludes vectors: send the request to the tokenizer step",
            param="tokenize_only",
        )
    return Request(
        inputs.as_numpy().reshape(-1).tolist(),
        options,
        None if modalities is None else modalities.as_numpy().reshape(-1).tolist(),
        None if grids is None else [(rows, columns) for rows, columns in grids.as_numpy().tolist()],
    )
