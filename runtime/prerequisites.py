"""Checks of the gateway's files and packages, before it or its Triton starts."""

from __future__ import annotations

import importlib.util
import ssl

from triton_embed.runtime.commands import CommandError
from triton_embed.runtime.common_settings import HttpAddress, LogSettings

TRACING_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""Modules of the extra ``otel``."""


def check_certificate(address: HttpAddress) -> None:
    """Raise CommandError unless the files of the certificate and its key can be used, if set."""
    if not address.tls_certificate:
        return
    pair = address.tls_certificate, address.tls_key
    for option, name in zip(("--tls-certificate", "--tls-key"), pair, strict=True):
        try:
            open(str(name), "rb").close()
        except OSError as error:
            raise CommandError(f"{option}: cannot read '{name}': {error.strerror}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair, password="")
    except OSError as error:
        raise CommandError(
            f"cannot use the certificate '{pair[0]}' with the key '{pair[1]}' ({error}); both must "
            "be PEM files, and the key must not be encrypted"
        ) from None


def check_tracing(settings: LogSettings) -> None:
    """Raise CommandError if traces are on and the packages that send them are not installed."""
    if settings.otel and not all(map(_is_installed, TRACING_MODULES)):
        raise CommandError(
            "--otel (NIM_ENABLE_OTEL) needs packages that are not installed; run: "
            "pip install 'triton-embed[otel]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # Its parent package is not installed.
        return False
