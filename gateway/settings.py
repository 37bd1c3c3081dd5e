"""The gateway's settings, read once from the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Settings:
    """Where the gateway listens and where Triton is.

    Attributes:
        host: Address to bind.
        port: Port of the HTTP API.
        triton_url: ``host:port`` of Triton's gRPC API.
        refresh_seconds: Pause between two looks at which models Triton serves.
        drain_seconds: How long requests may take to finish after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    triton_url: str = "127.0.0.1:8001"
    refresh_seconds: float = 2.0
    drain_seconds: int = 25


def parse(arguments: list[str] | None = None) -> Settings:
    """Read the command line."""
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m gateway",
        description="OpenAI- and NIM-compatible HTTP API in front of Triton.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default=default.host, help="address to bind")
    parser.add_argument("--port", type=int, default=default.port, help="port of the HTTP API")
    parser.add_argument("--triton-url", default=default.triton_url, help="Triton's gRPC, host:port")
    parser.add_argument(
        "--refresh-seconds",
        type=float,
        default=default.refresh_seconds,
        help="pause between two looks at which models Triton serves",
    )
    parser.add_argument(
        "--drain-seconds",
        type=int,
        default=default.drain_seconds,
        help="how long requests may take to finish after SIGTERM",
    )
    values = vars(parser.parse_args(arguments))
    return Settings(**{field.name: values[field.name] for field in fields(Settings)})
