"""Command line of Triton."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.serve.installation import Installation
from triton_embed.serve.run_files import RunFiles
from triton_embed.serve.server_command import admin_endpoint, server_command
from triton_embed.serve.settings import Settings

NGC = Installation(Path("/opt/tritonserver/bin/tritonserver"), {}, (), (), bundled=False)
DEFAULTS = Settings()


RUN = RunFiles("0123456789ab", Path("/run"))


def command(settings: Settings = DEFAULTS) -> list[str]:
    return server_command(settings, NGC, RUN, admin_endpoint(settings, RUN))


def test_http_api_of_triton_has_no_port() -> None:
    flags = command()
    assert "--http-address=unix:/run/admin.socket" in flags
    assert not any(flag.startswith("--http-restricted-api") for flag in flags)


def test_port_of_the_http_api_is_restricted_and_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(triton_http_port=8003)
    endpoint = admin_endpoint(settings, RUN)
    flags = server_command(settings, NGC, RUN, endpoint)
    assert "--http-port=8003" in flags
    (restricted,) = (flag for flag in flags if flag.startswith("--http-restricted-api="))
    ((header, token),) = endpoint.headers.items()
    assert restricted.endswith(f":{header}={token}")
    assert "can read the token" in caplog.text


def test_header_for_administration_over_grpc_cannot_be_sent() -> None:
    (restricted,) = (flag for flag in command() if flag.startswith("--grpc-restricted"))
    header = restricted.rpartition(":")[2].partition("=")[0]
    assert header != header.lower()


def test_connections_end_after_30_seconds_so_that_clients_resolve_the_name_again() -> None:
    assert "--grpc-max-connection-age=30000" in command()
