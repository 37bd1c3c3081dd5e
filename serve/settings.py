"""The supervisor's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from triton_embed.contract.naming import triton_model_name
from triton_embed.runtime.common_settings import CommonSettings, RepositorySettings
from triton_embed.runtime.settings import SettingsBase, setting
from triton_embed.runtime.values import (
    Parser,
    address_port,
    comma_separated,
    integer,
    one_of,
    tcp_port,
)


def _model_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(comma_separated(text)))
    for name in names:
        if not triton_model_name(name).strip("_"):
            raise ValueError(f"'{name}' is not a model id: it has no Latin letter and no digit")
    return names


MOVES = "; if it is in use and was not set, the next free one in steps of 10"
"""End of the help text of a `DefaultPort`."""


class DefaultPort(int):
    """The default of a port, which is replaced if it is in use; see `serve.ports`."""


def _not_ipv6(text: str) -> str:
    if ":" in text:
        raise ValueError(f"Triton cannot bind an IPv6 address like '{text}'")
    return text


@dataclass(frozen=True)
class TritonSettings(SettingsBase):
    """Triton's addresses and log."""

    heading: ClassVar[str] = "Triton"

    # Triton 2.51 in the wheel has known security holes: keep it on loopback.
    triton_host: str = setting(
        "127.0.0.1", "address that Triton binds", parse=Parser("HOST", _not_ipv6)
    )
    triton_grpc_port: int = setting(
        DefaultPort(8001),
        f"port of Triton's gRPC API{MOVES}",
        *("NIM_TRITON_GRPC_PORT", "NIM_GRPC_API_PORT"),
        *("NIM_SERVER_GRPC_BIND_ADDR", "NIM_GRPC_BIND_ADDR"),
        parse=address_port,
    )
    triton_http_port: int | None = setting(
        None, "port of Triton's own HTTP API (default: none)", parse=tcp_port
    )
    triton_metrics_port: int = setting(
        DefaultPort(8002),
        f"port of Triton's metrics{MOVES}",
        "NIM_TRITON_METRICS_PORT",
        parse=tcp_port,
    )
    status_port: int = setting(
        DefaultPort(8004),
        f"HTTP port for the state of the models, bound like --triton-host{MOVES}",
        parse=tcp_port,
    )
    triton_log_verbose: bool = setting(
        False, "log all of Triton's output", "NIM_TRITON_LOG_VERBOSE"
    )

    @property
    def triton_grpc(self) -> str:
        """``host:port`` of Triton's gRPC API for clients on this machine."""
        host = "127.0.0.1" if self.triton_host == "0.0.0.0" else self.triton_host
        return f"{host}:{self.triton_grpc_port}"


@dataclass(frozen=True)
class ModelSettings(RepositorySettings):
    """The model repository, and overrides of the configurations in it.

    The overrides apply when Triton loads a model; the files stay unchanged.
    """

    heading: ClassVar[str] = "Models"

    wait_for_models: bool = setting(
        False, "if there is no model yet, wait for an export instead of ending with an error"
    )
    max_queue_delay_microseconds: int | None = setting(
        None,
        "time that an encoder waits for more requests (default: as exported; 1000 for throughput)",
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS",
        parse=integer(0, metavar="MICROSECONDS"),
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
    encoder_threads: int | None = setting(
        None,
        "threads of each encoder instance on CPUs (default: the cores that affinity and CPU quota "
        "allow, divided among the instances)",
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
        "use of the cores: one execution on all of them, or several in parallel",
        "NIM_TRITON_PERFORMANCE_MODE",
        parse=one_of("latency", "throughput"),
    )
    served_model_name: tuple[str, ...] = setting(
        (),
        "public id of the only model in the repository; further names are aliases, over gRPC too",
        "NIM_SERVED_MODEL_NAME",
        parse=Parser("ID,...", _model_names),
    )
    token_arrays: bool = setting(
        True, "accept arrays of a model's own token ids in place of texts; otherwise they get 400"
    )
    reject_embedded_images: bool = setting(
        False,
        "reject a text that contains an image as a data URL with 400, if the model embeds only "
        "texts; by default the URL is a part of the text",
    )


@dataclass(frozen=True)
class Settings(CommonSettings, TritonSettings, ModelSettings):
    """All settings of the supervisor."""

    heading: ClassVar[str] = "HTTP API"

    gateway: bool = setting(True, "start the gateway in addition to Triton")
