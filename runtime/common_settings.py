"""Settings of the HTTP API, which its server and the supervisor of that both read."""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.runtime.logs import LEVELS
from triton_embed.runtime.settings import address_host, address_port, integer, one_of, setting


@dataclass(frozen=True)
class CommonSettings:
    """Where the HTTP API listens, how it stops and what it tells."""

    host: str = setting(
        "127.0.0.1",
        "address of the HTTP API",
        *("NIM_SERVER_BIND_ADDR", "NIM_BIND_ADDR"),
        parse=address_host,
    )
    port: int = setting(
        8000,
        "port of the HTTP API",
        *("NIM_HTTP_API_PORT", "NIM_SERVER_BIND_ADDR", "NIM_BIND_ADDR"),
        parse=address_port,
    )
    tls_certificate: str | None = setting(
        None, "PEM file with the certificate chain of the HTTP API", "NIM_SERVER_TLS_CERT_PATH"
    )
    tls_key: str | None = setting(None, "PEM file with its key", "NIM_SERVER_TLS_KEY_PATH")
    drain_seconds: int = setting(
        25, "how long requests may take to finish after SIGTERM", parse=integer(0)
    )
    log_level: str = setting(
        "info", f"one of {', '.join(LEVELS)}", "NIM_LOG_LEVEL", parse=one_of(*LEVELS)
    )
    log_jsonl: bool = setting(
        False, "log one JSON object a line", "NIM_JSONL_LOGGING", "NIM_LOGGING_JSONL"
    )
    otel: bool = setting(
        False, "send OpenTelemetry traces (OTEL_* variables say where)", "NIM_ENABLE_OTEL"
    )

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("--tls-certificate and --tls-key go together, and only one is set")
