"""Reads what Triton's Python backend hands over, and turns our errors into its own."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import Options
from triton_embed.contract.serialization import spec_from_parameters
from triton_embed.contract.spec import ModelSpec

MAX_REMEMBERED = 1024
"""Characters of parameters; a client may send others than ours, of any size."""


def model_config(args: dict[str, str]) -> dict[str, Any]:
    """Return the model's configuration (the JSON form of config.pbtxt)."""
    return json.loads(args["model_config"])


def model_parameters(args: dict[str, str]) -> dict[str, str]:
    """Return the ``parameters`` of the model's configuration."""
    parameters = model_config(args).get("parameters", {})
    return {name: value["string_value"] for name, value in parameters.items()}


def model_spec(args: dict[str, str]) -> ModelSpec:
    """Return the spec that the exporter wrote into the model's configuration."""
    return spec_from_parameters(model_parameters(args))


def version_folder(args: dict[str, str]) -> Path:
    """Return the folder of the model version being loaded."""
    return Path(args["model_repository"], args["model_version"])


def request_options(request: pb_utils.InferenceRequest) -> Options:
    """Return the options in the request's parameters.

    Raises:
        InvalidRequest: a parameter has a value that is not allowed.
    """
    try:
        parameters = request.parameters() or "{}"
    except UnicodeDecodeError:
        raise InvalidRequest("a request parameter is not valid UTF-8") from None
    known = _options if len(parameters) <= MAX_REMEMBERED else _options.__wrapped__
    return known(parameters)


# Few clients send many different ones, and every step of every request needs them.
@lru_cache(maxsize=256)
def _options(parameters: str) -> Options:
    return Options.from_parameters(json.loads(parameters))


def error_response(error: InvalidRequest) -> pb_utils.InferenceResponse:
    """Return the response that reports `error` to the client, as INVALID_ARGUMENT.

    Triton transports a message only: its end, ``[code]``, is for `gateway.triton.errors`.
    """
    message = f"{error} [{error.code}]"
    return pb_utils.InferenceResponse(
        error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
    )
