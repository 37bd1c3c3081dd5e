from __future__ import annotations

from typing import Any

import pytest

from triton_embed.gateway.settings import parse
from triton_embed.serve.gateway_command import gateway_command, gateway_environment
from triton_embed.serve.settings import Settings


def test_gateway_gets_the_settings_that_it_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: dict[str, Any] = {
        "drain_seconds": 7,
        "log_level": "debug",
        "log_jsonl": True,
        "otel": True,
        "tls_certificate": "c.pem",
        "tls_key": "k.pem",
    }
    settings = Settings(port=9000, **shared)
    for name, value in gateway_environment(settings).items():
        monkeypatch.setenv(name, value)
    read = parse(gateway_command(settings)[3:])
    assert {name: getattr(read, name) for name in shared} == shared
    assert (read.port, read.triton_address) == (9000, "127.0.0.1:8001")
