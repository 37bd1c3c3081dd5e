"""Kept HTTP/1.1 connections to one server.

A call of a general client, of HTTP or of gRPC, takes so much more time that a short request shows
it: see `docs/performance.md`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from httptools import HttpParserError, HttpResponseParser

CONNECT_SECONDS = 5.0
"""A server that has not taken a connection for so long cannot be reached."""

VANISHED_SECONDS = 60
"""A machine that has said nothing for so long is gone. However long Triton thinks, its machine
answers probes of the connection, and takes what is sent to it."""


@dataclass
class Answer:
    """What the server answered.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        body: The whole body.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connections:
    """Connections to ``host:port``: one for each request that is unanswered.

    A request may be sent twice, if the server closes a kept connection just then.

    Args:
        address: ``host:port``; an IPv6 address stands in brackets.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._host_header = f"Host: {address}\r\n".encode("ascii")
        self._idle: list[_Connection] = []

    def close(self) -> None:
        """Close the connections that wait for a request."""
        for connection in self._idle:
            connection.close()

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        If this is cancelled, the connection is closed.

        Args:
            method: HTTP method.
            path: Path, as it goes over the wire.
            headers: Besides ``Host`` and ``Content-Length``.
            body: May be empty.

        Raises:
            OSError: the server cannot be reached, or closed the connection.
        """
        head = b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n" % (
            method.encode("ascii"),
            path.encode("ascii"),
            self._host_header,
            len(body),
        )
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n".encode("ascii")
        request = head + b"\r\n" + body
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._ask(connection, request)
            except _Stale:
                continue
        return await self._ask(await self._connect(), request)

    async def _ask(self, connection: _Connection, request: bytes) -> Answer:
        try:
            answer = await connection.ask(request)
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.reusable:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> _Connection:
        connecting = asyncio.get_running_loop().create_connection(
            _Connection, self._host, self._port
        )
        try:
            _, connection = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no connection within {CONNECT_SECONDS:.0f} s") from None
        return connection


class _Stale(ConnectionError):
    """The server closed a connection that had served before, and had not begun an answer."""


class _Connection(asyncio.Protocol):
    """One connection; it takes one request at a time. The parser calls the ``on_`` methods.

    Attributes:
        reusable: Whether another request may be sent.
    """

    def __init__(self) -> None:
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answered: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._served = False

    def close(self) -> None:
        """Close it at once."""
        if self._transport:
            self._transport.abort()

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send `request`; the future holds the answer, or an OSError."""
        self._answered = asyncio.get_running_loop().create_future()
        self._answer = Answer()
        self._parts = []
        if self._transport is None:
            self._fail("closed by the server")
        else:
            self._transport.write(request)
        return self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            connection.setsockopt(socket.IPPROTO_TCP, option, VANISHED_SECONDS // 4)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_SECONDS * 1000)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(str(error or "closed by the server"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(str(error))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self._served = True
        self.reusable = self._parser.should_keep_alive()
        self._answer.status = self._parser.get_status_code()
        self._answer.body = b"".join(self._parts)
        if self._answered and not self._answered.done():
            self._answered.set_result(self._answer)

    def _fail(self, reason: str) -> None:
        if self._answered is None or self._answered.done():
            return
        begun = self._parts or self._answer.headers
        kind = _Stale if self._served and not begun else ConnectionError
        self._answered.set_exception(kind(f"the connection was lost: {reason}"))
