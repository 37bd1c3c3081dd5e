"""Command line of Triton."""

from __future__ import annotations

from pathlib import Path

from triton_embed.serve.installation import Installation
from triton_embed.serve.server_command import server_command
from triton_embed.serve.server_instance import ServerInstance
from triton_embed.serve.settings import Settings

NGC = Installation(Path("/opt/tritonserver/bin/tritonserver"), {}, (), (), bundled=False)
DEFAULTS = Settings()


def command(settings: Settings = DEFAULTS) -> list[str]:
    return server_command(settings, NGC, Path("backends"), ServerInstance())


def test_http_api_of_triton_is_off() -> None:
    flags = command()
    assert "--allow-http=false" in flags
    assert not any(flag.startswith("--http") for flag in flags)


def test_http_api_of_triton_is_restricted_if_it_is_on() -> None:
    flags = command(Settings(triton_http_port=8003))
    assert "--allow-http=false" not in flags
    assert "--http-port=8003" in flags
    assert any(flag.startswith("--http-restricted-api=model-repository,") for flag in flags)


def test_connections_end_after_30_seconds_so_that_clients_resolve_the_name_again() -> None:
    assert "--grpc-max-connection-age=30000" in command()
