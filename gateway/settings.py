"""The gateway's settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from contract.configuration import (
    address_port,
    bearer_keys,
    comma_separated,
    host_port,
    integer,
    one_of,
    read,
    seconds,
    setting,
)
from contract.logs import LEVELS

WORKER_CORES = 4
"""Cores for each worker process: Triton needs the others to keep one worker busy."""

MOST_WORKERS = 4
"""Unless told otherwise; so many are more than one encoder can keep busy."""


@dataclass(frozen=True)
class Settings:
    """Where the gateway listens, where Triton is, and what a client may do."""

    host: str = setting("127.0.0.1", "address to bind")
    port: int = setting(
        8000,
        "port of the HTTP API",
        *("NIM_HTTP_API_PORT", "NIM_SERVER_BIND_ADDR", "NIM_BIND_ADDR"),
        parse=address_port,
    )
    workers: int = setting(
        max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // WORKER_CORES)),
        f"processes that answer HTTP; by default one for every {WORKER_CORES} cores, at most "
        f"{MOST_WORKERS}",
        parse=integer(1, 64),
    )
    triton_url: str = setting("127.0.0.1:8003", "host:port of Triton's HTTP API", parse=host_port)
    refresh_seconds: float = setting(
        2.0, "pause between two looks at which models Triton serves", parse=seconds
    )
    drain_seconds: int = setting(
        25, "how long requests may take to finish after SIGTERM", parse=integer(0)
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
    tls_certificate: str | None = setting(
        None, "PEM file with the certificate chain", "NIM_SERVER_TLS_CERT_PATH"
    )
    tls_key: str | None = setting(None, "PEM file with its key", "NIM_SERVER_TLS_KEY_PATH")
    log_level: str = setting(
        "info", f"one of {', '.join(LEVELS)}", "NIM_LOG_LEVEL", parse=one_of(*LEVELS)
    )
    log_jsonl: bool = setting(
        False, "log one JSON object a line", "NIM_JSONL_LOGGING", "NIM_LOGGING_JSONL"
    )
    otel: bool = setting(
        False, "send OpenTelemetry traces (OTEL_* variables say where)", "NIM_ENABLE_OTEL"
    )


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line and the environment."""
    return read(
        Settings,
        program="python -m gateway",
        description="OpenAI- and NIM-compatible HTTP API in front of Triton.",
        arguments=arguments,
    )
