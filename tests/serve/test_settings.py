from __future__ import annotations

import pytest

from triton_embed.cli import main


def test_ipv6_address_for_triton_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--triton-host", "::1"]) == 2
    assert "Triton cannot bind an IPv6 address like '::1'" in capsys.readouterr().err
