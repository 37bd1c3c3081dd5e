"""gRPC channels to Triton, with the same options in every process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import grpc

OPTIONS: tuple[tuple[str, int | str], ...] = (
    # Send each call to the next address; the default is to use only the first.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # Connect directly, whatever proxy the environment names.
    ("grpc.enable_http_proxy", 0),
    # The gateway limits bodies and chunks itself; the default for messages is 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # DNS is queried again whenever a connection ends: serve limits their age to 30 s.
    # Default: at most every 30 s, so that a new address could take a minute.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A restarted Triton is used within 2 s; the default grows to 2 minutes.
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A lost machine is detected after 40 s, although calls have no deadline.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
"""Options of every channel;
https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of a client that requires TLS.

    Attributes:
        root_certificate: Certificates that sign the server's; ``None``: those that gRPC contains.
        certificate: The client's certificate chain, if the server requires one.
        key: Its private key.
    """

    root_certificate: str | None = None
    certificate: str | None = None
    key: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            OSError: a file cannot be read; the message names it.
        """
        return grpc.ssl_channel_credentials(
            *(
                Path(file).read_bytes() if file else None
                for file in (self.root_certificate, self.key, self.certificate)
            )
        )


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    *,
    server_name: str | None = None,
) -> grpc.aio.Channel:
    """Return a channel; it connects with the first call.

    Args:
        target: A gRPC target, e.g. ``dns:///triton:8001``.
        credentials: Credentials for TLS; ``None``: no TLS.
        server_name: Name in the server's certificate, where the target is an IP address.
    """
    options = list(OPTIONS)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options)
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return grpc.aio.secure_channel(target, credentials, options)
