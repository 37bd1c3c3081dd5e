"""Names of Triton models, backends and tensors: the ensemble's interface and its inner wiring.

Source of the interface: the gRPC reference of NVIDIA's NeMo Retriever Embedding NIM.
"""

from __future__ import annotations

import re

TEXT = "text"
"""Ensemble input, BYTES [n, 1]: UTF-8 text (or token ids, see `contract.options.Options`)."""
MODALITY = "modality"
"""Optional ensemble input, BYTES [n, 1]."""
TOKEN_COUNT = "token_count"
"""Ensemble output, INT32 [n, 1]: tokens the encoder saw, prefix and special tokens included."""
EMBEDDINGS = "embeddings"
"""Ensemble output, [n, d]: FP32 unless the request's ``embedding_type`` says otherwise."""

TOKEN_IDS = "token_ids"
"""Tokenizer to encoder, INT32 [n, L]: rows padded to the longest of the request."""
LENGTH = "length"
"""Tokenizer to encoder, INT32 [n, 1]: how many ids of a row are real."""
ROW_WIDTH = "row_width"
"""Encoder, INT32 [items, 1]: L of the request that each item came with (Triton's batch_input)."""

TOKENIZER = "tokenizer"
POSTPROCESS = "postprocess"
ENCODER = "encoder"

FLOAT = "float"
"""The ensemble of tokenizer and encoder only, for requests without ``dimensions`` and
``embedding_type``: they save the postprocess step. Here what the model has of both is without
effect."""


def triton_model_name(model_id: str) -> str:
    """Return the ensemble's name: the id in lower case, ``_`` for all but a-z and 0-9."""
    return re.sub(r"[^a-z0-9]", "_", model_id.lower())


def alias_name(model_id: str) -> str:
    """Return the name by which nv-ingest asks for a model: it does not lower the case."""
    return re.sub(r"[^a-zA-Z0-9]", "_", model_id)


def step_name(ensemble: str, step: str) -> str:
    """Return the name of a step (``TOKENIZER``, ``ENCODER``, ``POSTPROCESS``) of an ensemble.

    With ``FLOAT``, the name of the shorter ensemble beside it.
    """
    return f"{ensemble}_{step}"
