"""Checks of ``config.json``: supported families, positions and rotary embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.families.registry import FAMILIES, family_of

ROPE_TYPES = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose frequencies are independent of the longest sequence of a batch."""


def check_architecture(config: Mapping[str, Any]) -> None:
    """Check that the transformer of a ``config.json`` can be exported.

    Raises:
        ExportError: its family, or a variant of it, is not supported.
    """
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise ExportError(
            f"architecture '{model_type}' is not supported; supported are {', '.join(FAMILIES)}"
        )
    family = FAMILIES[model_type]
    positions = config.get("position_embedding_type") or "absolute"
    if (family.absolute_positions and positions != "absolute") or config.get("is_decoder"):
        raise ExportError(f"only bidirectional '{model_type}' with absolute positions is supported")
    for name, value in family.required_settings.items():
        if config.get(name, value) != value:
            raise ExportError(
                f"'{model_type}' with {name} = {config[name]!r} is not supported, only {value!r} is"
            )
    _check_rotary(config.get("rope_parameters") or config.get("rope_scaling") or {})


def _check_rotary(settings: Mapping[str, Any]) -> None:
    """Reject rotary embeddings, of any type of layer, that depend on the rest of the batch."""
    per_layer_type = [value for value in settings.values() if isinstance(value, dict)]
    for rotary in (settings, *per_layer_type):
        rope_type = rotary.get("rope_type", rotary.get("type", "default"))
        if rope_type not in ROPE_TYPES:
            raise ExportError(
                f"rotary embeddings of type '{rope_type}' are not supported; supported are "
                f"{', '.join(ROPE_TYPES)}"
            )


def check_transformers(config: Mapping[str, Any]) -> None:
    """Check that transformers reads a ``config.json``, and reads its sizes as a plan does.

    Raises:
        ExportError: it does not.
    """
    family = family_of(config)
    try:
        loaded = family.load_config(config)
    except Exception as error:
        raise ExportError(f"transformers cannot read config.json: {one_line(error)}") from error
    sizes = family.sizes(config)
    for name in ("vocab_size", "hidden_size"):
        if getattr(loaded, name) != getattr(sizes, name):
            raise ExportError(
                f"config.json: {name} is {getattr(sizes, name)}, but transformers reads "
                f"{getattr(loaded, name)}"
            )
