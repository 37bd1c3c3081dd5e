"""Names of Triton models, derived from a public model id."""

from __future__ import annotations

import re


def triton_model_name(model_id: str) -> str:
    """Return the name of a model's entry: the id in lower case, ``_`` for all but a-z and 0-9."""
    return re.sub(r"[^a-z0-9]", "_", model_id.lower())


def case_preserving_name(model_id: str) -> str:
    """Return the name that nv-ingest uses for a model: it does not lower the case."""
    return re.sub(r"[^a-zA-Z0-9]", "_", model_id)
