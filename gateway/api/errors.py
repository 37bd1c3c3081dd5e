"""Turns whatever goes wrong in a handler into an answer of ours."""

from __future__ import annotations

import logging
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
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

logger = logging.getLogger("gateway")


class ErrorFields(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(ErrorFields):
    """The one body of every error."""

    object: Literal["error"]
    error: ErrorFields


RESPONSES: dict[int | str, dict[str, Any]] = {
    kind.http_status: {"model": ErrorBody, "description": (kind.__doc__ or "").partition("\n")[0]}
    for kind in (
        *(InvalidRequest, Unauthorized, NotFound, MethodNotAllowed),
        *(PayloadTooLarge, InternalError, Unavailable),
    )
}
"""For the OpenAPI document."""


def install(app: FastAPI) -> None:
    """Make `app` answer every error with the one body of `contract.errors`."""
    app.add_exception_handler(ApiError, _embed_error)
    app.add_exception_handler(HTTPException, _http_exception)


def respond(error: ApiError) -> JSONResponse:
    """Return the HTTP answer for `error`."""
    headers = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return JSONResponse(error.body(), status_code=error.http_status, headers=headers)


async def _embed_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return respond(error)


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer for what Starlette itself refuses: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = respond(
            MethodNotAllowed(f"Method {request.method} is not allowed for {request.url.path}")
        )
        answer.headers.update(error.headers or {})
        return answer
    return respond(NotFound(f"There is no {request.url.path}"))
