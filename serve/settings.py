"""The supervisor's settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_embed.runtime.common_settings import CommonSettings
from triton_embed.runtime.settings import address_port, integer, one_of, read, setting, tcp_port


def _not_ipv6(text: str) -> str:
    if ":" in text:
        raise argparse.ArgumentTypeError(f"Triton cannot bind an IPv6 address like '{text}'")
    return text


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Addresses and ports, the model repository, and overrides of model configurations.

    Overrides of batching, instances and names apply when Triton loads a model; the files in the
    model repository stay unchanged.
    """

    model_repository: str = setting(
        "model_repository", "folder filled by 'python -m triton_embed.export'"
    )
    gateway: bool = setting(True, "start the gateway beside Triton")
    # Triton 2.51 in the wheel has known security holes: keep it on loopback.
    triton_host: str = setting("127.0.0.1", "address Triton binds", parse=_not_ipv6)
    triton_grpc_port: int = setting(
        8001,
        "port of Triton's gRPC API",
        *("NIM_TRITON_GRPC_PORT", "NIM_SERVER_GRPC_BIND_ADDR", "NIM_GRPC_BIND_ADDR"),
        parse=address_port,
    )
    triton_http_port: int | None = setting(
        None, "port of Triton's own HTTP API (default: none)", parse=tcp_port
    )
    triton_metrics_port: int = setting(8002, "port of Triton's metrics", parse=tcp_port)
    max_queue_delay_microseconds: int | None = setting(
        None,
        "time an encoder waits for more requests (default: as exported; 1000 in throughput mode)",
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS",
        parse=integer(0),
    )
    max_batch_size: int | None = setting(
        None,
        "maximum inputs per execution and per Triton request (default: as exported)",
        *("NIM_TRITON_MAX_BATCH_SIZE", "NIM_PIPELINE_MAX_BATCH_SIZE"),
        parse=integer(1),
    )
    encoder_instances: int | None = setting(
        None,
        "instances of each encoder, which share the cores (default: set by --performance-mode)",
        *("NIM_NUM_MODEL_INSTANCES", "NIM_ENGINE_COUNT"),
        parse=integer(1),
    )
    tokenizer_instances: int | None = setting(
        None,
        "instances of each tokenizer (default: as exported)",
        "NIM_NUM_TOKENIZERS",
        parse=integer(1),
    )
    performance_mode: str = setting(
        "latency",
        "latency: one execution uses all cores; throughput: several run in parallel",
        "NIM_TRITON_PERFORMANCE_MODE",
        parse=one_of("latency", "throughput"),
    )
    served_model_name: str | None = setting(
        None, "public id of the only model in the repository", "NIM_SERVED_MODEL_NAME"
    )
    triton_log_verbose: bool = setting(
        False, "log all of Triton's output", "NIM_TRITON_LOG_VERBOSE"
    )

    @property
    def repository(self) -> Path:
        """The model repository."""
        return Path(self.model_repository).resolve()

    @property
    def url(self) -> str:
        """URL of the HTTP API for clients on this machine."""
        scheme = "https" if self.tls_certificate else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def triton_grpc(self) -> str:
        """``host:port`` of Triton's gRPC API for clients on this machine."""
        return f"{self._triton_host}:{self.triton_grpc_port}"

    @property
    def _triton_host(self) -> str:
        return "127.0.0.1" if self.triton_host == "0.0.0.0" else self.triton_host


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Return the settings in the command line and the environment."""
    return read(
        Settings,
        program="python -m triton_embed.serve",
        description="Serve a model repository with Triton and the OpenAI-compatible gateway.",
        arguments=arguments,
    )
