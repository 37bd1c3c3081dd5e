"""Health check of the gateway container: succeeds while the gateway says that it is ready."""

from __future__ import annotations

import ssl
import urllib.request

from triton_embed.gateway.settings import parse

settings = parse(["--port", "8000"])
scheme = "https" if settings.tls_certificate else "http"
# We ask ourselves, where the certificate need not name us and no proxy has a part.
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
)
opener.open(f"{scheme}://127.0.0.1:8000/v1/health/ready", timeout=5)
