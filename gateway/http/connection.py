"""HTTP/1.1 connections with limits on the size of heads and on the time without progress.

Uvicorn alone (0.54) accepts heads of any length, waits indefinitely for the rest of a request, and
drops the responses to earlier requests when it rejects one.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import Any, cast

from httptools import HttpParserError
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from triton_embed.contract.errors import ApiError, InvalidRequest, RequestTimeout
from triton_embed.gateway.errors import REJECTION
from triton_embed.gateway.http.half_close import HalfCloseProtocol
from triton_embed.gateway.http.head import (
    MAX_HEAD_BYTES,
    head_bytes,
    origin_form,
    validate_head,
    validate_size,
)
from triton_embed.gateway.http.lingering import LingeringTransport

MAX_IDLE_SECONDS = 60.0
"""Time in seconds for the whole head, and without a byte of an unfinished body, after which the
connection is closed. Longer than clients pause; nginx has the same default for both."""

UNKNOWN_METHOD = "-"
"""Method of a request whose request line is malformed, for the log."""


class LimitedConnection(HalfCloseProtocol):
    """Rejects malformed requests, heads over the limit and requests without progress.

    The application sends these responses too, so that they are logged and counted. They follow the
    responses to earlier requests, and the connection is then closed.
    """

    transport: LingeringTransport  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        self._is_in_body = False
        self._heads_begun = 0
        self._received = 0
        self._overhead = 0
        self._progress_at = 0.0
        self._idle_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the connection."""
        lingering = LingeringTransport(transport, lambda: self._is_in_body)
        super().connection_made(lingering)  # type: ignore[arg-type]
        # Uvicorn (0.54) waits indefinitely for the first request.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and watch for the rest of an unfinished request."""
        if self.transport.is_discarding:
            self.transport.discard(len(data))
            return
        self._received = self._received + len(data) if self._is_in_head else len(data)
        is_between = not self._is_in_head and not self._is_in_body
        self._heads_begun = 0
        if not is_between:
            self._unset_keepalive_if_required()
        self._overhead += len(data)
        try:
            self.parser.feed_data(data)
            if self._is_in_body:
                self._validate_overhead()
            elif self._is_in_head:
                if self._heads_begun > is_between:
                    # Other data precedes it; the parser does not report where the head begins.
                    self._received = head_bytes(self.url, self.headers)
                validate_size(self._received)
        except HttpParserError as error:
            # The parser wraps the errors that callbacks raise.
            cause = error.__context__
            self._reject(cause if isinstance(cause, ApiError) else _malformed(error))
        except ApiError as error:
            self._reject(error)
        if self._is_in_body and self.cycle.response_complete:
            self.transport.discard(len(data))
        self._watch()

    def on_message_begin(self) -> None:
        """Start a head."""
        # Not for the empty lines that may precede a request.
        self._unset_keepalive_if_required()
        self._is_in_head = True
        self._heads_begun += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request."""
        if self._received > MAX_HEAD_BYTES:
            validate_size(head_bytes(self.url, self.headers))
        validate_head(self.parser.get_http_version(), self.headers)
        if not self.url.startswith(b"/"):
            self.url = origin_form(self.url)
        super().on_headers_complete()
        self._is_in_head, self._is_in_body = False, True
        self._overhead = 0
        self.transport.restart_count()

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the end of the body."""
        self._is_in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Pause the response; the client must read it."""
        super().pause_writing()
        self.transport.write_timeout.start()

    def resume_writing(self) -> None:
        """Continue the response."""
        self.transport.write_timeout.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._idle_timer:
            self._idle_timer.cancel()
        self.transport.connection_lost()
        super().connection_lost(exc)

    def restart_progress(self) -> None:
        """Count the time without progress from now: until now, received data was not parsed."""
        self._progress_at = self.loop.time()

    def _validate_overhead(self) -> None:
        """Check the size of what is in a body without belonging to it.

        Raises:
            InvalidRequest: trailers or the extensions of a chunk are over the limit.
        """
        self.headers.clear()
        if self._overhead > MAX_HEAD_BYTES:
            raise InvalidRequest(
                f"The body's trailers or chunk extensions are larger than {MAX_HEAD_BYTES} bytes.",
                code="invalid_http",
            )

    def _watch(self) -> None:
        if self._is_in_head or self._is_in_body:
            if self._is_in_body or self._heads_begun:
                self.restart_progress()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(MAX_IDLE_SECONDS, self._reject_if_idle)

    def _reject_if_idle(self) -> None:
        self._idle_timer = None
        is_waiting = self._is_in_head or self._is_in_body
        if not is_waiting or self.transport.is_discarding or self.transport.is_closing():
            return
        remaining = self._progress_at + MAX_IDLE_SECONDS - self.loop.time()
        if remaining > 0 or self.transport.is_paused:
            self._idle_timer = self.loop.call_later(max(remaining, 1.0), self._reject_if_idle)
        else:
            self._reject(RequestTimeout(MAX_IDLE_SECONDS))

    def _reject(self, error: ApiError) -> None:
        """Discard further data; respond with `error` after the responses to earlier requests."""
        self.transport.is_discarding = True
        if not self._is_in_body:
            self._start_rejection(error)
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False
            self.cycle.body = _FailedBody(error)
            self.cycle.message_event.set()

    def _start_rejection(self, error: ApiError) -> None:
        """Have the application respond with `error` to a request whose head is not complete."""
        if not self._is_in_head:
            super().on_message_begin()
        method = self.parser.get_method().decode("ascii") if self.url else UNKNOWN_METHOD
        path = self.url.partition(b"?")[0].decode("latin-1")
        scope = cast(Scope, self.scope)
        scope.update(method=method, path=path, raw_path=self.url, query_string=b"")
        scope[REJECTION] = error
        previous = self.cycle
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        if previous is None or previous.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))


class _FailedBody(bytearray):
    """The body of a request whose rest cannot be received; uvicorn's read raises the error."""

    def __init__(self, error: ApiError) -> None:
        super().__init__()
        self._error = error

    def __bytes__(self) -> bytes:
        raise self._error


def _malformed(error: HttpParserError) -> InvalidRequest:
    return InvalidRequest(f"The request is not valid HTTP/1.1: {error}", code="invalid_http")
