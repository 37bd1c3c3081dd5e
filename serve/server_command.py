"""Command line and environment of ``tritonserver``."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path

from triton_embed.serve.backend_directory import shell_safe_path
from triton_embed.serve.installation import ROOT, Installation
from triton_embed.serve.repository_api import AdminEndpoint
from triton_embed.serve.run_files import RunFiles
from triton_embed.serve.settings import Settings

logger = logging.getLogger("serve")

EXIT_TIMEOUT_SECONDS = 10
"""Time in seconds for Triton to finish requests after SIGTERM; the rest are cut off."""

RESTRICTED_PROTOCOLS = "model-repository,shared-memory,logging,trace"
"""Parts of Triton's API that could replace models or read memory: closed to clients."""

CLOSED = "NO-CLIENT-CAN-SEND-THIS=closed"
"""Header that gRPC requires in requests to the restricted protocols. HTTP/2 has no header names
with capital letters, so that every request with it is rejected (RFC 9113, section 8.2.1)."""

ADMIN_HEADER = "triton-embed-admin"
"""Header that carries the admin token in requests to Triton's HTTP API, if that has a port."""

KEEPALIVE_FLAGS = (
    # gRPC resolves a name again only when a connection ends: a new address is used within 30 s.
    "--grpc-max-connection-age=30000",
    # Clients may send a keepalive ping every 20 s; Triton's default is to disconnect them.
    "--grpc-http2-min-recv-ping-interval-without-data=10000",
    "--grpc-keepalive-permit-without-calls=true",
)
"""Flags for the clients of `runtime.channel`."""


def server_command(
    settings: Settings, installation: Installation, run: RunFiles, endpoint: AdminEndpoint
) -> list[str]:
    """Return the command line that starts Triton without any model.

    Every user of the machine can read it in the process list.

    Args:
        settings: Ports, addresses and the model repository.
        installation: The server to start.
        run: Its files; the backend directory is filled by `backend_directory.assemble`.
        endpoint: The HTTP API through which models are loaded.
    """
    repository = settings.repository
    if installation.bundled:
        repository = shell_safe_path(repository, run.folder)
    return [
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={run.folder}",
        f"--backend-config=python,shm-region-prefix-name={run.memory_prefix}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
        *_http_flags(endpoint),
        f"--grpc-address={settings.triton_host}",
        f"--grpc-port={settings.triton_grpc_port}",
        f"--grpc-restricted-protocol={RESTRICTED_PROTOCOLS}:{CLOSED}",
        *KEEPALIVE_FLAGS,
        f"--metrics-address={settings.triton_host}",
        f"--metrics-port={settings.triton_metrics_port}",
        f"--log-info={str(settings.triton_log_verbose).lower()}",
        *(_tracing_flags() if settings.otel else ()),
    ]


def admin_endpoint(settings: Settings, run: RunFiles) -> AdminEndpoint:
    """Return the address of Triton's HTTP API, with a new token if it has a port."""
    if settings.triton_http_port is None:
        return AdminEndpoint(run.admin_socket)
    logger.warning(
        "--triton-http-port: users of this machine can read the token that protects loading "
        "and unloading of models in the process list"
    )
    host = "127.0.0.1" if settings.triton_host == "0.0.0.0" else settings.triton_host
    token = {ADMIN_HEADER: secrets.token_hex(16)}
    return AdminEndpoint(run.admin_socket, (host, settings.triton_http_port), token)


def _http_flags(endpoint: AdminEndpoint) -> list[str]:
    if endpoint.address is None:
        # The port is not used; it must differ from the other ports.
        return [f"--http-address=unix:{endpoint.socket}", "--http-port=1", "--http-thread-count=2"]
    host, port = endpoint.address
    ((header, token),) = endpoint.headers.items()
    return [
        f"--http-address={host}",
        f"--http-port={port}",
        f"--http-restricted-api={RESTRICTED_PROTOCOLS}:{header}={token}",
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
