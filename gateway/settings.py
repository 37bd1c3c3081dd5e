"""The gateway's settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from triton_embed.runtime.addresses import grpc_address
from triton_embed.runtime.common_settings import CommonSettings
from triton_embed.runtime.settings import (
    bearer_keys,
    comma_separated,
    integer,
    read,
    seconds,
    setting,
)

WORKER_CORES = 4
"""Cores for each worker process: Triton needs the others to keep one worker busy."""

MAX_WORKERS = 4
"""Unless told otherwise; so many are more than one encoder can keep busy."""


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Where the gateway listens, where Triton is, and what a client may do."""

    workers: int = setting(
        max(1, min(MAX_WORKERS, len(os.sched_getaffinity(0)) // WORKER_CORES)),
        f"processes that answer HTTP; by default one for every {WORKER_CORES} cores, at most "
        f"{MAX_WORKERS}",
        parse=integer(1, 64),
    )
    triton_address: str = setting(
        "127.0.0.1:8001",
        "HOST:PORT of Triton's gRPC API; for several Tritons a name with several addresses, a "
        "comma-separated list of IP:PORT, or a gRPC target",
        parse=grpc_address,
    )
    triton_tls: bool = setting(False, "connect to Triton with TLS")
    triton_tls_root_certificate: str | None = setting(
        None, "PEM file with the certificates that sign Triton's; default: gRPC's own"
    )
    triton_tls_certificate: str | None = setting(
        None, "PEM file with the certificate that Triton requires of its clients"
    )
    triton_tls_key: str | None = setting(None, "PEM file with its key")
    refresh_seconds: float = setting(
        2.0, "pause between two looks at which models Triton serves", parse=seconds
    )
    api_keys: tuple[str, ...] = setting(
        (),
        "comma-separated keys, one of which a client must send as 'Authorization: Bearer KEY'",
        parse=bearer_keys,
        secret=True,
    )
    max_body_bytes: int = setting(
        32 << 20,
        "largest request body",
        "NIM_SERVER_HTTP_BODY_LIMIT_BYTES",
        parse=integer(1024),
    )
    max_inputs: int = setting(8192, "most inputs of one request", parse=integer(1))
    max_inputs_in_flight: int = setting(
        1024,
        "most inputs being embedded at a time, over all workers; beyond it requests get 503",
        *("NIM_SERVER_MAX_QUEUE_SIZE", "NIM_MAX_QUEUE_SIZE"),
        parse=integer(1),
    )
    max_wait_seconds: float = setting(
        1.0,
        "how long requests may go on having to wait for their turn before more get 503",
        parse=seconds,
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "comma-separated origins whose pages may call the API from a browser",
        parse=comma_separated,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.triton_tls_certificate) != bool(self.triton_tls_key):
            raise ValueError(
                "--triton-tls-certificate and --triton-tls-key go together, and only one is set"
            )
        if not self.triton_tls and (self.triton_tls_root_certificate or self.triton_tls_key):
            raise ValueError("certificates for Triton are set, but not --triton-tls")


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line and the environment."""
    return read(
        Settings,
        program="python -m triton_embed.gateway",
        description="OpenAI- and NIM-compatible HTTP API in front of Triton.",
        arguments=arguments,
    )
