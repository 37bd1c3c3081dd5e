from __future__ import annotations

import pytest

from triton_embed.cli import main


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--log-level", "loud"], "'--log-level': must be one of debug"),
        (["--triton-address", "triton"], "'--triton-address': must be HOST:PORT"),
        (["--triton-tls", "--triton-tls-key", "k.pem"], "--triton-tls-certificate and"),
        (["--triton-tls-root-certificate", "ca.pem"], "--triton-tls is not"),
        (["--tls-key", "key.pem"], "--tls-certificate and --tls-key must be set together"),
    ],
)
def test_values_that_cannot_be_used_are_rejected(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gateway", *arguments]) == 2
    assert named in capsys.readouterr().err
