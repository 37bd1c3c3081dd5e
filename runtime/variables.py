"""The environment variables that our commands read, and a warning about unknown ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

logger = logging.getLogger("configuration")

NIM_VARIABLES = frozenset(
    {
        "NIM_BIND_ADDR",
        "NIM_ENABLE_OTEL",
        "NIM_ENGINE_COUNT",
        "NIM_GRPC_API_PORT",
        "NIM_GRPC_BIND_ADDR",
        "NIM_HTTP_API_PORT",
        "NIM_JSONL_LOGGING",
        "NIM_LOGGING_JSONL",
        "NIM_LOG_LEVEL",
        "NIM_MAX_QUEUE_SIZE",
        "NIM_NUM_MODEL_INSTANCES",
        "NIM_NUM_TOKENIZERS",
        "NIM_PIPELINE_MAX_BATCH_SIZE",
        "NIM_SERVED_MODEL_NAME",
        "NIM_SERVER_BIND_ADDR",
        "NIM_SERVER_GRPC_BIND_ADDR",
        "NIM_SERVER_HTTP_BODY_LIMIT_BYTES",
        "NIM_SERVER_MAX_IMAGE_BYTES",
        "NIM_SERVER_MAX_QUEUE_SIZE",
        "NIM_SERVER_PORT",
        "NIM_SERVER_TLS_CERT_PATH",
        "NIM_SERVER_TLS_KEY_PATH",
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS",
        "NIM_TRITON_GRPC_PORT",
        "NIM_TRITON_LOG_VERBOSE",
        "NIM_TRITON_MAX_BATCH_SIZE",
        "NIM_TRITON_METRICS_PORT",
        "NIM_TRITON_PERFORMANCE_MODE",
    }
)
"""Variables of the NIM that at least one command reads."""

OWN_VARIABLES = frozenset(
    f"TRITON_EMBED_{name}"
    for name in (
        "API_KEYS",
        "CORS_ORIGINS",
        "DEFAULT_INPUT_TYPE",
        "DRAIN_SECONDS",
        "ENCODER_INSTANCES",
        "ENCODER_THREADS",
        "GATEWAY",
        "HOST",
        "LIST_SUFFIXED_MODELS",
        "LOG_CLIENT_ADDRESS",
        "LOG_JSONL",
        "LOG_LEVEL",
        "MAX_BATCH_SIZE",
        "MAX_BODY_BYTES",
        "MAX_CONCURRENT_BODY_BYTES",
        "MAX_CONCURRENT_INPUTS",
        "MAX_IMAGE_BYTES",
        "MAX_INPUTS_PER_REQUEST",
        "MAX_QUEUE_DELAY_MICROSECONDS",
        "MAX_QUEUE_SECONDS",
        "MODEL_REFRESH_SECONDS",
        "MODEL_REPOSITORY",
        "OTEL",
        "PAGE",
        "PERFORMANCE_MODE",
        "PORT",
        "ROOT_PATH",
        "SERVED_MODEL_NAME",
        "STATUS_PORT",
        "TLS_CERTIFICATE",
        "TLS_KEY",
        "TOKENIZER_INSTANCES",
        "TOKEN_ARRAYS",
        "REJECT_EMBEDDED_IMAGES",
        "TRITON_ADDRESS",
        "TRITON_GRPC_PORT",
        "TRITON_HOST",
        "TRITON_HTTP_PORT",
        "TRITON_LOG_VERBOSE",
        "TRITON_METRICS_PORT",
        "TRITON_TLS",
        "TRITON_TLS_CERTIFICATE",
        "TRITON_TLS_KEY",
        "TRITON_TLS_ROOT_CERTIFICATE",
        "WAIT_FOR_MODELS",
        "WORKERS",
    )
)
"""Our own variables, of all commands; every process receives the full set."""


def log_unknown_variables(environment: Mapping[str, str] = os.environ) -> None:
    """Log, in one line, the unknown ``NIM_*`` and ``TRITON_EMBED_*`` variables."""
    unknown = sorted(
        name
        for name in environment.keys() - NIM_VARIABLES - OWN_VARIABLES
        if name.startswith(("NIM_", "TRITON_EMBED_"))
    )
    if unknown:
        logger.warning("ignoring %s: unknown to triton-embed", ", ".join(unknown))
