"""The addresses behind a gRPC target."""

from __future__ import annotations

import struct

import pytest

from testing.dns import DnsServer
from triton_embed.gateway.triton.dns import DnsError, decode_response, encode_query
from triton_embed.gateway.triton.resolver import resolve, server_name

HEADER = struct.pack(">6H", 7, 0x8180, 1, 2, 0, 0)
QUESTION = b"\x06triton\x04test\x00" + struct.pack(">2H", 1, 1)
ALIAS = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 9, 6) + b"\x03pod\xc0\x13"
ADDRESS = b"\x03pod\xc0\x13" + struct.pack(">HHIH", 1, 1, 9, 4) + bytes([10, 0, 0, 7])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("ipv4:10.0.0.8:1,10.0.0.7:2", ["ipv4:10.0.0.7:2", "ipv4:10.0.0.8:1"]),
        ("ipv6:[::1]:1", ["ipv6:[::1]:1"]),
        ("dns:///127.0.0.1:8001", ["ipv4:127.0.0.1:8001"]),
        ("dns:///[::1]:8001", ["ipv6:[::1]:8001"]),
        ("unix:/run/triton.socket", ["unix:/run/triton.socket"]),
    ],
)
async def test_target_is_resolved_to_one_target_per_address(
    target: str, expected: list[str]
) -> None:
    assert await resolve(target) == expected


async def test_system_resolver_is_used_without_an_authority() -> None:
    assert "ipv4:127.0.0.1:8001" in await resolve("dns:///localhost:8001")


async def test_authority_of_the_target_is_the_dns_server() -> None:
    with DnsServer({"triton.test": ["127.0.0.2", "127.0.0.1"]}) as server:
        target = f"dns://127.0.0.1:{server.port}/triton.test:8001"
        assert await resolve(target) == ["ipv4:127.0.0.1:8001", "ipv4:127.0.0.2:8001"]
        server.records["triton.test"] = ["127.0.0.3"]
        assert await resolve(target) == ["ipv4:127.0.0.3:8001"]


async def test_unknown_name_is_an_error() -> None:
    with DnsServer({}) as server, pytest.raises(DnsError, match="error"):
        await resolve(f"dns://127.0.0.1:{server.port}/triton.test:8001")


async def test_unreachable_dns_server_is_an_error() -> None:
    with DnsServer({}) as server:
        port = server.port
    with pytest.raises(OSError):
        await resolve(f"dns://127.0.0.1:{port}/triton.test:8001")


def test_query_is_the_packet_of_rfc_1035() -> None:
    packet = encode_query(7, "triton.test", 1)
    assert packet == struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + QUESTION


def test_response_may_contain_an_alias() -> None:
    assert decode_response(HEADER + QUESTION + ALIAS + ADDRESS, 1) == ["10.0.0.7"]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        HEADER,
        (HEADER + QUESTION + ALIAS + ADDRESS)[:-2],
        struct.pack(">6H", 7, 0x8382, *[0] * 4),
    ],
)
def test_broken_response_is_an_error(packet: bytes) -> None:
    with pytest.raises(DnsError):
        decode_response(packet, 1)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("dns:///triton.example:8001", "triton.example"),
        ("dns://127.0.0.1:53/triton.example:8001", "triton.example"),
        ("ipv4:10.0.0.7:8001", None),
    ],
)
def test_server_name_is_the_host_of_a_dns_target(target: str, expected: str | None) -> None:
    assert server_name(target) == expected
