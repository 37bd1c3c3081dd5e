"""The supervisor's settings, read once from the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where everything listens and what is served.

    Attributes:
        model_repository: The folder that Triton serves.
        host: Address the gateway binds.
        port: Port of the HTTP API.
        triton_host: Address Triton binds; the server bundled in ``nvidia-pytriton`` has known
            security holes, so keep it on loopback there.
        triton_grpc_port: Port of Triton's gRPC API.
        triton_metrics_port: Port of Triton's Prometheus metrics.
        gateway: Whether to start the gateway; without it only Triton is run.
        verbose: Whether to show Triton's own information messages.
    """

    model_repository: Path = Path("model_repository")
    host: str = "127.0.0.1"
    port: int = 8000
    triton_host: str = "127.0.0.1"
    triton_grpc_port: int = 8001
    triton_metrics_port: int = 8002
    gateway: bool = True
    verbose: bool = False

    @property
    def triton_url(self) -> str:
        """``host:port`` under which Triton's gRPC is reached from this machine."""
        host = "127.0.0.1" if self.triton_host == "0.0.0.0" else self.triton_host
        return f"{host}:{self.triton_grpc_port}"


def parse(arguments: list[str] | None = None) -> Settings:
    """Read the command line."""
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m serve",
        description="Serve a model repository with Triton and the OpenAI-compatible gateway.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--model-repository",
        type=Path,
        default=default.model_repository,
        help="the folder filled by 'python -m export'",
    )
    parser.add_argument("--host", default=default.host, help="address of the HTTP API")
    parser.add_argument("--port", type=_port, default=default.port, help="port of the HTTP API")
    parser.add_argument("--triton-host", default=default.triton_host, help="address Triton binds")
    parser.add_argument(
        "--triton-grpc-port",
        type=_port,
        default=default.triton_grpc_port,
        help="port of Triton's gRPC API",
    )
    parser.add_argument(
        "--triton-metrics-port",
        type=_port,
        default=default.triton_metrics_port,
        help="port of Triton's metrics",
    )
    parser.add_argument(
        "--no-gateway", dest="gateway", action="store_false", help="start Triton only"
    )
    parser.add_argument("--verbose", action="store_true", help="show Triton's own messages")
    values = vars(parser.parse_args(arguments))
    return Settings(**{field.name: values[field.name] for field in fields(Settings)})


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be between 1 and 65535")
    return value
