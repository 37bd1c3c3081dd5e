from __future__ import annotations

import pytest

from triton_embed.runtime.common_settings import HttpAddress


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3"), ("::", "[::1]"), ("fe80::1", "[fe80::1]")],
)
def test_url_is_reachable_from_this_machine(host: str, reached: str) -> None:
    assert HttpAddress(host=host, port=9000).url == f"http://{reached}:9000"
    tls = HttpAddress(host=host, port=9000, tls_certificate="c", tls_key="k")
    assert tls.url == f"https://{reached}:9000"


@pytest.mark.parametrize("files", [{"tls_key": "key.pem"}, {"tls_certificate": "chain.pem"}])
def test_certificate_and_key_must_be_set_together(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="--tls-certificate and --tls-key must be set together"):
        HttpAddress(**files)  # type: ignore[arg-type]
