"""The HTTP response for an error."""

from __future__ import annotations

from starlette.responses import JSONResponse

from triton_embed.contract.errors import ApiError, Unauthorized, Unavailable


def error_response(error: ApiError) -> JSONResponse:
    """Return the response with the status, body and headers of `error`."""
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(error.retry_after_seconds)
    elif isinstance(error, Unauthorized):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(error.body(), status_code=error.http_status, headers=headers)
