"""Errors that a client can meet, with their HTTP and gRPC status and the HTTP body.

::

    ApiError                 HTTP  gRPC
    ├── InvalidRequest        400  INVALID_ARGUMENT   invalid; a retry cannot help
    ├── Unauthorized          401                     no API key, or an unknown one
    ├── NotFound              404  NOT_FOUND          unknown model or path
    ├── MethodNotAllowed      405                     known path, wrong method
    ├── RequestTimeout        408                     the rest of the request did not arrive
    ├── PayloadTooLarge       413                     the body is over the limit
    ├── UnsupportedEncoding   415                     the body is compressed
    ├── RequestHeadTooLarge   431                     request line or headers over the limit
    ├── ClientDisconnected    499  CANCELLED          the client receives no response
    ├── InternalError         500  INTERNAL           a defect of the server
    └── Unavailable           503  UNAVAILABLE        starting, restarting, overloaded: retry

Over gRPC, Triton's own API, our steps return only `InvalidRequest`; Triton itself returns other
statuses. Errors without a gRPC status exist only over HTTP. `gateway.triton.errors` maps the errors
that the gateway receives from Triton.

The HTTP body carries the same four fields twice, under ``error`` for OpenAI's clients and at the
top level for NVIDIA's.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ApiError(Exception):
    """Base of the errors that are reported to a client.

    Args:
        message: One sentence that names the field and the limit.
        param: The request field at fault, as spelled by the client.
        code: A stable machine-readable reason; default: the `default_code` of the class.
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
        """Return the JSON body of the HTTP response."""
        fields = {"message": str(self), "type": self.type, "param": self.param, "code": self.code}
        return {"object": "error", **fields, "error": fields}


class InvalidRequest(ApiError):
    """The request is invalid; sending it again cannot help.

    Args:
        message: See `ApiError`, as `param` and `code`.
        param: See `message`.
        code: See `message`.
        index: Position of the input at fault; ``None``: unknown, or there is one input only.
    """

    http_status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.index = index

    def __str__(self) -> str:
        return self.message if self.index is None else f"{self.message} (input[{self.index}])"

    def with_index(self, start: int, count: int = 1) -> InvalidRequest:
        """Return this error about a chunk of a list as an error about the whole list.

        Args:
            start: Position in the list of the chunk's first input.
            count: Inputs of the chunk. A chunk of several keeps an unknown `index` unknown.
        """
        if self.index is None and count > 1:
            return self
        index = start + (self.index or 0)
        return InvalidRequest(self.message, param=self.param, code=self.code, index=index)


class Unauthorized(ApiError):
    """The request does not carry one of the server's API keys."""

    http_status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class NotFound(ApiError):
    """The model or path does not exist."""

    http_status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, but not for this HTTP method."""

    http_status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class RequestTimeout(ApiError):
    """The rest of a request did not arrive.

    Args:
        seconds: Time that was waited for it.
    """

    http_status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The rest of the request did not arrive within {seconds:.0f} seconds.")


class RequestHeadTooLarge(ApiError):
    """The request line and headers are larger than the server accepts.

    Args:
        limit: Maximum size in bytes.
    """

    http_status = 431
    type = "invalid_request_error"
    default_code = "request_head_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request line and headers are larger than {limit} bytes.")


class PayloadTooLarge(ApiError):
    """The request body is larger than the server accepts."""

    http_status = 413
    type = "invalid_request_error"
    default_code = "payload_too_large"


class UnsupportedEncoding(ApiError):
    """The body has a Content-Encoding, such as gzip."""

    http_status = 415
    type = "invalid_request_error"
    default_code = "unsupported_encoding"


class InternalError(ApiError):
    """A defect of the server; the log has the cause."""


class ClientDisconnected(ApiError):
    """The client closed its connection; only the access log has this status."""

    http_status = 499
    type = "client_closed_request"
    default_code = "client_closed_request"

    def __init__(self) -> None:
        super().__init__("The client closed the connection.")


class Unavailable(ApiError):
    """The service is temporarily unavailable; the response has ``Retry-After``.

    Args:
        message: See `ApiError`, as `param` and `code`.
        param: See `message`.
        code: See `message`.
        retry_after_seconds: Time after which a retry may succeed.
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
