"""Maps Triton's errors to API errors: one table, and the format of our steps' errors."""

from __future__ import annotations

import re

import grpc

from triton_embed.contract.errors import ApiError, InternalError, InvalidRequest, Unavailable

UNAVAILABLE = frozenset(
    {
        # Unreachable, restarting, or the model is being replaced.
        grpc.StatusCode.UNAVAILABLE,
        # The catalog lists the model, so it is being replaced.
        grpc.StatusCode.NOT_FOUND,
        # Full queues, lost connections, and steps that ended: the supervisor restarts them.
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNKNOWN,
    }
)
"""gRPC statuses of calls that may succeed later: 503. Others are 500, except in `api_error`."""

REPEATABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND})
"""gRPC statuses of calls that another Triton may serve."""

DEAD_STEP = "is not healthy"
"""Ends ``Stub process 'NAME' is not healthy``, with status INTERNAL: the Python process of a step
has ended. The supervisor then restarts Triton."""

STEP_ERROR = re.compile(
    r"(?:in ensemble '[^']*', )?"  # Triton's
    r"(?P<message>.*?)"
    r"(?: \(input\[(?P<index>[0-9]+)\]\))?"
    r" \[(?P<code>[a-z_]+)\]",
    re.DOTALL,
)
"""Form of the messages that `backends.adapter` writes; Triton's own do not end with a code."""


def api_error(status: grpc.StatusCode, details: str) -> ApiError:
    """Return the error of the API for a call that ended with `status`.

    INVALID_ARGUMENT is the client's fault only if one of our steps reported it: the gateway
    validates requests, so Triton itself can only object to a defect of the gateway.
    """
    if status is grpc.StatusCode.INVALID_ARGUMENT and (error := step_error(details)):
        return error
    if status in UNAVAILABLE or (status is grpc.StatusCode.INTERNAL and DEAD_STEP in details):
        return Unavailable(f"Triton cannot serve the request now: {details}")
    return InternalError(f"Triton failed: {details}")


def step_error(message: str) -> InvalidRequest | None:
    """Return the error that one of our steps reported; ``None`` if `message` is Triton's own."""
    found = STEP_ERROR.fullmatch(message)
    if not found:
        return None
    index = found["index"]
    return InvalidRequest(
        found["message"],
        # The gateway has already validated the options.
        param="input",
        code=found["code"],
        index=None if index is None else int(index),
    )
