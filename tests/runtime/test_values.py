from __future__ import annotations

import pytest

from triton_embed.runtime.values import address_host, address_port, bearer_keys, integer, seconds


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("0.0.0.0:7", "0.0.0.0", 7),
        ("[::1]:7", "::1", 7),
        (":7", "0.0.0.0", 7),
        ("localhost:7", "localhost", 7),
    ],
)
def test_address_has_a_host_and_a_port(address: str, host: str, port: int) -> None:
    assert (address_host(address), address_port(address)) == (host, port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "fe80::1", "example.org"])
def test_host_without_a_port_is_a_host(host: str) -> None:
    assert address_host(host) == host


@pytest.mark.parametrize("text", ["0", "4", "1.5", "one"])
def test_integer_out_of_its_range_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        integer(1, 3)(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "soon"])
def test_seconds_are_a_finite_number_that_is_not_negative(text: str) -> None:
    assert seconds("1.5") == 1.5
    with pytest.raises(ValueError, match=f"must be a number of seconds, not '{text}'"):
        seconds(text)


def test_bearer_keys_are_ascii_and_at_least_one() -> None:
    assert bearer_keys("a, b,") == ("a", "b")
    with pytest.raises(ValueError, match="the list is empty"):
        bearer_keys(" , ")
    with pytest.raises(ValueError, match="ASCII") as rejected:
        bearer_keys("geheimnisträger")
    assert "geheim" not in str(rejected.value)
