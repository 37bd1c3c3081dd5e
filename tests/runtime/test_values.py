from __future__ import annotations

import pytest

from triton_embed.runtime.values import (
    Parser,
    address_hosts,
    address_port,
    bearer_keys,
    integer,
    seconds,
    tcp_port,
    url_prefix,
)


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
    assert (address_hosts(address), address_port(address)) == ((host,), port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "fe80::1", "example.org"])
def test_host_without_a_port_is_a_host(host: str) -> None:
    assert address_hosts(host) == (host,)


def test_list_of_addresses_has_several_hosts_and_one_port() -> None:
    assert address_hosts("127.0.0.1, ::1,127.0.0.1") == ("127.0.0.1", "::1")
    assert address_hosts("127.0.0.1:7,[::1]:7") == ("127.0.0.1", "::1")
    assert address_port("127.0.0.1:7,[::1]:7") == 7
    with pytest.raises(ValueError, match="the same port for each host"):
        address_port("127.0.0.1:7,[::1]:8")


@pytest.mark.parametrize("text", ["", " ", "127.0.0.1,,::1"])
def test_empty_host_is_rejected_with_the_value_for_every_address(text: str) -> None:
    with pytest.raises(ValueError, match="'::' for every address"):
        address_hosts(text)


@pytest.mark.parametrize("parse", [tcp_port, address_port])
def test_service_link_of_kubernetes_is_rejected_with_its_origin(parse: Parser) -> None:
    with pytest.raises(ValueError, match=r"'tcp://10.96.7.3:80' .* 'enableServiceLinks: false'"):
        parse("tcp://10.96.7.3:80")


@pytest.mark.parametrize(
    ("text", "prefix"), [("/embed", "/embed"), ("/a/b-1/", "/a/b-1"), ("/", "")]
)
def test_prefix_of_urls_has_no_trailing_slash(text: str, prefix: str) -> None:
    assert url_prefix(text) == prefix


@pytest.mark.parametrize("text", ["embed", "https://example.org/embed", "/a//b", '/"', "/a?b"])
def test_other_prefix_of_urls_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a path such as /embed"):
        url_prefix(text)


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
