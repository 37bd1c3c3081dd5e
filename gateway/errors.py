"""The HTTP response for an error."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from triton_embed.contract.errors import ApiError, Unauthorized, Unavailable
from triton_embed.gateway.request_details import request_details

REJECTION = "triton_embed.rejection"
"""Key in the scope of a request that the connection has rejected; its value is the error."""


class ErrorResponse(JSONResponse):
    """The response with the status, body and headers of an error; the access log reports it.

    Args:
        error: The error.
    """

    def __init__(self, error: ApiError) -> None:
        headers = {}
        if isinstance(error, Unavailable):
            headers["retry-after"] = str(error.retry_after_seconds)
        elif isinstance(error, Unauthorized):
            headers["www-authenticate"] = "Bearer"
        super().__init__(error.body(), status_code=error.http_status, headers=headers)
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        request_details(scope).error = self._error
        await super().__call__(scope, receive, send)
