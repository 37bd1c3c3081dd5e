"""Warnings about a plan: parts of the checkpoint that are ignored, values that were assumed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.families.family import Family
from triton_embed.export.presets import Preset

PRESET_FLAGS = {
    "prompt_query": "--prompt-query",
    "prompt_passage": "--prompt-passage",
    "requires_input_type": "--asymmetric or --symmetric",
    "max_tokens": "--max-tokens",
    "matryoshka": "--matryoshka",
    "pooling": "--pooling",
    "normalize": "--normalize or --no-normalize",
}
"""The flag that overrides each value of a preset."""


def ignored_parts(checkpoint: Checkpoint, family: Family, spec: ModelSpec) -> Iterator[str]:
    """Yield warnings about parts of the checkpoint that are ignored but may matter."""
    if checkpoint.config.get("auto_map") and not family.replaces_remote_code:
        yield (
            "the checkpoint contains code (auto_map in config.json), which was not run; "
            "the reference is transformers' own class"
        )
    if checkpoint.unused_prompts and not spec.prompt_query:
        yield (
            "queries get no prompt; the checkpoint has prompts for single tasks "
            f"({', '.join(checkpoint.unused_prompts)}): if one of them is meant for queries, pass "
            "its text with --prompt-query"
        )


def guesses(spec: ModelSpec, guessed: Collection[str]) -> Iterator[str]:
    """Yield a warning if the head of the model was guessed.

    Args:
        spec: The model's spec.
        guessed: The guessed ones of `precedence.HEAD_OPTIONS`.
    """
    if not guessed:
        return
    values = {
        "pooling": f"{' and '.join(spec.pooling)} pooling",
        "normalize": "vectors that are not normalized",
    }
    flags = {"pooling": "--pooling MODE", "normalize": "--normalize or --no-normalize"}
    yield (
        f"{' and '.join(values[name] for name in guessed)}: a guess, because the checkpoint has no "
        "modules.json, and a wrong one gives wrong vectors. Compare it with the model's "
        f"documentation, and confirm or correct it with "
        f"{' and '.join(flags[name] for name in guessed)}"
    )


def values_of_preset(preset: Preset, spec: ModelSpec, defined: Collection[str]) -> Iterator[str]:
    """Yield a warning if a preset was found by the name of a folder and supplies values.

    Args:
        preset: The preset.
        spec: The model's spec.
        defined: The keys of `SpecOverrides` that flags and the checkpoint's files define.
    """
    if preset.folder_id is None:
        return
    values = {name: value for name, value in preset.values.items() if name not in defined}
    if values.get("matryoshka", spec.matryoshka_dimensions) != spec.matryoshka_dimensions:
        # It exceeded the dimension.
        del values["matryoshka"]
    used = [name for name in PRESET_FLAGS if name in values]
    if used:
        shown = ", ".join(f"{name} {_shown(values[name])}" for name in used)
        yield (
            f"the folder's name matches the known model '{preset.folder_id}', whose published "
            f"values are used for what the files do not define: {shown}. If it is another model, "
            f"override them with {', '.join(PRESET_FLAGS[name] for name in used)}"
        )


def _shown(value: object) -> str:
    """Return a preset's value in the form that its flag accepts."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "any"
    return repr(value) if isinstance(value, str) else str(value).lower()
