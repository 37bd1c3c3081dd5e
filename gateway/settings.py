"""The gateway's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from triton_embed.contract.image_input import MAX_URL_BYTES
from triton_embed.contract.options import InputType
from triton_embed.runtime.addresses import grpc_address
from triton_embed.runtime.common_settings import CommonSettings
from triton_embed.runtime.cores import usable_cores
from triton_embed.runtime.settings import SettingsBase, setting
from triton_embed.runtime.values import (
    Parser,
    bearer_keys,
    comma_separated,
    file,
    integer,
    one_of,
    seconds,
    tcp_port,
    url_prefix,
)

WORKER_CORES = 4
"""Cores per worker process: Triton needs the other cores to keep one worker busy."""

MAX_WORKERS = 4
"""Maximum worker processes by default: one encoder cannot keep more workers busy."""


@dataclass(frozen=True)
class RequestSettings(CommonSettings):
    """Limits and permissions of HTTP clients. `serve` passes these settings on to its gateway."""

    heading: ClassVar[str] = "Requests"

    api_keys: tuple[str, ...] = setting(
        (),
        "API keys; a client must send one of them as 'Authorization: Bearer KEY'",
        parse=bearer_keys,
        secret=True,
    )
    max_body_bytes: int = setting(
        32 << 20,
        "maximum size of a request body",
        "NIM_SERVER_HTTP_BODY_LIMIT_BYTES",
        parse=integer(1024, metavar="BYTES"),
    )
    max_concurrent_body_bytes: int = setting(
        128 << 20,
        "maximum size of all request bodies in progress, over all workers; further requests get "
        "503",
        parse=integer(1024, metavar="BYTES"),
    )
    max_image_bytes: int = setting(
        5_000_000,
        "maximum size of the data URL of an image",
        "NIM_SERVER_MAX_IMAGE_BYTES",
        parse=integer(1024, MAX_URL_BYTES, metavar="BYTES"),
    )
    max_inputs_per_request: int = setting(8192, "maximum inputs in one request", parse=integer(1))
    max_concurrent_inputs: int = setting(
        1024,
        "maximum inputs being embedded at a time, over all workers; further requests get 503",
        *("NIM_SERVER_MAX_QUEUE_SIZE", "NIM_MAX_QUEUE_SIZE"),
        parse=integer(1),
    )
    max_queue_seconds: float = setting(
        1.0,
        "queue time above which further requests get 503",
        parse=seconds,
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "origins whose pages may call the API from a browser",
        parse=Parser("ORIGIN,...", comma_separated),
    )
    root_path: str = setting(
        "",
        "prefix of all paths, such as /embed, that a proxy removes; /docs then works behind it",
        parse=url_prefix,
    )
    page: bool = setting(
        True, "serve a page for browsers at /, to look at the models and to try them"
    )
    workers: int = setting(
        max(1, min(MAX_WORKERS, usable_cores() // WORKER_CORES)),
        f"worker processes of the HTTP API; by default one for every {WORKER_CORES} cores, at most "
        f"{MAX_WORKERS}",
        parse=integer(1, 64),
    )
    log_client_address: bool = setting(
        False, "log the address of each client, and the X-Forwarded-For header that proxies add"
    )
    model_refresh_seconds: float = setting(
        2.0, "time between two polls of the models in Triton", parse=seconds
    )
    default_input_type: str | None = setting(
        None,
        "input type of requests that state none, for asymmetric models (default: such requests get "
        "400)",
        parse=one_of("query", "passage"),
    )
    list_suffixed_models: bool = setting(
        False,
        "list each asymmetric model with the suffixes -query and -passage, too, for clients that "
        "offer a choice of models and cannot send an input type",
    )

    @property
    def default_side(self) -> InputType | None:
        """The value of ``default_input_type``."""
        return InputType(self.default_input_type) if self.default_input_type else None


@dataclass(frozen=True)
class TritonConnection(SettingsBase):
    """The gateway's connection to Triton."""

    heading: ClassVar[str] = "Connection to Triton"

    triton_address: str = setting(
        "127.0.0.1:8001",
        "HOST:PORT of Triton's gRPC API; for several Tritons a name with several addresses, a "
        "comma-separated list of IP:PORT, or a gRPC target",
        parse=Parser("ADDRESS", grpc_address),
    )
    status_port: int = setting(
        8004,
        "port at which 'triton-embed serve' on Triton's machine reports the state of the models; "
        "without a response there, changes are found by polls of Triton",
        parse=tcp_port,
    )
    triton_tls: bool = setting(False, "connect to Triton with TLS")
    triton_tls_root_certificate: str | None = setting(
        None,
        "PEM file with the root certificates for Triton's certificate (default: gRPC's own)",
        parse=file,
    )
    triton_tls_certificate: str | None = setting(
        None, "PEM file with the client certificate, if Triton requires one", parse=file
    )
    triton_tls_key: str | None = setting(
        None, "PEM file with the private key of --triton-tls-certificate", parse=file
    )

    def __post_init__(self) -> None:
        if bool(self.triton_tls_certificate) != bool(self.triton_tls_key):
            raise ValueError(
                "--triton-tls-certificate and --triton-tls-key must be set together, "
                "but only one is set"
            )
        if not self.triton_tls and (self.triton_tls_root_certificate or self.triton_tls_key):
            raise ValueError("certificates for Triton are set, but --triton-tls is not")


@dataclass(frozen=True)
class Settings(TritonConnection, RequestSettings):
    """All settings of the gateway."""

    def __post_init__(self) -> None:
        RequestSettings.__post_init__(self)
        TritonConnection.__post_init__(self)
