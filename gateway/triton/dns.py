"""A minimal DNS client, for targets that name their own DNS server.

The system's resolver cannot use another server. gRPC can, but does not report the addresses that it
found.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct

HEADER = struct.Struct(">6H")
RECORD = struct.Struct(">HHIH")
ADDRESS_FAMILIES = {1: socket.AF_INET, 28: socket.AF_INET6}
"""Record types A and AAAA, RFC 1035 and RFC 3596."""

INTERNET = 1
RECURSION_DESIRED = 0x0100
TRUNCATED = 0x0200
RESPONSE_CODE = 0x000F

TIMEOUT_SECONDS = 2.0
"""Time after which a query is sent again, in seconds, because packets can be lost."""

MAX_QUERIES = 3
"""Maximum queries for one record type; then the server is treated as unreachable."""


class DnsError(OSError):
    """The DNS server did not respond, or reported an error."""


async def lookup(name: str, server: tuple[str, int]) -> list[str]:
    """Return the IPv4 and IPv6 addresses of `name`.

    Args:
        name: A full domain name.
        server: IP address and UDP port of the DNS server.

    Raises:
        DnsError: there is no usable response.
    """
    found = await asyncio.gather(*(_query(name, kind, server) for kind in ADDRESS_FAMILIES))
    return [address for addresses in found for address in addresses]


def encode_query(number: int, name: str, kind: int) -> bytes:
    """Return the packet that requests the records of type `kind` of `name`."""
    labels = b"".join(
        bytes([len(label)]) + label for label in name.rstrip(".").encode("idna").split(b".")
    )
    header = HEADER.pack(number, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">2H", kind, INTERNET)


def decode_response(packet: bytes, kind: int) -> list[str]:
    """Return the addresses in the records of type `kind`; aliases (CNAME) are skipped.

    Raises:
        DnsError: the server reported an error, or the packet is not complete.
    """
    try:
        _, flags, questions, answers, _, _ = HEADER.unpack_from(packet)
        if flags & (TRUNCATED | RESPONSE_CODE):
            raise DnsError(f"the DNS server reported an error, flags {flags:#06x}")
        position = HEADER.size
        for _ in range(questions):
            position = _skip_name(packet, position) + 4
        addresses = []
        for _ in range(answers):
            position = _skip_name(packet, position)
            found, _, _, length = RECORD.unpack_from(packet, position)
            position += RECORD.size
            if found == kind:
                data = packet[position : position + length]
                addresses.append(socket.inet_ntop(ADDRESS_FAMILIES[kind], data))
            position += length
        return addresses
    except (struct.error, IndexError, ValueError) as error:
        raise DnsError(f"the DNS server sent a broken packet: {error}") from None


def _skip_name(packet: bytes, position: int) -> int:
    while length := packet[position]:
        if length >= 0xC0:  # a pointer to an earlier name ends this one
            return position + 2
        position += 1 + length
    return position + 1


async def _query(name: str, kind: int, server: tuple[str, int]) -> list[str]:
    number = secrets.randbits(16)
    packet = encode_query(number, name, kind)
    loop = asyncio.get_running_loop()
    transport, receiver = await loop.create_datagram_endpoint(
        lambda: _Receiver(number), remote_addr=server
    )
    try:
        for _ in range(MAX_QUERIES):
            transport.sendto(packet)
            try:
                response = await asyncio.wait_for(
                    asyncio.shield(receiver.response), TIMEOUT_SECONDS
                )
            except asyncio.TimeoutError:
                continue
            return decode_response(response, kind)
    finally:
        receiver.response.cancel()
        transport.close()
    raise DnsError(f"the DNS server {server[0]}:{server[1]} does not respond")


class _Receiver(asyncio.DatagramProtocol):
    """Receives the response with the number of the query."""

    def __init__(self, number: int) -> None:
        self._number = number.to_bytes(2, "big")
        self.response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._number and not self.response.done():
            self.response.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.response.done():
            self.response.set_exception(DnsError(f"the DNS server cannot be reached: {exc}"))
