"""Every error a client can meet, with its HTTP status and body.

::

    ApiError
    ├── InvalidRequest      400  the request is wrong and stays wrong
    ├── Unauthorized        401  no API key, or a wrong one
    ├── NotFound            404  unknown model or path
    ├── MethodNotAllowed    405  right path, wrong verb
    ├── PayloadTooLarge     413  the body is over the limit
    ├── ClientDisconnected          499  nobody reads the answer
    ├── InternalError       500  a defect of ours
    └── Unavailable         503  try again: starting, restarting, overloaded

Over gRPC only the first comes from our code, as INVALID_ARGUMENT.

The HTTP body carries the same four fields twice, at the top level and under ``error``, because
OpenAI's clients read the one and NVIDIA's the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

TOO_LONG_TEXT = "Input length {} exceeds maximum allowed token size {}"

TOO_LONG = re.compile(TOO_LONG_TEXT.format(r"\d+", r"\d+"))
"""Tells the message of `input_too_long`: Triton passes on no codes."""

TOO_LONG_CODE = "context_length_exceeded"
"""OpenAI's code for it."""

PLACE = re.compile(r" \(input\[([0-9]+)\]\)$")
"""Ends a message about one input of several."""


class ApiError(Exception):
    """An error that a client is told about.

    Args:
        message: One sentence that names the field and the limit.
        param: The request field at fault, as the client spelt it.
        code: A stable machine-readable reason; the class's default if not given.
    """

    http_status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_error"
    default_code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the HTTP answer."""
        fields = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"object": "error", **fields, "error": fields}


class InvalidRequest(ApiError):
    """The request is wrong; sending it again cannot help."""

    http_status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"

    def place(self, start: int, count: int = 1) -> None:
        """Make the message of an error of a part of a list tell the place in the list.

        Args:
            start: Where in the list the part begins.
            count: Inputs of the part. Of several, the message may tell which is wrong.
        """
        told = PLACE.search(self.message)
        if told or count == 1:
            index = start + int(told[1] if told else 0)
            self.message = f"{PLACE.sub('', self.message)} (input[{index}])"


class Unauthorized(ApiError):
    """The request does not show one of the server's API keys."""

    http_status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class NotFound(ApiError):
    """No such model or path."""

    http_status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, but not for this HTTP method."""

    http_status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class PayloadTooLarge(ApiError):
    """The request body is larger than the server accepts."""

    http_status = 413
    type = "invalid_request_error"
    default_code = "payload_too_large"


class InternalError(ApiError):
    """A defect on our side; the log has the cause."""


class ClientDisconnected(ApiError):
    """The client closed its connection; nobody reads the answer, only the log does."""

    http_status = 499
    type = "client_closed_request"
    default_code = "client_closed_request"

    def __init__(self) -> None:
        super().__init__("The client closed the connection.")


class Unavailable(ApiError):
    """The service cannot answer now but will again; sent with ``Retry-After``.

    Args:
        message: See `ApiError`, as `param` and `code`.
        param: See `message`.
        code: See `message`.
        retry_after_seconds: When it is worth trying again.
    """

    http_status = 503
    type = "service_unavailable"
    default_code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: int = 1,
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.retry_after_seconds = retry_after_seconds


def read_each(items: Sequence[Item], read: Callable[[Item], Made]) -> list[Made]:
    """Return what `read` makes of each input of a request.

    Raises:
        InvalidRequest: `read` refused one; of several, the message says which.
    """
    made: list[Made] = []
    try:
        for item in items:
            made.append(read(item))
    except InvalidRequest as error:
        if len(items) > 1:
            error.place(len(made))
        raise
    return made


def missing_input_type() -> InvalidRequest:
    """NIM's text for an asymmetric model that was not told query from passage."""
    return InvalidRequest(
        "'input_type' parameter is required for asymmetric models",
        param="input_type",
        code="missing_required_parameter",
    )


def input_too_long(tokens: int, limit: int) -> InvalidRequest:
    """NIM's text for an over-length input; Elasticsearch's client matches on it."""
    return InvalidRequest(
        TOO_LONG_TEXT.format(tokens, limit),
        param="input",
        code=TOO_LONG_CODE,
    )


def dimensions_unsupported(value: int) -> InvalidRequest:
    """NIM's text for ``dimensions`` on a model that was not trained for it."""
    return InvalidRequest(
        f"This model does not support 'dimensions', but a value of '{value}' was provided.",
        param="dimensions",
        code="unsupported_parameter",
    )
