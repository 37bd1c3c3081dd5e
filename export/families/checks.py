"""Checks of ``config.json``: supported families, positions and rotary embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from triton_embed.export.checkpoint.settings import MAX_INTEGER, Settings, shown
from triton_embed.export.checkpoint.source import BYTES_PER_WEIGHT
from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.families.registry import FAMILIES, family_of

UNSUPPORTED = {
    "siglip2": "SigLIP2 with images of variable resolution (NaFlex) is not supported; checkpoints "
    "with a fixed image size are, such as google/siglip2-base-patch16-224",
}
"""Reasons and alternatives for families that are likely to be requested, by ``model_type``."""

ROPE_TYPES = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose frequencies are independent of the longest sequence of a batch."""

_NULL = type(None)
_NUMBER = ((float, int), "a number")
_FRACTION = ((float,), "a number with a decimal point")
_FLAG = ((bool,), "true or false")
_SIZE = ((int,), "a whole number")

TYPES: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("classifier_dropout", (float, int, _NULL), "a number"),
    ("*dropout", *_NUMBER),
    ("*dropout_prob", *_NUMBER),
    ("*dropout_rate", *_NUMBER),
    ("*norm*_eps", *_FRACTION),
    ("*norm_epsilon", *_FRACTION),
    ("initializer_range", *_FRACTION),
    ("add_cross_attention", *_FLAG),
    ("is_decoder", *_FLAG),
    ("tie_word_embeddings", *_FLAG),
    ("use_cache", *_FLAG),
    ("intermediate_size", *_SIZE),
    ("type_vocab_size", *_SIZE),
    ("eos_token_id", (int, list, _NULL), "a token id"),
    ("*_token_id", (int, _NULL), "a token id"),
    ("hidden_act*", (str,), "a string"),
)
"""Patterns of settings, the types that transformers accepts, and the words for them; the first
match is used. transformers checks the rest before a download."""


def check_architecture(config: Mapping[str, Any]) -> None:
    """Check that the transformer of a ``config.json`` can be exported.

    Raises:
        ExportError: its family, or a variant of it, is not supported.
    """
    settings = Settings("config.json", config)
    model_type = settings.text("model_type")
    if model_type in UNSUPPORTED:
        raise ExportError(f"config.json: architecture '{model_type}': {UNSUPPORTED[model_type]}")
    if model_type is None or model_type not in FAMILIES:
        raise ExportError(
            f"config.json: architecture '{model_type}' is not supported; supported are "
            f"{', '.join(FAMILIES)}"
        )
    _check_types(settings)
    family = FAMILIES[model_type]
    positions = settings.text("position_embedding_type") or "absolute"
    if (family.absolute_positions and positions != "absolute") or settings.flag("is_decoder"):
        raise ExportError(
            f"config.json: only bidirectional '{model_type}' with absolute positions is supported"
        )
    for name, value in family.required_settings.items():
        if config.get(name, value) != value:
            raise ExportError(
                f"config.json: '{model_type}' with {name} = {shown(config[name])} is not "
                f"supported, only {value!r} is"
            )
    text = family.text_settings(config)
    _check_rotary(text.object("rope_parameters") or text.object("rope_scaling"))


def _check_types(settings: Settings) -> None:
    """Check the types of settings that only transformers reads, as strictly as it does."""
    for key, value in settings.values.items():
        rule = next((rule for rule in TYPES if fnmatchcase(key, rule[0])), None)
        if rule and (type(value) not in rule[1] or not _is_small(value)):
            raise settings.error(key, rule[2])
    for key in ("dtype", "torch_dtype"):
        name = settings.text(key)
        if name is not None and name not in BYTES_PER_WEIGHT:
            raise settings.error(key, f"one of {', '.join(BYTES_PER_WEIGHT)}")


def _is_small(value: object) -> bool:
    """Return whether a number, or each of a list, is neither NaN nor too large for an int32."""
    if isinstance(value, list):
        return all(type(item) is int and abs(item) <= MAX_INTEGER for item in value)
    return not isinstance(value, int | float) or abs(value) <= MAX_INTEGER


def _check_rotary(settings: Mapping[str, Any]) -> None:
    """Reject rotary embeddings, of any type of layer, that depend on the rest of the batch."""
    per_layer_type = [value for value in settings.values() if isinstance(value, dict)]
    for rotary in (settings, *per_layer_type):
        rope_type = rotary.get("rope_type", rotary.get("type", "default"))
        if rope_type not in ROPE_TYPES:
            raise ExportError(
                f"config.json: rotary embeddings of type {shown(rope_type)} are not supported; "
                f"supported are "
                f"{', '.join(ROPE_TYPES)}"
            )


def check_transformers(config: Mapping[str, Any]) -> None:
    """Check that transformers reads a ``config.json``, and reads its sizes as a plan does.

    Raises:
        ExportError: transformers rejects the file or reads other sizes.
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
