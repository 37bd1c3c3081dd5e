"""Converts exceptions raised by handlers into API error responses."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from triton_embed.contract.errors import (
    ApiError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    Unavailable,
)
from triton_embed.gateway.errors import ErrorResponse


class ErrorFields(BaseModel):
    """The description of an error."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(ErrorFields):
    """The body of every error response."""

    object: Literal["error"]
    error: ErrorFields


RESPONSES: dict[int | str, dict[str, Any]] = {
    kind.http_status: {"model": ErrorBody, "description": (kind.__doc__ or "").partition("\n")[0]}
    for kind in (
        *(InvalidRequest, Unauthorized, NotFound, MethodNotAllowed),
        *(PayloadTooLarge, InternalError, Unavailable),
    )
}
"""The error responses of every route in the OpenAPI document."""


def install(app: Starlette) -> None:
    """Make `app` respond to every error with the body of `contract.errors`."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return ErrorResponse(error)


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    """Return the response for Starlette's own errors: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    # Not `request.url.path`, which is parsed from the client's Host header.
    path = request.scope["path"]
    if error.status_code == 405:
        response = ErrorResponse(
            MethodNotAllowed(f"Method {request.method} is not allowed for {path}")
        )
        response.headers.update(error.headers or {})
        return response
    return ErrorResponse(NotFound(f"The path {path} does not exist{_hint(path)}"))


def _hint(path: str) -> str:
    """Return the path that a client with a wrong base URL probably needs."""
    for known in ("/v1/embeddings", "/v1/models"):
        if path.endswith(known.removeprefix("/v1")):
            return f"; use {known} (the base URL of OpenAI's clients ends with /v1)"
    return ""
