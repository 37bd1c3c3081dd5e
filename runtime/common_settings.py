"""Settings of several commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from triton_embed.runtime.logs import LEVELS
from triton_embed.runtime.settings import SettingsBase, setting
from triton_embed.runtime.values import (
    address_hosts,
    address_port,
    file,
    folder,
    integer,
    one_of,
)


@dataclass(frozen=True)
class RepositorySettings(SettingsBase):
    """The model repository, for all commands that read or write it."""

    heading: ClassVar[str] = "Models"

    model_repository: Path = setting(
        Path("model_repository"), "folder that Triton serves; an export creates it", parse=folder
    )

    @property
    def repository(self) -> Path:
        """The absolute path of the model repository; a link may later change."""
        return self.model_repository.absolute()


@dataclass(frozen=True)
class HttpAddress(SettingsBase):
    """The address of the HTTP API, for its server, its supervisor and its health check."""

    heading: ClassVar[str] = "HTTP API"

    host: tuple[str, ...] = setting(
        ("127.0.0.1",),
        "addresses of the HTTP API; '::' is every address of this machine, IPv4 included",
        *("NIM_SERVER_BIND_ADDR", "NIM_BIND_ADDR"),
        parse=address_hosts,
    )
    port: int = setting(
        8000,
        "port of the HTTP API",
        *("NIM_HTTP_API_PORT", "NIM_SERVER_PORT", "NIM_SERVER_BIND_ADDR", "NIM_BIND_ADDR"),
        parse=address_port,
    )
    tls_certificate: str | None = setting(
        None,
        "PEM file with the certificate chain of the HTTP API",
        "NIM_SERVER_TLS_CERT_PATH",
        parse=file,
    )
    tls_key: str | None = setting(
        None,
        "PEM file with the private key of --tls-certificate",
        "NIM_SERVER_TLS_KEY_PATH",
        parse=file,
    )

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError(
                "--tls-certificate and --tls-key must be set together, but only one is set"
            )

    @property
    def url(self) -> str:
        """URL of the HTTP API for clients on this machine."""
        scheme = "https" if self.tls_certificate else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host[0], self.host[0])
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True)
class LogSettings(SettingsBase):
    """Logs and traces, for every server."""

    heading: ClassVar[str] = "Logs and traces"

    log_level: str = setting(
        "info", "minimum level of log messages", "NIM_LOG_LEVEL", parse=one_of(*LEVELS)
    )
    log_jsonl: bool = setting(
        False, "log one JSON object per line", "NIM_JSONL_LOGGING", "NIM_LOGGING_JSONL"
    )
    otel: bool = setting(
        False, "send OpenTelemetry traces, as configured by the OTEL_* variables", "NIM_ENABLE_OTEL"
    )


@dataclass(frozen=True)
class CommonSettings(LogSettings, HttpAddress):
    """Settings that the server of the HTTP API and its supervisor share."""

    heading: ClassVar[str] = "HTTP API"

    drain_seconds: int = setting(
        25,
        "time for requests in progress to finish after SIGTERM",
        parse=integer(0, metavar="SECONDS"),
    )
