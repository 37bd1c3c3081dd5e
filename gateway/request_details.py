"""Details of a request that its handlers record for the access log."""

from __future__ import annotations

from starlette.types import Scope

from triton_embed.contract.errors import ApiError

KEY = "triton_embed.details"
"""Key of the details in a request's scope."""


class RequestDetails:
    """The details of one request; ``None`` if they are not known.

    Attributes:
        error: The error that the response reports.
        model: The requested model, as the client spells it.
        inputs: Number of inputs.
        tokens: Embedded tokens; an estimate until the inputs have been embedded.
    """

    __slots__ = ("error", "inputs", "model", "tokens")

    def __init__(self) -> None:
        self.error: ApiError | None = None
        self.model: str | None = None
        self.inputs: int | None = None
        self.tokens: int | None = None


def request_details(scope: Scope) -> RequestDetails:
    """Return the details of the request with `scope`; the first call creates them."""
    details = scope.get(KEY)
    if details is None:
        details = scope[KEY] = RequestDetails()
    return details
