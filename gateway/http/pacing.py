"""Reads a connection at the pace of its responses, so that it occupies neither loop nor memory."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from triton_embed.gateway.http.connection import LimitedConnection

MAX_SLICE_BYTES = 16 << 10
"""Maximum bytes that are parsed at a time. They hold hundreds of requests or thousands of chunks,
which take up to 10 ms; other connections are served before the next slice. One read returns up to
256 KiB, and uvloop (0.23) reads 32 times before it serves others."""


class PacedConnection(LimitedConnection):
    """Parses long data in slices, and no data while requests are queued behind another one.

    Uvicorn (0.54) reads further requests after each response, however many are queued, and notifies
    only the last of them when the client disconnects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(*args, **kwargs)
        self._unparsed = memoryview(b"")
        self._is_held = False
        self._is_scheduled = False
        self._running: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, or the first slice of them."""
        if len(data) > MAX_SLICE_BYTES:
            self._unparsed = memoryview(data)[MAX_SLICE_BYTES:]
            data = data[:MAX_SLICE_BYTES]
        super().data_received(data)
        if self._unparsed or self.pipeline:
            self._hold()

    def on_response_complete(self) -> None:
        """Start the next request, or parse further data."""
        super().on_response_complete()
        if self._is_held and not self.pipeline:
            self._schedule()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the request that is being served."""
        running = self._running
        if running and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _hold(self) -> None:
        if not self._is_held:
            self._is_held = True
            self.transport.hold_reading()
        if not self.pipeline:
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.loop.call_soon(self._parse_next)

    def _parse_next(self) -> None:
        self._is_scheduled = False
        if self.parser is None or self.pipeline:
            return
        self.restart_progress()
        if self._unparsed:
            data = bytes(self._unparsed[:MAX_SLICE_BYTES])
            self._unparsed = self._unparsed[MAX_SLICE_BYTES:]
            super().data_received(data)
        if self._unparsed or self.pipeline:
            self._hold()
        elif self._is_held:
            self._is_held = False
            self.transport.release_reading()
