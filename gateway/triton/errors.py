"""Maps Triton's errors to API errors, in one table."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from triton_embed.contract.errors import ApiError, InternalError, Unavailable
from triton_embed.contract.step_error import read_step_error

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
"""gRPC statuses of calls that may succeed later: 503. Others are 500, except in `Failure`."""

UNAVAILABLE_MESSAGE = "The model cannot serve the request now; try again soon."

MAX_REPEATS = 2
"""Maximum repetitions of a call that another Triton may serve, each at the next address. gRPC does
not report the address that failed: the first repetition may reach it again, the second does not."""

UNKNOWN_MODEL = "unknown model"
"""Part of Triton's message about a model that is not loaded. Its status is NOT_FOUND or, while the
model is being unloaded, UNAVAILABLE."""

DEAD_STEP = "is not healthy"
"""Ends ``Stub process 'NAME' is not healthy``, with status INTERNAL: the Python process of a step
has ended. The supervisor then loads the step again."""


@dataclass(frozen=True)
class Failure:
    """A call that failed.

    Attributes:
        status: Its gRPC status.
        details: Triton's message, for the log; clients get it only with status 500, because it may
            name internals.
    """

    status: grpc.StatusCode
    details: str

    def __str__(self) -> str:
        return f"{self.status.name} {self.details}"

    @property
    def is_foreign_fault(self) -> bool:
        """True if Triton rejected a request that the gateway had validated.

        The gateway sends no malformed request, so the fault is in Triton or in another client's
        request of the same execution.
        """
        return self.status is grpc.StatusCode.INVALID_ARGUMENT and not read_step_error(self.details)

    @property
    def is_unknown_model(self) -> bool:
        """True if the model is not loaded, although the catalog lists it."""
        return self.status is grpc.StatusCode.NOT_FOUND or UNKNOWN_MODEL in self.details

    @property
    def max_repeats(self) -> int:
        """Maximum number of repetitions of the call."""
        if self.is_foreign_fault:
            return 1
        repeatable = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND)
        return MAX_REPEATS if self.status in repeatable else 0

    @property
    def may_succeed_immediately(self) -> bool:
        """True if a repetition may succeed even if a single address serves the model.

        If the model was unknown, the call may have reached an address that does not have it.
        """
        return self.is_foreign_fault or self.status is grpc.StatusCode.NOT_FOUND

    def api_error(self) -> ApiError:
        """Return the error of the API.

        INVALID_ARGUMENT is the client's fault only if one of our steps reported it.
        """
        if self.status is grpc.StatusCode.INVALID_ARGUMENT:
            return read_step_error(self.details) or Unavailable(UNAVAILABLE_MESSAGE)
        is_dead = self.status is grpc.StatusCode.INTERNAL and DEAD_STEP in self.details
        if self.status in UNAVAILABLE or is_dead:
            return Unavailable(UNAVAILABLE_MESSAGE)
        return InternalError(f"Triton failed: {self.details}")
