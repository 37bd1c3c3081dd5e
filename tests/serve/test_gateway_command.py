from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.gateway.settings import RequestSettings, Settings
from triton_embed.runtime.options import settings_from_environment
from triton_embed.runtime.settings import to_variables
from triton_embed.serve.gateway_command import gateway_command, gateway_environment
from triton_embed.serve.settings import Settings as ServeSettings


def test_gateway_gets_its_settings_and_the_address_of_our_triton(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # For a remote Triton, which `triton-embed gateway` would use.
    monkeypatch.setenv("TRITON_EMBED_TRITON_TLS", "1")
    monkeypatch.setenv("TRITON_EMBED_TRITON_TLS_KEY", "key.pem")
    given = RequestSettings(port=9000, log_jsonl=True, tls_certificate="c", tls_key="k", workers=3)
    environment = gateway_environment(to_variables(given), Path("run"))
    monkeypatch.delenv("TRITON_EMBED_TRITON_TLS")
    monkeypatch.delenv("TRITON_EMBED_TRITON_TLS_KEY")
    assert not environment.keys() & {"TRITON_EMBED_TRITON_TLS", "TRITON_EMBED_TRITON_TLS_KEY"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment["TMPDIR"] == "run"
    assert settings_from_environment(RequestSettings) == given
    assert settings_from_environment(Settings).triton_tls is False
    command = gateway_command(ServeSettings(triton_grpc_port=9001, status_port=9004))
    address = ["--triton-address", "127.0.0.1:9001", "--status-port", "9004"]
    assert command[2:] == ["triton_embed", "gateway", *address]
