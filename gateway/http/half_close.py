"""Responses to clients that close their side of the connection after the request."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from triton_embed.gateway.http.protocol import UpgradeIgnoringProtocol

FIRST_PROBE_SECONDS = 0.05
"""Time in seconds until a half-closed connection is probed; most responses are sent before."""

MAX_PROBE_SECONDS = 1.0
"""Maximum time in seconds between two probes, which double from `FIRST_PROBE_SECONDS`: a client
that has disconnected is detected by the second probe."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""An interim response, which every client of HTTP/1.1 ignores (RFC 9110, section 15.2)."""


class HalfCloseProtocol(UpgradeIgnoringProtocol):
    """Responds to requests that precede the end of the client's data.

    A client that closes only its side, as ``nc -N`` does, awaits the response; a client that has
    disconnected does not, and its unsent inputs must be dropped. Both send the same packet, but
    only the second responds to further data with a reset: a probe distinguishes them. A client of
    HTTP/1.0, which has no interim responses, or with TLS, which asyncio cannot half-close, is
    treated as disconnected, as in uvicorn (0.54).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(*args, **kwargs)
        self._is_half_closed = False
        self._probe_timer: TimerHandle | None = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether the connection stays open for responses."""
        if not self._awaits_response():
            return False
        if not self._is_half_closed:
            self._is_half_closed = True
            self._probe_after(FIRST_PROBE_SECONDS)
        return True

    def on_response_complete(self) -> None:
        """Start the next request; close the connection after the last response."""
        super().on_response_complete()
        if self._is_half_closed and self.cycle.response_complete:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop probing."""
        if self._probe_timer:
            self._probe_timer.cancel()
        super().connection_lost(exc)

    def _awaits_response(self) -> bool:
        return (
            self.cycle is not None
            and not self.cycle.response_complete
            and not self.cycle.more_body
            and self.scheme == "http"
            and self.cycle.scope["http_version"] == "1.1"
            and not self.transport.is_closing()
        )

    def _probe_after(self, seconds: float) -> None:
        self._probe_timer = self.loop.call_later(seconds, self._probe, seconds)

    def _probe(self, seconds: float) -> None:
        if not self._awaits_response():
            return
        # While others are queued, the response of an earlier request may have started.
        if not self.pipeline and not self.cycle.response_started:
            self.transport.write(CONTINUE)
        self._probe_after(min(2 * seconds, MAX_PROBE_SECONDS))
