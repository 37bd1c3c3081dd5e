"""Conversions between the API of Triton's Python backend and the types of `contract`."""

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
from triton_embed.contract.step_error import write_step_error

MAX_CACHED_CHARACTERS = 1024
"""Maximum length of parameters, as JSON, whose `Options` are cached. Ours have at most 300
characters; clients may send others of any size."""

CACHED_OPTIONS = 256
"""Number of distinct parameters whose `Options` are cached: each combination that the clients of a
model use."""


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
        InvalidRequest: a parameter has an invalid value.
    """
    try:
        parameters = request.parameters() or "{}"
    except UnicodeDecodeError:
        raise InvalidRequest("a request parameter is not valid UTF-8") from None
    parse = _options if len(parameters) <= MAX_CACHED_CHARACTERS else _options.__wrapped__
    return parse(parameters)


# Each step of each request needs its options, and few of them differ.
@lru_cache(maxsize=CACHED_OPTIONS)
def _options(parameters: str) -> Options:
    return Options.from_parameters(json.loads(parameters))


def error_response(error: InvalidRequest) -> pb_utils.InferenceResponse:
    """Return the response that reports `error` to the client as INVALID_ARGUMENT.

    See `contract.step_error` for its form.
    """
    return pb_utils.InferenceResponse(
        error=pb_utils.TritonError(write_step_error(error), pb_utils.TritonError.INVALID_ARG)
    )
