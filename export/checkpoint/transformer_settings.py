"""Settings of the transformer: config.json, and sentence_bert_config.json of any of its names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triton_embed.export.checkpoint.files import TRANSFORMER_SETTINGS, read_json
from triton_embed.export.checkpoint.settings import MAX_INTEGER, Settings, shown
from triton_embed.export.errors import ExportError

CALLER_SETTINGS = (
    "_attn_implementation",
    "attn_implementation",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "use_return_dict",
)
"""Settings of config.json that the code that runs a transformer decides, not its weights. The
export chooses its own; a checkpoint saved by a training script may have any."""


ARGUMENTS = ("processor_kwargs", "tokenizer_args")
"""Settings with arguments of the tokenizer, under its current and its old name."""


def read_config(transformer: Path) -> dict[str, Any]:
    """Return config.json without `CALLER_SETTINGS`.

    Raises:
        ExportError: the file is malformed, or the weights are quantized.
    """
    config: dict[str, Any] = read_json(transformer / "config.json")
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise ExportError(
            f"config.json: quantization_config '{method or 'without quant_method'}' is not "
            "supported: export the original checkpoint, with '--precision "
            "int8' for a small model"
        )
    return {name: value for name, value in config.items() if name not in CALLER_SETTINGS}


def read_transformer_settings(transformer: Path) -> dict[str, Any]:
    """Return the settings that sentence-transformers keeps for the transformer.

    Raises:
        ExportError: the file is malformed, or the model has a vector for each token.
    """
    for name in TRANSFORMER_SETTINGS:
        settings: dict[str, Any] = read_json(transformer / name, default={})
        typed = Settings(name, settings)
        for key in ARGUMENTS:
            typed.object(key)
        typed.flag("do_lower_case")
        typed.object("modality_config")
        if settings.get("query_expansion"):
            raise ExportError(
                f"{name}: query_expansion is for models with a vector for each token, which are "
                "not supported"
            )
        if settings:
            return settings
    return {}


def renders_messages(settings: dict[str, Any]) -> bool:
    """Return whether texts are rendered by the chat template of the tokenizer."""
    modalities = settings.get("modality_config")
    return isinstance(modalities, dict) and "message" in modalities


def tokenizer_arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that override tokenizer_config.json."""
    return next(filter(None, map(settings.get, ARGUMENTS)), {})


def max_seq_length(settings: dict[str, Any]) -> int | None:
    """Return the maximum tokens of a text; ``None``: no file limits them."""
    arguments = tokenizer_arguments(settings)
    if "model_max_length" in arguments:
        return token_limit(arguments, "model_max_length")
    return token_limit(settings, "max_seq_length")


def token_limit(settings: dict[str, Any], name: str) -> int | None:
    """Return the limit `name`, which some files have as a string; ``None``: there is none.

    Raises:
        ExportError: it is not a positive whole number.
    """
    value = settings.get(name)
    if value is None:
        return None
    try:
        limit = int(value)
    except (TypeError, ValueError, OverflowError):
        limit = 0
    if not 1 <= limit <= MAX_INTEGER or isinstance(value, bool):
        raise ExportError(
            f"sentence_bert_config.json: {name} is {shown(value)}, but must be a number of tokens"
        )
    return limit
