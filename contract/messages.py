"""Error texts that the HTTP and the gRPC API share.

Clients match on the texts that are the NIM's: their wording must not change.
"""

from __future__ import annotations

from triton_embed.contract.errors import InvalidRequest

SEND_TEXTS = "send texts instead (check_embedding_ctx_length=False in langchain-openai)"
"""Remedy for a client that sends token ids, as LangChain's does by default."""


def missing_input_type(model_id: str) -> InvalidRequest:
    """Return the error for an asymmetric model and a request without ``input_type``.

    Only its first sentence is the NIM's. The second is for clients that cannot send the parameter.

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


def foreign_token_ids(reason: str) -> InvalidRequest:
    """Return the error for a token array that the model's tokenizer cannot have produced."""
    return InvalidRequest(
        f"'input': {reason}; token arrays must come from this model's tokenizer: {SEND_TEXTS}",
        param="input",
        code="foreign_token_ids",
    )


def token_arrays_unsupported() -> InvalidRequest:
    """Return the error for a token array if the settings allow none."""
    return InvalidRequest(
        f"'input': this server does not accept token ids: {SEND_TEXTS}",
        param="input",
        code="unsupported_parameter",
    )
