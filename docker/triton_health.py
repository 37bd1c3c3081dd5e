"""Health check of the triton container: succeeds while a model of the repository is ready."""

from __future__ import annotations

import sys
from pathlib import Path

import tritonclient.grpc as grpc

from triton_embed.repository.scanner import scan

# It is in this container, whatever http_proxy says.
client = grpc.InferenceServerClient("127.0.0.1:8001", channel_args=[("grpc.enable_http_proxy", 0)])
models = scan(Path("/models"), missing_ok=True)
sys.exit(not any(client.is_model_ready(model.name) for model in models))
