"""Errors of the client.

::

    ClientError
    ├── RequestRejected     the server rejects an input or an option; a retry cannot help
    ├── ServerUnavailable   no response, or 503, for longer than the client retries
    │   └── ServerFailed    500 several times; the server may have a defect, or an input reveals one
    └── InvalidResponse     the response is not one of ``/v1/embeddings``
"""

from __future__ import annotations


class ClientError(Exception):
    """Base of all errors that the client raises."""


class RequestRejected(ClientError):
    """The server rejects a request; sending it again cannot help.

    Args:
        message: The server's message.
        status: The HTTP status.
        code: The server's machine-readable reason; empty if it sent none.
        param: The field at fault; ``None`` if the server names none.
        index: Position of the input at fault in the caller's list; ``None`` if it is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "",
        param: str | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.index = index

    def __str__(self) -> str:
        place = "" if self.index is None else f"input {self.index}: "
        return f"{place}{self.message}"

    def at(self, index: int) -> RequestRejected:
        """Return this error about the input at `index` of the caller's list."""
        return RequestRejected(
            self.message, status=self.status, code=self.code, param=self.param, index=index
        )


class ServerUnavailable(ClientError):
    """The server did not respond, or was overloaded, for longer than the client retries."""


class ServerFailed(ServerUnavailable):
    """The server responded with 500 to each attempt at a request."""


class InvalidResponse(ClientError):
    """The response is not one of ``/v1/embeddings``, or the server ignores an option."""
