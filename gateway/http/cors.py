"""Cross-origin requests of browsers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from triton_embed.contract.errors import InvalidRequest
from triton_embed.gateway.errors import ErrorResponse


class CorsMiddleware(CORSMiddleware):
    """Allows calls from the pages of some origins; rejects others with our error body.

    Args:
        app: The application.
        origins: Origins of the pages; ``*`` allows all.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            # Chrome requires this header for calls from a public page to a private network.
            allow_private_network=True,
            expose_headers=["retry-after", "x-request-id"],
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the response to a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        origin = request_headers["origin"]
        method = request_headers["access-control-request-method"]
        rejection = ErrorResponse(
            InvalidRequest(
                f"A page of the origin '{origin}' may not call this server with {method}; "
                "--cors-origins sets the allowed origins.",
                code="origin_not_allowed",
            )
        )
        for name, value in self.preflight_headers.items():
            rejection.headers.setdefault(name, value)
        return rejection
