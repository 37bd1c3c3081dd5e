"""A DNS server on loopback with addresses from a test."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

A = 1
RESPONSE = 0x8180
NAME_ERROR = 0x8183
FIRST_NAME = b"\xc0\x0c"
"""Pointer to the name in the question."""


class DnsServer:
    """Responds to queries for A records over UDP; other record types have no records.

    A context manager that stops it.

    Attributes:
        records: IPv4 addresses by name; may be changed while it runs.
        port: UDP port on 127.0.0.1.
        queries: Names that were queried, with the record type.
    """

    def __init__(self, records: Mapping[str, Sequence[str]]) -> None:
        self.records = dict(records)
        self.queries: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An empty packet ends the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._response(query), client)

    def _response(self, query: bytes) -> bytes:
        labels = []
        position = 12
        while length := query[position]:
            labels.append(query[position + 1 : position + 1 + length].decode())
            position += 1 + length
        question = query[12 : position + 5]
        (kind,) = struct.unpack_from(">H", query, position + 1)
        name = ".".join(labels)
        self.queries.append((name, kind))
        addresses = self.records.get(name, ()) if kind == A else ()
        flags = RESPONSE if name in self.records else NAME_ERROR
        header = struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
        records = b"".join(
            # A TTL of 0: gRPC and the test see a change immediately.
            FIRST_NAME + struct.pack(">HHIH", A, 1, 0, 4) + socket.inet_aton(address)
            for address in addresses
        )
        return query[:2] + header + question + records
