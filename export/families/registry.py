"""The model families that can be exported: what each needs that the others do not.

Whether attention is causal or windowed stands nowhere here: transformers' own layers say so to
the attention function (see `export.attention`). Nothing of a checkpoint is ever executed: a
family whose official checkpoints bring code is mapped to a class of transformers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    LlamaConfig,
    LlamaModel,
    PretrainedConfig,
    T5EncoderModel,
)

from triton_embed.export.checkpoint.reader import Checkpoint
from triton_embed.export.errors import ExportError
from triton_embed.export.families.relative_bias import PackedMPNet, PackedT5

ROPE_TYPES = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose frequencies do not depend on the longest sequence of a batch."""


@dataclass(frozen=True)
class FamilyDefaults:
    """How the official code of a family embeds where the checkpoint's own files do not say.

    Attributes:
        poolings: Names of pooling modes in ``config.json``'s ``pooling``, and ours for them.
        normalize: Whether vectors are L2-normalised.
        prompts: As in ``config_sentence_transformers.json``.
    """

    poolings: Mapping[str, str] = field(default_factory=dict)
    normalize: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """One ``model_type``.

    Attributes:
        padding_id: The token id after which positions begin. As in RoBERTa, tokens of this id,
            which a text can spell, have it as their position and are not counted. Absent where
            positions begin at 0 and count every token.
        token_types: Whether the transformer takes ``token_type_ids``.
        pooler: Whether it has a pooling layer of its own, which we leave out.
        assumed: Settings of official ``config.json`` files that the class of transformers does not
            read, and the values that it takes for granted.
        settings: Reads from an official ``config.json`` what the class of transformers looks for
            under other names.
        recipe: See `FamilyDefaults`.
        replaces_code: Whether the class of transformers is known to compute what the code in
            official checkpoints does.
        absolute_positions: Whether ``position_embedding_type`` means something, and must be
            "absolute".
        model: The class of transformers that loads the encoder.
        rewire: Makes of the model, and the name of an attention function, one that runs on packed
            tokens; absent where the model itself does, through the attention interface.
    """

    padding_id: Callable[[PretrainedConfig], int] | None = None
    token_types: bool = False
    pooler: bool = False
    assumed: Mapping[str, Any] = field(default_factory=dict)
    settings: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda config: {}
    recipe: FamilyDefaults = FamilyDefaults()
    replaces_code: bool = False
    absolute_positions: bool = False
    model: Any = AutoModel
    rewire: Callable[[Any, str], nn.Module] | None = None

    def max_positions(self, config: PretrainedConfig) -> int:
        """Return the tokens of the longest sequence that the transformer has positions for."""
        positions = getattr(config, "max_position_embeddings", sys.maxsize)
        return int(positions) - (self.padding_id(config) + 1 if self.padding_id else 0)


class LlamaBidirectionalConfig(LlamaConfig):
    """The configuration of NVIDIA's text embedders."""

    model_type = "llama_bidirec"
    # transformers then builds no causal mask and tells the attention function so.
    is_causal: bool = False


class LlamaBidirectionalModel(LlamaModel):
    """The model of NVIDIA's text embedders, without their remote code."""

    config_class = LlamaBidirectionalConfig


AutoConfig.register("llama_bidirec", LlamaBidirectionalConfig, exist_ok=True)
AutoModel.register(LlamaBidirectionalConfig, LlamaBidirectionalModel, exist_ok=True)


NOMIC_ASSUMED = {
    "activation_function": "swiglu",
    "causal": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "use_rms_norm": False,
}

NOMIC_NAMES = {
    "layer_norm_epsilon": "layer_norm_eps",
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_layer": "num_hidden_layers",
}
"""Official names of settings, those of GPT-2, and transformers' names for them."""


