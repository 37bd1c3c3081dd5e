"""The command ``triton-embed health``: checks of running services, for containers and probes."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from http import HTTPStatus

import click

from triton_embed.contract.status import READY_PATH
from triton_embed.runtime.commands import CommandError, HeadedCommand, ParserType
from triton_embed.runtime.common_settings import HttpAddress
from triton_embed.runtime.options import SettingsCommand
from triton_embed.runtime.values import Parser, tcp_port

TIMEOUT_SECONDS = 5.0
"""Maximum time in seconds for a response. Health endpoints are never delayed by a busy Triton."""


@click.group("health")
def health() -> None:
    """Exit with status 0 if a running service is ready, otherwise with 1."""


@health.command("gateway", cls=SettingsCommand, kinds=(HttpAddress,))
def gateway(address: HttpAddress) -> int:
    """Check that a gateway on this machine is ready."""
    if not is_gateway_ready(address.url):
        raise CommandError(f"the gateway at {address.url} is not ready")
    return 0


@health.command("triton", cls=HeadedCommand)
@click.option(
    "--address",
    type=ParserType(Parser("HOST:PORT", str)),
    default="127.0.0.1:8001",
    show_default=True,
    help="Address of its gRPC API.",
)
@click.option(
    "--status-port",
    type=ParserType(tcp_port),
    default=8004,
    show_default=True,
    help="Port at which 'triton-embed serve' reports its state; Triton itself is checked if "
    "this port does not respond.",
)
def triton(address: str, status_port: int) -> int:
    """Check that a Triton serves a model."""
    host = address.rpartition(":")[0]
    published = _readiness(f"http://{host}:{status_port}")
    if not (has_ready_model(address) if published is None else published):
        raise CommandError(f"Triton at {address} serves no model")
    return 0


def is_gateway_ready(url: str) -> bool:
    """Return whether the gateway with the base URL `url` is ready."""
    return bool(_readiness(url))


def _readiness(url: str) -> bool | None:
    """Return whether the service with the base URL `url` is ready; ``None``: no response.

    The service is on this machine: the certificate is not verified, and proxies are not used.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(f"{url}{READY_PATH}", timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as error:
        # Any other status comes from another service on this port.
        return False if error.code == HTTPStatus.SERVICE_UNAVAILABLE else None
    except (urllib.error.URLError, OSError):
        return None


def has_ready_model(address: str) -> bool:
    """Return whether the Triton at ``HOST:PORT`` serves a model."""
    from tritonclient import grpc
    from tritonclient.utils import InferenceServerException

    options = [("grpc.enable_http_proxy", 0)]
    with grpc.InferenceServerClient(address, channel_args=options) as client:
        try:
            # Statistics list the ready models and, unlike the repository index, are public.
            statistics = client.get_inference_statistics(client_timeout=TIMEOUT_SECONDS)
        except InferenceServerException:
            return False
    return bool(statistics.model_stats)
