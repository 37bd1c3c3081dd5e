"""Names of Triton models, derived from a public model id."""

from __future__ import annotations

import re

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


def case_preserving_name(model_id: str) -> str:
    """Return the name by which nv-ingest asks for a model: it does not lower the case."""
    return re.sub(r"[^a-zA-Z0-9]", "_", model_id)


def step_name(ensemble: str, step: str) -> str:
    """Return the name of a step (``TOKENIZER``, ``ENCODER``, ``POSTPROCESS``) of an ensemble.

    With ``FLOAT``, the name of the shorter ensemble beside it.
    """
    return f"{ensemble}_{step}"
