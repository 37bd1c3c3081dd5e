"""Pooling modes: the ``config.json`` of a Pooling module, in its current and its legacy form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""Supported modes, in the order in which sentence-transformers concatenates them."""

LEGACY_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The Boolean key of each mode in the legacy form, which sentence-transformers still reads."""


def read_pooling(folder: Path) -> tuple[str, ...]:
    """Return the modes of the Pooling module in `folder`.

    Raises:
        ExportError: the module pools in an unsupported way.
    """
    settings = _settings(folder)
    if isinstance(settings.values.get("pooling_mode"), list):
        modes = tuple(settings.texts("pooling_mode"))
    elif mode := settings.text("pooling_mode"):
        modes = (mode,)
    else:
        modes = tuple(mode for key, mode in LEGACY_KEYS.items() if settings.flag(key)) or ("mean",)
    if unknown := set(modes) - set(POOLING_MODES):
        raise ExportError(f"{folder.name}: unknown pooling mode '{unknown.pop()}'")
    if len(set(modes)) < max(len(modes), 1):
        raise settings.error("pooling_mode", "one or several different modes")
    return modes


def pools_prompt(folder: Path) -> bool:
    """Return whether the Pooling module in `folder` pools the tokens of the prompt, too.

    Raises:
        ExportError: the file is malformed.
    """
    return _settings(folder).flag("include_prompt") is not False


def _settings(folder: Path) -> Settings:
    return Settings(f"{folder.name}/config.json", read_json(folder / "config.json"))


def default_pooling(config: dict[str, Any]) -> str:
    """Return the mode for a transformer without modules, as sentence-transformers chooses it.

    Args:
        config: The transformer's ``config.json``.

    Returns:
        ``lasttoken`` for a causal language model, otherwise ``mean``.

    Raises:
        ExportError: a setting is malformed.
    """
    settings = Settings("config.json", config)
    architecture = next(iter(settings.texts("architectures")), "")
    causal = architecture.endswith("ForCausalLM") and settings.flag("is_causal") is not False
    return "lasttoken" if causal else "mean"
