"""Sizes of a transformer, read from config.json without the libraries that run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

REQUIRED_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
"""Sizes that every config.json must define."""

OPTIONAL_SIZES = ("head_dim", "intermediate_size", "max_position_embeddings", "num_key_value_heads")
"""Sizes that have defaults, or that some families lack."""


@dataclass(frozen=True)
class TransformerSizes:
    """The sizes that a plan depends on.

    Attributes:
        vocab_size: Rows of the token table.
        hidden_size: Width of the layers.
        positions: Rows of the position table; ``None``: the file does not define them.
    """

    vocab_size: int
    hidden_size: int
    positions: int | None


def read_sizes(settings: Settings, names: Mapping[str, str]) -> TransformerSizes:
    """Read and check the sizes in config.json.

    Args:
        settings: The content of config.json.
        names: The family's own names of sizes.

    Raises:
        ExportError: a size is missing, is not a positive whole number, or contradicts another.
    """
    sizes: dict[str, int] = {}
    keys: dict[str, str] = {}
    for name in (*REQUIRED_SIZES, *OPTIONAL_SIZES):
        keys[name] = _key(settings, name, names.get(name, name))
        value = settings.integer(keys[name])
        if value is not None:
            sizes[name] = value
        elif name in REQUIRED_SIZES:
            raise ExportError(f"{settings.file} does not define {keys[name]}")
    hidden, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    if "head_dim" not in sizes and hidden % heads:
        raise ExportError(
            f"{settings.file}: {keys['hidden_size']} is {hidden}, which is not divisible by "
            f"{keys['num_attention_heads']} {heads}"
        )
    if heads % sizes.get("num_key_value_heads", heads):
        raise ExportError(
            f"{settings.file}: {keys['num_attention_heads']} is {heads}, which is not divisible by "
            f"{keys['num_key_value_heads']} {sizes['num_key_value_heads']}"
        )
    return TransformerSizes(sizes["vocab_size"], hidden, sizes.get("max_position_embeddings"))


def _key(settings: Settings, name: str, own: str) -> str:
    """Return the key of a size: the family's own name if the file has it."""
    if own == name or own not in settings.values:
        return name
    if settings.values.get(name, settings.values[own]) != settings.values[own]:
        raise ExportError(f"{settings.file}: {own} and {name} are the same size, but differ")
    return own
