"""Connections that close after the client has stopped sending, so that it gets the response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from triton_embed.gateway.http.write_timeout import WriteTimeout

LINGER_SECONDS = 5.0
"""Time in seconds without a byte after which a client is assumed to have stopped sending: nginx's
``lingering_timeout``."""

MAX_LINGER_SECONDS = 30.0
"""Maximum time in seconds for which data is discarded: nginx's ``lingering_time``."""

MAX_DISCARDED_BYTES = 128 << 20
"""Maximum bytes of one request that are discarded, four times the default limit of a body. Clients
that send more get a reset instead of the response."""


class LingeringTransport:
    """A transport that, when it is closed, first discards the data that the client still sends.

    If a socket is closed before its data was read, the kernel resets the connection, and the
    response is lost: nginx, for example, responds with 502 in its place.

    Args:
        transport: The transport of the connection.
        is_receiving: Returns whether the client may be sending.

    Attributes:
        is_discarding: True if received data is to be discarded.
        write_timeout: Ends the connection if its client does not read.
    """

    def __init__(self, transport: asyncio.Transport, is_receiving: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_receiving = is_receiving
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._end = self._progress_at = 0.0
        self._discarded = 0
        self._is_paused = False
        self._is_held = False
        self.is_discarding = False
        self.write_timeout = WriteTimeout(transport)
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info

    @property
    def is_paused(self) -> bool:
        """True while no data is received."""
        return self._is_paused or self._is_held

    def pause_reading(self) -> None:
        """Receive no data until `resume_reading`."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive data again, unless reading is held."""
        self._is_paused = False
        if not self._is_held:
            self._transport.resume_reading()

    def hold_reading(self) -> None:
        """Receive no data until `release_reading`, also after `resume_reading`."""
        self._is_held = True
        self._transport.pause_reading()

    def release_reading(self) -> None:
        """Receive data again, unless reading is paused."""
        self._is_held = False
        if not self._is_paused:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or will be once the client stops sending."""
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        """Close the connection once the client has stopped sending; a second call closes it."""
        if self.is_closing() or not (self.is_discarding or self._is_receiving()):
            self.close_now()
            return
        self.is_discarding = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._is_held = False
        self.resume_reading()
        self._progress_at = self._loop.time()
        self._end = self._progress_at + MAX_LINGER_SECONDS
        self._close_if_idle()

    def close_now(self) -> None:
        """Close the connection, also while the client is sending."""
        self._cancel()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self.write_timeout.start()

    def discard(self, size: int) -> None:
        """Count `size` received bytes as discarded."""
        self._discarded += size
        self._progress_at = self._loop.time()
        if self._discarded > MAX_DISCARDED_BYTES:
            self.close_now()

    def restart_count(self) -> None:
        """Count the discarded bytes of another request."""
        self._discarded = 0

    def connection_lost(self) -> None:
        """Stop watching the connection."""
        self._cancel()
        self.write_timeout.stop()

    def _close_if_idle(self) -> None:
        now = self._loop.time()
        due = min(self._progress_at + LINGER_SECONDS, self._end)
        if now >= due:
            self.close_now()
        else:
            self._timer = self._loop.call_at(due, self._close_if_idle)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
