"""Command line and environment of ``tritonserver``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from triton_embed.serve.backend_directory import shell_safe_path
from triton_embed.serve.installation import ROOT, Installation
from triton_embed.serve.server_instance import ServerInstance
from triton_embed.serve.settings import Settings

EXIT_TIMEOUT_SECONDS = 10
"""Time in seconds for Triton to finish requests after SIGTERM; the rest are cut off."""

RESTRICTED_PROTOCOLS = "model-repository,shared-memory,logging,trace"
"""Parts of Triton's API that could replace models or read memory: closed to clients."""

ADMIN_HEADER = "triton-embed-admin"
"""Header that carries the admin token in requests to the restricted protocols."""

KEEPALIVE_FLAGS = (
    # gRPC resolves a name again only when a connection ends: a new address is used within 30 s.
    "--grpc-max-connection-age=30000",
    # Clients may send a keepalive ping every 20 s; Triton's default is to disconnect them.
    "--grpc-http2-min-recv-ping-interval-without-data=10000",
    "--grpc-keepalive-permit-without-calls=true",
)
"""Flags for the clients of `runtime.channel`."""


def server_command(
    settings: Settings, installation: Installation, folder: Path, instance: ServerInstance
) -> list[str]:
    """Return the command line that starts Triton without any model.

    Args:
        settings: Ports, addresses and the model repository.
        installation: The server to start.
        folder: The backend directory, filled by `backend_directory.assemble`.
        instance: Admin token and memory prefix of this run.
    """
    restricted = f"{RESTRICTED_PROTOCOLS}:{ADMIN_HEADER}={instance.admin_token}"
    repository = settings.repository
    if installation.bundled:
        repository = shell_safe_path(repository, folder)
    return [
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={folder}",
        f"--backend-config=python,shm-region-prefix-name={instance.memory_prefix}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
        *_http_flags(settings, restricted),
        f"--grpc-address={settings.triton_host}",
        f"--grpc-port={settings.triton_grpc_port}",
        f"--grpc-restricted-protocol={restricted}",
        *KEEPALIVE_FLAGS,
        f"--metrics-address={settings.triton_host}",
        f"--metrics-port={settings.triton_metrics_port}",
        f"--log-info={str(settings.triton_log_verbose).lower()}",
        *(_tracing_flags() if settings.otel else ()),
    ]


def _http_flags(settings: Settings, restricted: str) -> list[str]:
    if settings.triton_http_port is None:
        return ["--allow-http=false"]
    return [
        f"--http-address={settings.triton_host}",
        f"--http-port={settings.triton_http_port}",
        f"--http-restricted-api={restricted}",
    ]


def _tracing_flags() -> list[str]:
    """Return the flags that make Triton trace requests which the gateway traces (rate 0)."""
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318").rstrip("/")
    url = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{base}/v1/traces")
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=0",
        f"--trace-config=opentelemetry,url={url}",
        "--trace-config=opentelemetry,resource=service.name=triton",
    ]


def server_environment(installation: Installation) -> dict[str, str]:
    """Return the environment of Triton and its Python processes.

    This interpreter comes first on the PATH, so that its packages are used.
    """
    path = os.environ.get("PATH", os.defpath)
    libraries = [*map(str, installation.libraries), os.environ.get("LD_LIBRARY_PATH", "")]
    packages = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        # The encoder reads all its weights for a single text: large pages make that faster.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        # The gRPC in nvidia-pytriton 0.7.0 responds to short requests sooner without its newer
        # event engine.
        **({"GRPC_EXPERIMENTS": "-event_engine_listener"} if installation.bundled else {}),
        **os.environ,
        "ORT_DISABLE_TELEMETRY": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), path]),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PYTHONPATH": os.pathsep.join(filter(None, packages)),
    }
