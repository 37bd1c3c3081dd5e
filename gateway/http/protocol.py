"""Uvicorn's HTTP/1.1 for clients that offer an upgrade to another protocol."""

from __future__ import annotations

from array import array
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class UpgradeIgnoringProtocol(HttpToolsProtocol):
    """Ignores the ``Upgrade`` header of a request (RFC 9110, section 7.8).

    Java's HttpClient, for example, offers HTTP/2 with every request. Uvicorn alone (0.54) loses
    the body, because its parser treats the bytes after the head as the other protocol:
    https://github.com/Kludex/uvicorn/issues/2722
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is about to be parsed again."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            # Trailers of the body must not pass for headers.
            self.headers = []

    def on_message_complete(self) -> None:
        """Mark the end of the body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()


class _Parser(HttpRequestParser):
    """Parses the head of a request that offers an upgrade again, without the offer."""

    def __init__(self, protocol: UpgradeIgnoringProtocol) -> None:
        super().__init__(protocol)
        # As uvicorn does: requests may arrive before the response that closes the connection.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._protocol = protocol

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        parser = self
        while True:
            try:
                HttpRequestParser.feed_data(parser, data)
                return
            except HttpParserUpgrade as offer:
                if parser.get_method() == b"CONNECT":
                    raise HttpParserError("CONNECT is not supported") from None
                data = parser._head() + bytes(data[offer.args[0] :])
                parser = self._protocol.parser = _Parser(self._protocol)

    def _head(self) -> bytes:
        protocol = self._protocol
        first = b"%b %b HTTP/%b" % (
            self.get_method(),
            protocol.url,
            self.get_http_version().encode("ascii"),
        )
        headers = [b"%b: %b" % header for header in protocol.headers if header[0] != b"upgrade"]
        return b"\r\n".join([first, *headers, b"", b""])