def _nomic_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    if not config.keys() >= NOMIC_NAMES.keys():
        return {}
    settings = {name: config[official] for official, name in NOMIC_NAMES.items()}
    return {**settings, "head_dim": config["n_embd"] // config["n_head"]}


def _padding_id(config: PretrainedConfig) -> int:
    if config.pad_token_id is None:
        raise ExportError("config.json has no pad_token_id, from which positions are counted")
    return int(config.pad_token_id)


FAMILIES: dict[str, Family] = {
    "bert": Family(token_types=True, pooler=True, absolute_positions=True),
    "camembert": Family(_padding_id, token_types=True, pooler=True, absolute_positions=True),
    "distilbert": Family(),
    "gemma3_text": Family(),
    "llama": Family(),
    "llama_bidirec": Family(
        recipe=FamilyDefaults(
            poolings={"avg": "mean", "cls": "cls", "last": "lasttoken"},
            normalize=True,
            prompts={"query": "query: ", "passage": "passage: "},
        ),
        replaces_code=True,
    ),
    "mistral": Family(),
    "ministral3": Family(),
    "modernbert": Family(),
    # The padding id is fixed in its code.
    "mpnet": Family(lambda config: 1, pooler=True, rewire=PackedMPNet),
    "nomic_bert": Family(
        token_types=True, assumed=NOMIC_ASSUMED, settings=_nomic_settings, replaces_code=True
    ),
    "qwen3": Family(),
    "roberta": Family(_padding_id, token_types=True, pooler=True, absolute_positions=True),
    "t5": Family(model=T5EncoderModel, rewire=PackedT5),
    "xlm-roberta": Family(_padding_id, token_types=True, pooler=True, absolute_positions=True),
}
"""Supported values of ``model_type``."""


def check_architecture(config: Mapping[str, Any]) -> None:
    """Raise ExportError unless the encoder that ``config.json`` describes can be exported."""
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise ExportError(
            f"architecture '{kind}' is not supported; supported are {', '.join(FAMILIES)}"
        )
    family = FAMILIES[kind]
    positions = config.get("position_embedding_type") or "absolute"
    if (family.absolute_positions and positions != "absolute") or config.get("is_decoder"):
        raise ExportError(f"only bidirectional '{kind}' with absolute positions is supported")
    for name, value in family.assumed.items():
        if config.get(name, value) != value:
            raise ExportError(
                f"'{kind}' with {name} = {config[name]!r} is not supported, only {value!r} is"
            )
    _check_rotary(config.get("rope_parameters") or config.get("rope_scaling") or {})


def _check_rotary(settings: Mapping[str, Any]) -> None:
    """Raise ExportError if rotary embeddings, of any kind of layer, depend on the batch."""
    kinds = [value for value in settings.values() if isinstance(value, dict)]
    for kind in (settings, *kinds):
        used = kind.get("rope_type", kind.get("type", "default"))
        if used not in ROPE_TYPES:
            raise ExportError(
                f"rotary embeddings of type '{used}' are not supported; supported are "
                f"{', '.join(ROPE_TYPES)}"
            )


def complete(checkpoint: Checkpoint) -> Checkpoint:
    """Return `checkpoint` with what its family's recipe adds to the checkpoint's own files.

    Raises:
        ExportError: the checkpoint does not embed, or pools in a way that is not supported.
    """
    recipe = FAMILIES[checkpoint.config["model_type"]].recipe
    if not checkpoint.has_prompts:
        checkpoint = replace(checkpoint, prompts=dict(recipe.prompts))
    if checkpoint.has_modules:
        return checkpoint
    if any("Classification" in str(name) for name in checkpoint.config.get("architectures") or ()):
        raise ExportError("the checkpoint is a classifier or reranker: it has no embeddings")
    if not recipe.poolings:
        return checkpoint
    pooling = checkpoint.config.get("pooling", next(iter(recipe.poolings)))
    if pooling not in recipe.poolings:
        raise ExportError(
            f"config.json: pooling '{pooling}' is not supported; supported are "
            f"{', '.join(recipe.poolings)}"
        )
    return replace(
        checkpoint, pooling_modes=(recipe.poolings[pooling],), normalize=recipe.normalize
    )
