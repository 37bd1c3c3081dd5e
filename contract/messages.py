"""NIM's verbatim error texts: clients match on them, so they must not be reworded."""

from __future__ import annotations

from triton_embed.contract.errors import InvalidRequest


def missing_input_type(model_id: str) -> InvalidRequest:
    """Return the error for an asymmetric model and a request without ``input_type``.

    Only its first sentence is NIM's; some clients cannot send the parameter.

    Args:
        model_id: Public id of the model.
    """
    return InvalidRequest(
        "'input_type' parameter is required for asymmetric models. Over HTTP, the model name "
        f"'{model_id}-query' or '{model_id}-passage' states it, too",
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
