"""Names of models: the public id, derived from a checkpoint, and Triton's, derived from the id."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

HUB_CACHE = re.compile(r"/models--(?P<owner>[^/]+?)--(?P<name>[^/]+?)(/snapshots/[^/]+)?/?$")
"""End of the path of a checkpoint in the cache of ``huggingface_hub``, or of a copy of it."""

HUB_URL = re.compile(
    r"(https?://)?(www\.)?(huggingface\.co|hf\.co)/(?P<id>[\w.-]+/[\w.-]+)"
    r"(/tree/(?P<revision>[^?#]+?)|/(blob|resolve)/(?P<file_revision>[^/?#]+)/[^?#]+)?/?([?#].*)?"
)
"""URL of a model on the Hugging Face hub, of a revision of it, or of one of its files."""


def hub_id(source: str) -> str | None:
    """Return the id of a checkpoint on the Hugging Face hub; ``None`` for another folder.

    Args:
        source: A hub id, a model's URL on the hub, or the absolute path of a folder, which may be
            in the hub's cache.
    """
    if not PurePosixPath(source).is_absolute():
        url = HUB_URL.fullmatch(source)
        return url["id"] if url else source
    cached = HUB_CACHE.search(source)
    return f"{cached['owner']}/{cached['name']}" if cached else None


def default_model_id(source: str) -> str:
    """Return the public id of a checkpoint by default: its hub id, or the name of its folder.

    Args:
        source: See `hub_id`.
    """
    return hub_id(source) or PurePosixPath(source).name


def triton_model_name(model_id: str) -> str:
    """Return the name of a model's entry: the id in lower case, ``_`` for all but a-z and 0-9."""
    return re.sub(r"[^a-z0-9]", "_", model_id.lower())


def case_preserving_name(model_id: str) -> str:
    """Return the name that nv-ingest uses for a model: it does not lower-case the id."""
    return re.sub(r"[^a-zA-Z0-9]", "_", model_id)
