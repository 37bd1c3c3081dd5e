"""Ends connections whose client does not read its responses, which would stay in memory."""

from __future__ import annotations

import asyncio

MAX_UNREAD_SECONDS = 60.0
"""Time in seconds without progress of a response, after which its connection is closed: the default
of nginx's ``send_timeout``."""

PAUSE_BYTES, RESUME_BYTES = 1, 0
"""Unsent bytes at which the application is paused and continues; in between, the client is watched.
With 0 for both, which is asyncio's default for a lower limit of 0, TLS would pause an application
that has nothing unsent, and never resume it."""


class WriteTimeout:
    """Aborts a connection whose unsent bytes do not become fewer.

    Args:
        transport: The transport of the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=PAUSE_BYTES, low=RESUME_BYTES)

    def start(self) -> None:
        """Watch the connection, because it has unsent bytes."""
        if self._timer is None:
            self._watch()

    def stop(self) -> None:
        """Stop watching, because all bytes were sent or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(MAX_UNREAD_SECONDS, self._abort_if_stalled, unsent)

    def _abort_if_stalled(self, before: int) -> None:
        self._timer = None
        unsent = self._transport.get_write_buffer_size()
        if unsent >= before:
            self._transport.abort()
        elif unsent:
            self._watch()
