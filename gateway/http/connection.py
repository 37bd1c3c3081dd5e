"""HTTP/1.1 connections with limits on the size of heads and on the time without progress.

Uvicorn alone (0.54) accepts heads of any length and waits indefinitely for the rest of a request.
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any

import orjson

from triton_embed.contract.errors import (
    ApiError,
    InvalidRequest,
    RequestHeadTooLarge,
    RequestTimeout,
)
from triton_embed.gateway.http.protocol import UpgradeIgnoringProtocol

MAX_HEAD_BYTES = 64 << 10
"""Maximum bytes of a request line with all headers. Defaults: nginx 40 KiB, Apache 800 KiB."""

MAX_IDLE_SECONDS = 60.0
"""Time in seconds without a byte of an unfinished head or body, after which the connection is
closed. Longer than clients pause; nginx has the same default for both."""

LINGER_SECONDS = 5.0
"""Time in seconds for which a connection stays open after an error, while the client may still be
sending: if it were closed at once, the client would get a reset instead of the response."""

MAX_LINGER_BYTES = 1 << 20
"""Maximum bytes that are discarded during this time; above it, the connection is closed at once."""


class LimitedConnection(UpgradeIgnoringProtocol):
    """Responds with 431 to heads over the limit, and with 408 to requests without progress."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        self._received = 0
        self._progress_at = 0.0
        self._idle_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None
        self._error: ApiError | None = None
        self._discarded: int | None = None

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and watch for the rest of an unfinished request."""
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > MAX_LINGER_BYTES:
                self.transport.close()
            return
        self._received = self._received + len(data) if self._is_in_head else len(data)
        super().data_received(data)
        if self._discarded is not None:
            return
        if self._is_in_head and self._received > MAX_HEAD_BYTES:
            self._reject(RequestHeadTooLarge(MAX_HEAD_BYTES))
        elif self._is_in_head or (self.cycle and self.cycle.more_body):
            self._progress_at = self.loop.time()
            if self._idle_timer is None:
                self._watch(MAX_IDLE_SECONDS)

    def on_message_begin(self) -> None:
        """Start a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request."""
        if self._received > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._error = RequestHeadTooLarge(MAX_HEAD_BYTES)
            raise self._error
        self._is_in_head = False
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        for timer in (self._idle_timer, self._linger_timer):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Respond to a request that the parser rejects, or in which a callback raised an error."""
        self._reject(self._error or InvalidRequest(msg))

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _watch(self, seconds: float) -> None:
        self._idle_timer = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        is_waiting = self._is_in_head or (self.cycle and self.cycle.more_body)
        if not is_waiting or self._discarded is not None:
            return
        remaining = self._progress_at + MAX_IDLE_SECONDS - self.loop.time()
        if remaining > 0 or self.flow.read_paused:
            self._watch(max(remaining, 1.0))
        elif self._is_in_head or not self.cycle.response_started:
            self._reject(RequestTimeout(MAX_IDLE_SECONDS))
        else:
            self.transport.close()

    def _reject(self, error: ApiError) -> None:
        """Respond with `error`, and close the connection when the client stops sending."""
        if self.transport.is_closing() or self._discarded is not None:
            return
        content = orjson.dumps(error.body())
        status = HTTPStatus(error.http_status)
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(content)}\r\n"
            "connection: close\r\n\r\n".encode("ascii")
            + content
        )
        self._discarded = 0
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
