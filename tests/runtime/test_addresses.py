"""Addresses of gRPC servers."""

from __future__ import annotations

import pytest

from triton_embed.runtime.addresses import grpc_address, grpc_target, ip_target


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("triton:8001", "dns:///triton:8001"),
        ("127.0.0.1:8001", "dns:///127.0.0.1:8001"),
        ("[::1]:8001", "dns:///[::1]:8001"),
        ("10.0.0.7:8001,10.0.0.8:8011", "ipv4:10.0.0.7:8001,10.0.0.8:8011"),
        ("10.0.0.7:8001, 10.0.0.8:8011", "ipv4:10.0.0.7:8001,10.0.0.8:8011"),
        ("[::1]:8001,[::2]:8001", "ipv6:[::1]:8001,[::2]:8001"),
        ("dns://10.0.0.1:53/triton.test:8001", "dns://10.0.0.1:53/triton.test:8001"),
        ("ipv4:10.0.0.7:1,10.0.0.8:1", "ipv4:10.0.0.7:1,10.0.0.8:1"),
        ("unix:/run/triton.socket", "unix:/run/triton.socket"),
    ],
)
def test_address_becomes_a_grpc_target(address: str, target: str) -> None:
    assert grpc_target(address) == target
    assert grpc_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("triton", "triton:", ":8001", "::1:8001", "one:1,two:2", "10.0.0.7:1,[::1]:1", ""),
        *("dns:///triton", "dns://10.0.0.1:53/triton", "ipv4:10.0.0.7", "ipv4:10.0.0.7:1,10.0.0.8"),
    ],
)
def test_other_address_is_rejected(address: str) -> None:
    with pytest.raises(ValueError):
        grpc_address(address)


@pytest.mark.parametrize(
    ("host", "target"), [("10.0.0.7", "ipv4:10.0.0.7:8001"), ("::1", "ipv6:[::1]:8001")]
)
def test_target_of_an_ip_address_states_its_version(host: str, target: str) -> None:
    assert ip_target(host, 8001) == target
