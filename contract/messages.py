"""NIM's verbatim error texts: clients match on them, so they must not be reworded."""

from __future__ import annotations

from triton_embed.contract.errors import InvalidRequest


def missing_input_type() -> InvalidRequest:
    """Return the error for an asymmetric model and a request without ``input_type``."""
    return InvalidRequest(
        "'input_type' parameter is required for asymmetric models",
        param="input_type",
        code="missing_required_parameter",
    )


def input_too_long(tokens: int, limit: int) -> InvalidRequest:
    """Return the error for an over-length input; Elasticsearch's client matches on its text.

    The code is OpenAI's.
    """
    return InvalidRequest(
        f"Input length {tokens} exceeds maximum allowed token size {limit}",
        param="input",
        code="context_length_exceeded",
    )


def dimensions_unsupported(value: int) -> InvalidRequest:
    """Return the error for ``dimensions`` on a model that was not trained for it."""
    return InvalidRequest(
        f"This model does not support 'dimensions', but a value of '{value}' was provided.",
        param="dimensions",
        code="unsupported_parameter",
    )
