from __future__ import annotations

import pytest

from triton_embed.serve.settings import Settings, parse


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3"), ("::", "[::1]"), ("fe80::1", "[fe80::1]")],
)
def test_url_is_one_that_clients_on_this_machine_reach(host: str, reached: str) -> None:
    assert Settings(host=host, port=9000).url == f"http://{reached}:9000"
    assert (
        Settings(host=host, port=9000, tls_certificate="c", tls_key="k").url
        == f"https://{reached}:9000"
    )


def test_ipv6_address_for_triton_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--model-repository", "x", "--triton-host", "::1"])
    assert "Triton cannot bind an IPv6 address like '::1'" in capsys.readouterr().err
