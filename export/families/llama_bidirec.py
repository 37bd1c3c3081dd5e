"""NVIDIA's bidirectional Llama, without its remote code: llama-nemotron-embed, llama-nv-embedqa."""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, LlamaConfig, LlamaModel

from triton_embed.export.families.family import Family, FamilyDefaults


class LlamaBidirectionalConfig(LlamaConfig):
    """The configuration of NVIDIA's text embedders."""

    model_type = "llama_bidirec"
    # transformers then builds no causal mask, and passes the value to the attention function.
    is_causal: bool = False


class LlamaBidirectionalModel(LlamaModel):
    """The model of NVIDIA's text embedders."""

    config_class = LlamaBidirectionalConfig


def register() -> None:
    """Make both classes known to ``AutoConfig`` and ``AutoModel``."""
    AutoConfig.register("llama_bidirec", LlamaBidirectionalConfig, exist_ok=True)
    AutoModel.register(LlamaBidirectionalConfig, LlamaBidirectionalModel, exist_ok=True)


FAMILY = Family(
    "llama_bidirec",
    defaults=FamilyDefaults(
        poolings={"avg": "mean", "cls": "cls", "last": "lasttoken"},
        normalize=True,
        prompts={"query": "query: ", "passage": "passage: "},
    ),
    replaces_remote_code=True,
    register=register,
)
